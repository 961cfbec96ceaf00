// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Errors of the channel escrow.
interface IChannelEscrowErrors {
    // ---- deposit ---------------------------------------------------------------------------------------------------

    /// @notice The payer of a channel cannot be the zero address.
    /// @param payer The address that was given.
    error InvalidPayer(address payer);

    /// @notice The receiver of a channel cannot be the zero address.
    /// @param receiver The address that was given.
    error InvalidReceiver(address receiver);

    /// @notice The receiver authorizer of a channel cannot be the zero address.
    /// @param receiverAuthorizer The address that was given.
    error InvalidReceiverAuthorizer(address receiverAuthorizer);

    /// @notice The token of a channel cannot be the zero address.
    /// @param token The address that was given.
    error InvalidToken(address token);

    /// @notice The withdraw delay of a channel is outside the accepted range.
    /// @param withdrawDelay The delay that was given, in seconds.
    /// @param min The shortest delay that is accepted, in seconds.
    /// @param max The longest delay that is accepted, in seconds.
    error WithdrawDelayOutOfRange(uint40 withdrawDelay, uint40 min, uint40 max);

    /// @notice A deposit cannot be zero.
    /// @param channelId The channel.
    error ZeroDeposit(bytes32 channelId);

    /// @notice The collector did not bring exactly the deposit.
    /// @param collector The collector.
    /// @param expectedBalance The balance the escrow would have with the deposit, in token base units.
    /// @param balance The balance the escrow has, in token base units.
    error DepositCollectionFailed(address collector, uint256 expectedBalance, uint256 balance);

    // ---- claim -----------------------------------------------------------------------------------------------------

    /// @notice A batch of claims cannot be empty.
    /// @dev An empty batch has no values to report.
    error EmptyBatch();

    /// @notice The caller is neither the receiver nor the receiver authorizer of the channel.
    /// @param caller The account that called.
    /// @param receiver The receiver of the channel.
    /// @param receiverAuthorizer The receiver authorizer of the channel.
    error NotAuthorizedToClaim(address caller, address receiver, address receiverAuthorizer);

    /// @notice A signed batch covers the channels of one receiver authorizer, and this channel has another.
    /// @param index The position of the claim in the batch, counted from 0.
    /// @param given The receiver authorizer of its channel.
    /// @param expected The receiver authorizer of the first claim's channel.
    error MixedReceiverAuthorizers(uint256 index, address given, address expected);

    /// @notice The signature is not that of the account whose consent is required.
    /// @param signer The account that must have signed.
    /// @param digest The EIP-712 digest that it must have signed.
    error InvalidSignature(address signer, bytes32 digest);

    /// @notice A claim exceeds what its voucher allows.
    /// @param channelId The channel.
    /// @param totalClaimed The cumulative claim, in token base units.
    /// @param maxClaimableAmount The cumulative maximum that the payer signed, in token base units.
    error ClaimExceedsCeiling(bytes32 channelId, uint128 totalClaimed, uint128 maxClaimableAmount);

    /// @notice A claim exceeds the balance of its channel.
    /// @param channelId The channel.
    /// @param totalClaimed The cumulative claim, in token base units.
    /// @param balance The balance of the channel, in token base units.
    error ClaimExceedsBalance(bytes32 channelId, uint128 totalClaimed, uint128 balance);

    // ---- refund ----------------------------------------------------------------------------------------------------

    /// @notice The caller is neither the receiver nor the receiver authorizer of the channel.
    /// @param caller The account that called.
    /// @param receiver The receiver of the channel.
    /// @param receiverAuthorizer The receiver authorizer of the channel.
    error NotAuthorizedToRefund(address caller, address receiver, address receiverAuthorizer);

    /// @notice A refund cannot be zero.
    /// @param channelId The channel.
    error ZeroRefund(bytes32 channelId);

    /// @notice A signed refund must use the channel's current refund nonce.
    /// @param channelId The channel.
    /// @param nonce The nonce that was given.
    /// @param expected The channel's refund nonce.
    error InvalidRefundNonce(bytes32 channelId, uint256 nonce, uint256 expected);

    // ---- withdrawal ------------------------------------------------------------------------------------------------

    /// @notice The caller is neither the payer nor the payer authorizer of the channel.
    /// @param caller The account that called.
    /// @param payer The payer of the channel.
    /// @param payerAuthorizer The payer authorizer of the channel.
    error NotAuthorizedToWithdraw(address caller, address payer, address payerAuthorizer);

    /// @notice A withdrawal cannot be zero.
    /// @param channelId The channel.
    error ZeroWithdrawal(bytes32 channelId);

    /// @notice A channel has at most one pending withdrawal.
    /// @param channelId The channel.
    /// @param amount The amount of the pending withdrawal, in token base units.
    /// @param initiatedAt When it was initiated, in unix seconds.
    error WithdrawalAlreadyPending(bytes32 channelId, uint128 amount, uint40 initiatedAt);

    /// @notice A withdrawal exceeds the unclaimed balance of the channel.
    /// @param channelId The channel.
    /// @param amount The amount to withdraw, in token base units.
    /// @param available The unclaimed balance, in token base units.
    error WithdrawAmountExceedsAvailable(bytes32 channelId, uint128 amount, uint128 available);

    /// @notice The channel has no pending withdrawal.
    /// @param channelId The channel.
    error WithdrawalNotPending(bytes32 channelId);

    /// @notice The withdraw delay of the channel has not passed yet.
    /// @param channelId The channel.
    /// @param finalizeAfter When the withdrawal can be finalized, in unix seconds.
    error WithdrawDelayNotElapsed(bytes32 channelId, uint256 finalizeAfter);
}
