// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IDepositCollector} from "./interfaces/IDepositCollector.sol";
import {IERC3009DepositCollector} from "./interfaces/IERC3009DepositCollector.sol";
import {IReceiveWithAuthorization} from "./interfaces/IReceiveWithAuthorization.sol";

/// @title Deposit collector for tokens with ERC-3009, which serves the escrow at its canonical address only.
/// @notice Written from the x402 `batch-settlement` specification for chains without the deployed contract.
/// @dev Placed as bare runtime code: no constructor, no immutables, no initial storage.
contract ERC3009DepositCollector is IERC3009DepositCollector {
    using SafeERC20 for IERC20;

    /// @inheritdoc IERC3009DepositCollector
    address public constant ESCROW = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;

    /// @inheritdoc IDepositCollector
    /// @dev collectorData = abi.encode(uint256 validAfter, uint256 validBefore, uint256 salt, bytes signature).
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData)
        external
    {
        // Otherwise a collector that the caller chose could pull the payer's tokens into another channel.
        if (msg.sender != ESCROW) revert OnlyEscrow(msg.sender, ESCROW);

        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) =
            abi.decode(collectorData, (uint256, uint256, uint256, bytes));
        // The nonce names the channel: this authorisation funds no other.
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IReceiveWithAuthorization(token)
            .receiveWithAuthorization(payer, address(this), amount, validAfter, validBefore, nonce, signature);
        IERC20(token).safeTransfer(ESCROW, amount);
    }
}
