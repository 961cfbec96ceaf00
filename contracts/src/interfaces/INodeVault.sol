// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannelEscrow} from "./IChannelEscrow.sol";

/// @title The x402 receiver and receiver authorizer of one node. Its only outflow is Settlement.
interface INodeVault {
    event Swept(address indexed token, uint256 amount);

    /// @notice Claims vouchers in the escrow. Operator key only.
    function claimVouchers(IChannelEscrow.VoucherClaim[] calldata claims) external;
    /// @notice Returns unclaimed balance of a channel to its payer at once. Operator key only.
    function refundChannel(IChannelEscrow.ChannelConfig calldata config, uint128 amount) external;
    /// @notice Settles the escrow's claims to this vault and credits the vault's whole balance in Settlement.
    /// Permissionless.
    function sweep() external returns (uint256 amount);
    function token() external view returns (address);
}
