// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannelEscrowErrors} from "./IChannelEscrowErrors.sol";

/// @title The escrow interface of x402 `batch-settlement` on EVM, with the names of its specification and SDKs.
/// @notice A channel pays from one payer to one receiver. Vouchers and claims are cumulative. Every amount is in base
/// units of the channel's token.
/// @dev Functions that call tokens, collectors or wallets are guarded against reentrancy: a call from within another
/// reverts with ReentrancyGuardReentrantCall.
interface IChannelEscrow is IChannelEscrowErrors {
    /// @notice What defines a channel. The channel id is its EIP-712 digest, so nothing in it ever changes.
    struct ChannelConfig {
        address payer; // funds the channel and receives refunds and withdrawals
        address payerAuthorizer; // the key that signs vouchers; the zero address if the payer signs them itself
        address receiver; // receives what is claimed
        address receiverAuthorizer; // may claim and refund, itself or by signature
        address token;
        uint40 withdrawDelay; // seconds between initiating and finalizing a withdrawal
        bytes32 salt; // keeps several channels between the same parties apart
    }

    /// @notice A payer's cumulative promise.
    struct Voucher {
        ChannelConfig channel;
        uint128 maxClaimableAmount; // the largest total that may ever be claimed with it
    }

    /// @notice A voucher with its signature, and how much of it is claimed.
    struct VoucherClaim {
        Voucher voucher;
        bytes signature;
        uint128 totalClaimed; // cumulative
    }

    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A channel whose balance was zero received a deposit.
    /// @param channelId The channel.
    /// @param config What defines the channel.
    event ChannelCreated(bytes32 indexed channelId, ChannelConfig config);

    /// @notice The balance of a channel became zero.
    /// @param channelId The channel.
    /// @param config What defines the channel.
    event ChannelClosed(bytes32 indexed channelId, ChannelConfig config);

