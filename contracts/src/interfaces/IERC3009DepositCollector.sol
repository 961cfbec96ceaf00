// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDepositCollector} from "./IDepositCollector.sol";

/// @title Deposit collector of x402 `batch-settlement` for tokens with ERC-3009.
interface IERC3009DepositCollector is IDepositCollector {
    /// @notice The escrow that this collector serves: the address where the x402 SDKs expect it on every chain.
    /// @return The address.
    function ESCROW() external view returns (address);
}
