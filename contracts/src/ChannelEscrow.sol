// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {ChannelDigests} from "./escrow/ChannelDigests.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {IDepositCollector} from "./interfaces/IDepositCollector.sol";

/// @title Unidirectional payment channels: deposits, cumulative vouchers, batched claims, refunds, timed withdrawal.
/// @notice Written from the x402 `batch-settlement` specification for chains without the deployed contract.
/// @dev Per channel 0 ≤ totalClaimed ≤ balance, where balance = deposits − refunds − withdrawals. The escrow holds what is
/// claimed until it is settled: Σ balance − Σ settled = tokens held.
/// Placed as bare runtime code: no constructor, no immutables, no initial storage.
contract ChannelEscrow is ChannelDigests, Multicall, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The state of a channel.
    struct ChannelState {
        uint128 balance; // deposits less refunds and withdrawals
        uint128 totalClaimed; // cumulative
    }

    /// @notice A pending withdrawal.
    struct WithdrawalState {
        uint128 amount;
        uint40 initiatedAt; // unix seconds; 0 if none is pending
    }

    /// @notice What was claimed for a receiver over all its channels, and what was sent.
    struct ReceiverState {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    /// @inheritdoc IChannelEscrow
    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;
    /// @inheritdoc IChannelEscrow
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    /// @inheritdoc IChannelEscrow
    mapping(bytes32 channelId => ChannelState) public channels;
    /// @inheritdoc IChannelEscrow
    mapping(bytes32 channelId => WithdrawalState) public pendingWithdrawals;
    /// @inheritdoc IChannelEscrow
    mapping(bytes32 channelId => uint256) public refundNonce;
    /// @inheritdoc IChannelEscrow
    mapping(address receiver => mapping(address token => ReceiverState)) public receivers;

    /// @inheritdoc IChannelEscrow
    function multicall(bytes[] calldata data)
        public
        override(IChannelEscrow, Multicall)
        returns (bytes[] memory results)
    {
        return super.multicall(data);
    }

    // ---- payer: deposit --------------------------------------------------------------------------------------------

    /// @inheritdoc IChannelEscrow
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external
        nonReentrant
    {
        _checkChannel(config);
        bytes32 channelId = getChannelId(config);
        if (amount == 0) revert ZeroDeposit(channelId);

        uint256 expected = IERC20(config.token).balanceOf(address(this)) + amount;
        IDepositCollector(collector).collect(config.payer, config.token, amount, channelId, collectorData);
        // Trust the balance, not the collector: the caller chooses the collector.
        uint256 balance = IERC20(config.token).balanceOf(address(this));
        if (balance != expected) revert DepositCollectionFailed(collector, expected, balance);

        ChannelState storage channel = channels[channelId];
        bool created = channel.balance == 0;
        channel.balance += amount;
        if (created) emit ChannelCreated(channelId, config);
        emit Deposited(channelId, msg.sender, amount, channel.balance);
    }

    // ---- receiver: claim, settle, refund ---------------------------------------------------------------------------

    /// @inheritdoc IChannelEscrow
    function claim(VoucherClaim[] calldata voucherClaims) external nonReentrant {
        if (voucherClaims.length == 0) revert EmptyBatch();
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            ChannelConfig calldata config = voucherClaims[i].voucher.channel;
            if (!_isReceiverOrAuthorizer(config)) {
                revert NotAuthorizedToClaim(msg.sender, config.receiver, config.receiverAuthorizer);
            }
            _claim(voucherClaims[i]);
        }
    }

    /// @inheritdoc IChannelEscrow
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature)
        external
        nonReentrant
    {
        if (voucherClaims.length == 0) revert EmptyBatch();
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        bytes32 digest = getClaimBatchDigest(voucherClaims);
        if (!SignatureChecker.isValidSignatureNowCalldata(authorizer, digest, authorizerSignature)) {
            revert InvalidSignature(authorizer, digest);
        }
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            address given = voucherClaims[i].voucher.channel.receiverAuthorizer;
            if (given != authorizer) revert MixedReceiverAuthorizers(i, given, authorizer);
            _claim(voucherClaims[i]);
        }
    }

    /// @inheritdoc IChannelEscrow
    function settle(address receiver, address token) external nonReentrant {
        ReceiverState storage state = receivers[receiver][token];
        uint128 amount = state.totalClaimed - state.totalSettled;
        if (amount == 0) return;
        state.totalSettled = state.totalClaimed;
        emit Settled(receiver, token, msg.sender, amount);
        IERC20(token).safeTransfer(receiver, amount);
    }

    /// @inheritdoc IChannelEscrow
    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        if (!_isReceiverOrAuthorizer(config)) {
            revert NotAuthorizedToRefund(msg.sender, config.receiver, config.receiverAuthorizer);
        }
        _refund(getChannelId(config), config, amount);
    }

    /// @inheritdoc IChannelEscrow
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external nonReentrant {
        bytes32 channelId = getChannelId(config);
        uint256 expected = refundNonce[channelId];
        if (nonce != expected) revert InvalidRefundNonce(channelId, nonce, expected);
        bytes32 digest = getRefundDigest(channelId, nonce, amount);
        if (!SignatureChecker.isValidSignatureNowCalldata(
                config.receiverAuthorizer, digest, receiverAuthorizerSignature
            )) revert InvalidSignature(config.receiverAuthorizer, digest);
        _refund(channelId, config, amount);
    }

    // ---- payer: timed withdrawal -----------------------------------------------------------------------------------

    /// @inheritdoc IChannelEscrow
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external {
        _checkPayerOrAuthorizer(config);
        bytes32 channelId = getChannelId(config);
        if (amount == 0) revert ZeroWithdrawal(channelId);
        WithdrawalState memory pending = pendingWithdrawals[channelId];
        if (pending.initiatedAt != 0) revert WithdrawalAlreadyPending(channelId, pending.amount, pending.initiatedAt);
        uint128 available = _unclaimed(channels[channelId]);
        if (amount > available) revert WithdrawAmountExceedsAvailable(channelId, amount, available);

        pendingWithdrawals[channelId] = WithdrawalState(amount, uint40(block.timestamp));
        emit WithdrawInitiated(channelId, amount, uint40(block.timestamp) + config.withdrawDelay);
    }

    /// @inheritdoc IChannelEscrow
    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant {
        _checkPayerOrAuthorizer(config);
        bytes32 channelId = getChannelId(config);
        WithdrawalState memory pending = pendingWithdrawals[channelId];
        if (pending.initiatedAt == 0) revert WithdrawalNotPending(channelId);
        uint256 finalizeAfter = uint256(pending.initiatedAt) + config.withdrawDelay;
        if (block.timestamp < finalizeAfter) revert WithdrawDelayNotElapsed(channelId, finalizeAfter);

        delete pendingWithdrawals[channelId];
        uint128 amount = _takeUnclaimed(channelId, config, pending.amount);
        emit WithdrawFinalized(channelId, msg.sender, amount);
        if (amount != 0) IERC20(config.token).safeTransfer(config.payer, amount);
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _checkChannel(ChannelConfig calldata config) private pure {
        if (config.payer == address(0)) revert InvalidPayer(config.payer);
        if (config.receiver == address(0)) revert InvalidReceiver(config.receiver);
        if (config.receiverAuthorizer == address(0)) revert InvalidReceiverAuthorizer(config.receiverAuthorizer);
        if (config.token == address(0)) revert InvalidToken(config.token);
        uint40 delay = config.withdrawDelay;
        if (delay < MIN_WITHDRAW_DELAY || delay > MAX_WITHDRAW_DELAY) {
            revert WithdrawDelayOutOfRange(delay, MIN_WITHDRAW_DELAY, MAX_WITHDRAW_DELAY);
        }
    }

    function _isReceiverOrAuthorizer(ChannelConfig calldata config) private view returns (bool) {
        return msg.sender == config.receiver || msg.sender == config.receiverAuthorizer;
    }

    function _checkPayerOrAuthorizer(ChannelConfig calldata config) private view {
        if (msg.sender != config.payer && msg.sender != config.payerAuthorizer) {
            revert NotAuthorizedToWithdraw(msg.sender, config.payer, config.payerAuthorizer);
        }
    }

    function _claim(VoucherClaim calldata entry) private {
        ChannelConfig calldata config = entry.voucher.channel;
        bytes32 channelId = getChannelId(config);
        ChannelState storage channel = channels[channelId];
        uint128 total = entry.totalClaimed;
        uint128 ceiling = entry.voucher.maxClaimableAmount;
        uint128 balance = channel.balance;
        if (total > ceiling) revert ClaimExceedsCeiling(channelId, total, ceiling);
        if (total > balance) revert ClaimExceedsBalance(channelId, total, balance);
        if (total <= channel.totalClaimed) return; // claimed before: a repeated batch still succeeds
        _checkVoucher(config, getVoucherDigest(channelId, ceiling), entry.signature);

        uint128 amount = total - channel.totalClaimed;
        channel.totalClaimed = total;
        receivers[config.receiver][config.token].totalClaimed += amount;
        emit Claimed(channelId, msg.sender, amount, total);
    }

    /// @dev A payer authorizer is a key only. Without one the payer signs, by its key or by ERC-1271.
    function _checkVoucher(ChannelConfig calldata config, bytes32 digest, bytes calldata signature) private view {
        address signer = config.payerAuthorizer;
        if (signer == address(0)) {
            signer = config.payer;
            bool valid = SignatureChecker.isValidSignatureNowCalldata(signer, digest, signature);
            if (!valid) revert InvalidSignature(signer, digest);
        } else {
            (address recovered,,) = ECDSA.tryRecoverCalldata(digest, signature);
            if (recovered != signer) revert InvalidSignature(signer, digest);
        }
    }

    function _refund(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        if (amount == 0) revert ZeroRefund(channelId);
        ++refundNonce[channelId]; // even if nothing is left to refund
        amount = _takeUnclaimed(channelId, config, amount);
        if (amount == 0) return;

        WithdrawalState storage pending = pendingWithdrawals[channelId];
        if (amount >= pending.amount) delete pendingWithdrawals[channelId];
        else pending.amount -= amount;
        emit Refunded(channelId, msg.sender, amount);
        IERC20(config.token).safeTransfer(config.payer, amount);
    }

    function _unclaimed(ChannelState storage channel) private view returns (uint128) {
        return channel.balance - channel.totalClaimed;
    }

    /// @dev Subtracts up to `wanted` from the unclaimed balance.
    /// @return taken The smaller of `wanted` and the unclaimed balance.
    function _takeUnclaimed(bytes32 channelId, ChannelConfig calldata config, uint128 wanted)
        private
        returns (uint128 taken)
    {
        ChannelState storage channel = channels[channelId];
        taken = uint128(Math.min(wanted, _unclaimed(channel)));
        channel.balance -= taken;
        if (taken != 0 && channel.balance == 0) emit ChannelClosed(channelId, config);
    }
}
