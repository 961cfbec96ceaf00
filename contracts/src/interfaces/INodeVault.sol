// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IChannelEscrow} from "./IChannelEscrow.sol";
import {INodeRegistry} from "./INodeRegistry.sol";
import {ISettlement} from "./ISettlement.sol";

/// @title Vault of one node: receiver and receiver authorizer of its x402 payment channels.
/// @notice Tokens leave a vault for Settlement and for nowhere else.
interface INodeVault is IERC1271 {
    /// @notice The vault forwarded its whole balance to Settlement.
    /// @param token The token of the node.
    /// @param amount The amount, in token base units.
    event Swept(address indexed token, uint256 amount);

    /// @notice The caller does not hold the operator key of the node.
    /// @param node The node.
    /// @param caller The account that called.
    /// @param operator The operator key that is valid now; the zero address if the node is not registered.
    error NotOperator(address node, address caller, address operator);

    /// @notice Claims vouchers for this vault in the escrow.
    /// @param claims The vouchers; see `IChannelEscrow.claim`, whose errors pass through.
    /// @custom:access The operator key of the node.
    /// @custom:reverts NotOperator The caller does not hold the operator key.
    function claimVouchers(IChannelEscrow.VoucherClaim[] calldata claims) external;

    /// @notice Returns unclaimed balance of a channel to its payer immediately.
    /// @param config The channel.
    /// @param amount The amount, in token base units; see `IChannelEscrow.refund`, whose errors pass through.
    /// @custom:access The operator key of the node.
    /// @custom:reverts NotOperator The caller does not hold the operator key.
    function refundChannel(IChannelEscrow.ChannelConfig calldata config, uint128 amount) external;

    /// @notice Settles the escrow's claims to this vault and credits the vault's whole balance in Settlement.
    /// @return amount The amount that was forwarded, in token base units; 0 if there was nothing to forward.
    /// @custom:access Anyone.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the approval or transfer without a reason of its own.
    function sweep() external returns (uint256 amount);

    /// @notice The token of the node.
    /// @return The token; the zero address if the node is not registered.
    function token() external view returns (address);

    /// @notice The registry that deployed this vault.
    /// @return The contract.
    function REGISTRY() external view returns (INodeRegistry);

    /// @notice The only contract that the vault sends tokens to.
    /// @return The contract.
    function SETTLEMENT() external view returns (ISettlement);

    /// @notice The escrow whose channels pay this vault.
    /// @return The contract.
    function ESCROW() external view returns (IChannelEscrow);
}
