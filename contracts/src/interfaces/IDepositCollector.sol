// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Deposit collector: how an escrow pulls a deposit.
/// @notice There is one collector for each way to authorise a transfer.
interface IDepositCollector {
    /// @notice The caller is not the escrow that this collector serves.
    /// @param caller The account that called.
    /// @param escrow The escrow.
    error OnlyEscrow(address caller, address escrow);

    /// @notice Moves tokens from a payer to the calling escrow.
    /// @dev The errors of the token pass through.
    /// @param payer The account that pays.
    /// @param token The token.
    /// @param amount The amount, in token base units.
    /// @param channelId The channel that the deposit is for.
    /// @param collectorData The payer's authorisation, in the collector's own encoding.
    /// @custom:access The escrow that the collector serves.
    /// @custom:reverts OnlyEscrow Another account called.
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData)
        external;
}