    /// @notice A deposit was added to a channel.
    /// @param channelId The channel.
    /// @param sender The account that relayed the deposit.
    /// @param amount The deposit.
    /// @param newBalance The balance of the channel with the deposit.
    event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance);

    /// @notice A voucher was claimed.
    /// @param channelId The channel.
    /// @param sender The account that called.
    /// @param claimAmount By how much the total claimed has grown.
    /// @param newTotalClaimed The cumulative claim.
    event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed);

    /// @notice Claimed tokens were sent to their receiver.
    /// @param receiver The receiver.
    /// @param token The token.
    /// @param sender The account that called.
    /// @param amount The amount that was sent.
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);

    /// @notice Unclaimed balance was returned to the payer.
    /// @param channelId The channel.
    /// @param sender The account that called.
    /// @param amount The amount that was returned.
    event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount);

    /// @notice A withdrawal was initiated.
    /// @param channelId The channel.
    /// @param amount The amount to withdraw.
    /// @param finalizeAfter When the withdrawal can be finalized, in unix seconds.
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 finalizeAfter);

    /// @notice A withdrawal was finalized.
    /// @param channelId The channel.
    /// @param sender The account that called.
    /// @param amount The amount that was paid, possibly zero.
    event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount);

    // ---- payer: deposit --------------------------------------------------------------------------------------------

    /// @notice Funds a channel through a collector, which holds the payer's consent.
    /// @dev The errors of the collector and the token pass through.
    /// @param config The channel.
    /// @param amount The deposit.
    /// @param collector The contract that pulls the tokens from the payer.
    /// @param collectorData The payer's authorisation, in the collector's encoding.
    /// @custom:access Anyone.
    /// @custom:reverts InvalidPayer The payer is the zero address.
    /// @custom:reverts InvalidReceiver The receiver is the zero address.
    /// @custom:reverts InvalidReceiverAuthorizer The receiver authorizer is the zero address.
    /// @custom:reverts InvalidToken The token is the zero address.
    /// @custom:reverts WithdrawDelayOutOfRange The withdraw delay is too short or too long.
    /// @custom:reverts ZeroDeposit `amount` is zero.
    /// @custom:reverts DepositCollectionFailed The escrow's balance did not grow by exactly `amount`.
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external;

    // ---- receiver: claim, settle, refund ---------------------------------------------------------------------------

    /// @notice Records claims that vouchers allow. Moves no tokens.
    /// @dev A claim that is not above the channel's total claimed changes nothing, so a batch can be repeated.
    /// @param voucherClaims The claims.
    /// @custom:access For each channel, its receiver or receiver authorizer.
    /// @custom:reverts EmptyBatch There is no claim.
    /// @custom:reverts NotAuthorizedToClaim The caller is not on the receiving end of a channel.
    /// @custom:reverts ClaimExceedsCeiling A claim exceeds its voucher.
    /// @custom:reverts ClaimExceedsBalance A claim exceeds the balance of its channel.
    /// @custom:reverts InvalidSignature A voucher is not signed by the payer authorizer, or by the payer without one.
    function claim(VoucherClaim[] calldata voucherClaims) external;

    /// @notice Records claims that vouchers allow, with a signature of the receiver authorizer over the whole batch.
    /// @param voucherClaims The claims; all channels have the same receiver authorizer.
    /// @param authorizerSignature The receiver authorizer's signature over `getClaimBatchDigest(voucherClaims)`.
    /// @custom:access Anyone.
    /// @custom:reverts EmptyBatch There is no claim.
    /// @custom:reverts InvalidSignature The batch or a voucher is not signed as it must be.
    /// @custom:reverts MixedReceiverAuthorizers A channel has another receiver authorizer than the first.
    /// @custom:reverts ClaimExceedsCeiling A claim exceeds its voucher.
    /// @custom:reverts ClaimExceedsBalance A claim exceeds the balance of its channel.
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature) external;

    /// @notice Sends a receiver everything that was claimed for it and not sent yet. Does nothing if there is nothing.
    /// @param receiver The receiver.
    /// @param token The token.
    /// @custom:access Anyone.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    function settle(address receiver, address token) external;

    /// @notice Returns unclaimed balance to the payer immediately.
    /// @dev Uses up a refund nonce, even if nothing is left to return. Lowers a pending withdrawal by what it returns.
    /// @param config The channel.
    /// @param amount The amount to return; more than the unclaimed balance returns all of it.
    /// @custom:access The receiver or receiver authorizer of the channel.
    /// @custom:reverts NotAuthorizedToRefund The caller is neither.
    /// @custom:reverts ZeroRefund `amount` is zero.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    function refund(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Returns unclaimed balance to the payer immediately, with a signature of the receiver authorizer.
    /// @param config The channel.
    /// @param amount The amount to return; more than the unclaimed balance returns all of it.
    /// @param nonce The channel's refund nonce.
    /// @param receiverAuthorizerSignature The receiver authorizer's signature over `getRefundDigest`.
    /// @custom:access Anyone.
    /// @custom:reverts InvalidRefundNonce `nonce` is not the channel's refund nonce.
    /// @custom:reverts InvalidSignature The refund is not signed by the receiver authorizer.
    /// @custom:reverts ZeroRefund `amount` is zero.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external;

    // ---- payer: timed withdrawal -----------------------------------------------------------------------------------

    /// @notice Starts the delay after which the payer can take back unclaimed balance. Vouchers remain claimable.
    /// @param config The channel.
    /// @param amount The amount to withdraw.
    /// @custom:access The payer or payer authorizer of the channel.
    /// @custom:reverts NotAuthorizedToWithdraw The caller is neither.
    /// @custom:reverts ZeroWithdrawal `amount` is zero.
    /// @custom:reverts WithdrawalAlreadyPending A withdrawal is pending.
    /// @custom:reverts WithdrawAmountExceedsAvailable `amount` exceeds the unclaimed balance.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external;

    /// @notice Pays the payer the smaller of the pending withdrawal and the unclaimed balance.
    /// @param config The channel.
    /// @custom:access The payer or payer authorizer of the channel.
    /// @custom:reverts NotAuthorizedToWithdraw The caller is neither.
    /// @custom:reverts WithdrawalNotPending No withdrawal is pending.
    /// @custom:reverts WithdrawDelayNotElapsed The withdraw delay of the channel has not passed.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    function finalizeWithdraw(ChannelConfig calldata config) external;

    // ---- batching --------------------------------------------------------------------------------------------------

    /// @notice Runs several calls of this contract for the same caller. One that reverts undoes all.
    /// @param data The encoded calls.
    /// @return results What each call returned.
    /// @custom:access Anyone; each call has its own rules.
    /// @custom:reverts FailedCall A call reverts without a reason; otherwise its own reason passes through.
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The shortest withdraw delay that a channel may have.
    /// @return The delay, in seconds.
    function MIN_WITHDRAW_DELAY() external view returns (uint40);

    /// @notice The longest withdraw delay that a channel may have.
    /// @return The delay, in seconds.
    function MAX_WITHDRAW_DELAY() external view returns (uint40);

    /// @notice The id of a channel: its EIP-712 digest, bound to chain and contract.
    /// @param config The channel.
    /// @return The id.
    function getChannelId(ChannelConfig calldata config) external view returns (bytes32);

    /// @notice The state of a channel.
    /// @param channelId The channel.
    /// @return balance Deposits less refunds and withdrawals.
    /// @return totalClaimed The cumulative claim, at most the balance.
    function channels(bytes32 channelId) external view returns (uint128 balance, uint128 totalClaimed);

    /// @notice The pending withdrawal of a channel.
    /// @param channelId The channel.
    /// @return amount The amount; 0 if none is pending.
    /// @return initiatedAt When it was initiated, in unix seconds; 0 if none is pending.
    function pendingWithdrawals(bytes32 channelId) external view returns (uint128 amount, uint40 initiatedAt);

    /// @notice What was claimed for a receiver over all its channels, and what was sent.
    /// @param receiver The receiver.
    /// @param token The token.
    /// @return totalClaimed The sum of all claims.
    /// @return totalSettled The part of it that was sent to the receiver.
    function receivers(address receiver, address token)
        external
        view
        returns (uint128 totalClaimed, uint128 totalSettled);

    /// @notice The nonce that the next signed refund of a channel must use.
    /// @param channelId The channel.
    /// @return The nonce, counted from 0.
    function refundNonce(bytes32 channelId) external view returns (uint256);

    /// @notice What the payer authorizer signs to allow claims.
    /// @param channelId The channel.
    /// @param maxClaimableAmount The cumulative maximum.
    /// @return The EIP-712 digest.
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32);

    /// @notice What the receiver authorizer signs to allow a refund.
    /// @param channelId The channel.
    /// @param nonce The channel's refund nonce.
    /// @param amount The amount to return.
    /// @return The EIP-712 digest.
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) external view returns (bytes32);

    /// @notice What the receiver authorizer signs to allow a batch of claims.
    /// @param voucherClaims The claims.
    /// @return The EIP-712 digest.
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32);
}
