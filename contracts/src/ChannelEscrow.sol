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
/// @dev Per channel 0 ≤ totalClaimed ≤ balance, where balance = deposits − refunds − withdrawals. What is claimed
/// but not yet settled still lies here: Σ balance − Σ settled = tokens held.
/// Placed as bare runtime code: no constructor, no immutables, no initial storage.
contract ChannelEscrow is ChannelDigests, Multicall, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    struct ChannelState {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct WithdrawalState {
        uint128 amount;
        uint40 initiatedAt;
    }

    struct ReceiverState {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    mapping(bytes32 channelId => ChannelState) public channels;
    mapping(bytes32 channelId => WithdrawalState) public pendingWithdrawals;
    mapping(bytes32 channelId => uint256) public refundNonce;
    mapping(address receiver => mapping(address token => ReceiverState)) public receivers;

    error InvalidChannel();
    error WithdrawDelayOutOfRange();
    error ZeroDeposit();
    error DepositCollectionFailed();
    error EmptyBatch();
    error NotAuthorizedToClaim();
    error InvalidSignature();
    error ClaimExceedsCeiling();
    error ClaimExceedsBalance();
    error ZeroRefund();
    error NotAuthorizedToRefund();
    error InvalidRefundNonce();
    error NotAuthorizedToWithdraw();
    error NothingToWithdraw();
    error WithdrawalAlreadyPending();
    error WithdrawAmountExceedsAvailable();
    error WithdrawalNotPending();
    error WithdrawDelayNotElapsed();

    function multicall(bytes[] calldata data)
        public
        override(IChannelEscrow, Multicall)
        returns (bytes[] memory results)
    {
        return super.multicall(data);
    }

    // ---- payer: deposit --------------------------------------------------------------------------------------------

    /// @notice Funds a channel through `collector`. Anyone may relay it: the collector holds the payer's consent.
    function deposit(ChannelConfig calldata config, uint128 amount, address collector, bytes calldata collectorData)
        external
        nonReentrant
    {
        require(
            config.payer != address(0) && config.receiver != address(0) && config.receiverAuthorizer != address(0)
                && config.token != address(0),
            InvalidChannel()
        );
        require(
            config.withdrawDelay >= MIN_WITHDRAW_DELAY && config.withdrawDelay <= MAX_WITHDRAW_DELAY,
            WithdrawDelayOutOfRange()
        );
        require(amount != 0, ZeroDeposit());
        bytes32 channelId = getChannelId(config);

        uint256 held = IERC20(config.token).balanceOf(address(this));
        IDepositCollector(collector).collect(config.payer, config.token, amount, channelId, collectorData);
        // Trust the balance, not the collector: whoever calls chooses it.
        require(IERC20(config.token).balanceOf(address(this)) == held + amount, DepositCollectionFailed());

        ChannelState storage channel = channels[channelId];
        bool created = channel.balance == 0;
        channel.balance += amount;
        if (created) emit ChannelCreated(channelId, config);
        emit Deposited(channelId, msg.sender, amount, channel.balance);
    }

    // ---- receiver: claim, settle, refund ---------------------------------------------------------------------------

    /// @notice Records what vouchers allow. `totalClaimed` is cumulative; moves no tokens.
    function claim(VoucherClaim[] calldata voucherClaims) external nonReentrant {
        require(voucherClaims.length != 0, EmptyBatch());
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            ChannelConfig calldata config = voucherClaims[i].voucher.channel;
            require(_isReceiverSide(config), NotAuthorizedToClaim());
            _claim(voucherClaims[i]);
        }
    }

    /// @notice `claim` relayed by anyone: one receiver authorizer signed the whole batch.
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature)
        external
        nonReentrant
    {
        require(voucherClaims.length != 0, EmptyBatch());
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        bytes32 digest = getClaimBatchDigest(voucherClaims);
        require(
            SignatureChecker.isValidSignatureNowCalldata(authorizer, digest, authorizerSignature), InvalidSignature()
        );
        for (uint256 i = 0; i < voucherClaims.length; ++i) {
            require(voucherClaims[i].voucher.channel.receiverAuthorizer == authorizer, NotAuthorizedToClaim());
            _claim(voucherClaims[i]);
        }
    }

    /// @notice Sends a receiver everything claimed for it and not yet sent. Nothing to send is not an error.
    function settle(address receiver, address token) external nonReentrant {
        ReceiverState storage state = receivers[receiver][token];
        uint128 amount = state.totalClaimed - state.totalSettled;
        if (amount == 0) return;
        state.totalSettled = state.totalClaimed;
        emit Settled(receiver, token, msg.sender, amount);
        IERC20(token).safeTransfer(receiver, amount);
    }

    /// @notice Returns up to `amount` of unclaimed balance to the payer at once.
    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(_isReceiverSide(config), NotAuthorizedToRefund());
        _refund(getChannelId(config), config, amount);
    }

    /// @notice `refund` relayed by anyone. `nonce` is the channel's; a direct refund uses one up too.
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external nonReentrant {
        bytes32 channelId = getChannelId(config);
        require(nonce == refundNonce[channelId], InvalidRefundNonce());
        bytes32 digest = getRefundDigest(channelId, nonce, amount);
        require(
            SignatureChecker.isValidSignatureNowCalldata(
                config.receiverAuthorizer, digest, receiverAuthorizerSignature
            ),
            InvalidSignature()
        );
        _refund(channelId, config, amount);
    }

    // ---- payer: timed withdrawal -----------------------------------------------------------------------------------

    /// @notice Starts the delay after which unclaimed balance can be taken back. Vouchers stay claimable meanwhile.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external {
        require(_isPayerSide(config), NotAuthorizedToWithdraw());
        bytes32 channelId = getChannelId(config);
        ChannelState storage channel = channels[channelId];
        require(amount != 0, NothingToWithdraw());
        require(pendingWithdrawals[channelId].initiatedAt == 0, WithdrawalAlreadyPending());
        require(amount <= channel.balance - channel.totalClaimed, WithdrawAmountExceedsAvailable());

        pendingWithdrawals[channelId] = WithdrawalState(amount, uint40(block.timestamp));
        emit WithdrawInitiated(channelId, amount, uint40(block.timestamp) + config.withdrawDelay);
    }

    /// @notice Pays the payer the smaller of the amount asked for and what is still unclaimed.
    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant {
        require(_isPayerSide(config), NotAuthorizedToWithdraw());
        bytes32 channelId = getChannelId(config);
        WithdrawalState memory pending = pendingWithdrawals[channelId];
        require(pending.initiatedAt != 0, WithdrawalNotPending());
        require(block.timestamp >= uint256(pending.initiatedAt) + config.withdrawDelay, WithdrawDelayNotElapsed());

        delete pendingWithdrawals[channelId];
        uint128 amount = _takeUnclaimed(channelId, config, pending.amount);
        emit WithdrawFinalized(channelId, msg.sender, amount);
        if (amount != 0) IERC20(config.token).safeTransfer(config.payer, amount);
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _isReceiverSide(ChannelConfig calldata config) private view returns (bool) {
        return msg.sender == config.receiver || msg.sender == config.receiverAuthorizer;
    }

    function _isPayerSide(ChannelConfig calldata config) private view returns (bool) {
        return msg.sender == config.payer || msg.sender == config.payerAuthorizer;
    }

    function _claim(VoucherClaim calldata entry) private {
        ChannelConfig calldata config = entry.voucher.channel;
        bytes32 channelId = getChannelId(config);
        ChannelState storage channel = channels[channelId];
        require(entry.totalClaimed <= entry.voucher.maxClaimableAmount, ClaimExceedsCeiling());
        require(entry.totalClaimed <= channel.balance, ClaimExceedsBalance());
        if (entry.totalClaimed <= channel.totalClaimed) return; // claimed before: a repeated batch still goes through
        _checkVoucher(config, getVoucherDigest(channelId, entry.voucher.maxClaimableAmount), entry.signature);

        uint128 amount = entry.totalClaimed - channel.totalClaimed;
        channel.totalClaimed = entry.totalClaimed;
        receivers[config.receiver][config.token].totalClaimed += amount;
        emit Claimed(channelId, msg.sender, amount, entry.totalClaimed);
    }

    /// @dev A named authorizer is a key and nothing else; without one the payer answers, by key or ERC-1271.
    function _checkVoucher(ChannelConfig calldata config, bytes32 digest, bytes calldata signature) private view {
        if (config.payerAuthorizer == address(0)) {
            require(SignatureChecker.isValidSignatureNowCalldata(config.payer, digest, signature), InvalidSignature());
        } else {
            (address signer,,) = ECDSA.tryRecoverCalldata(digest, signature);
            require(signer == config.payerAuthorizer, InvalidSignature());
        }
    }

    function _refund(bytes32 channelId, ChannelConfig calldata config, uint128 amount) private {
        require(amount != 0, ZeroRefund());
        ++refundNonce[channelId]; // even if nothing is left to refund
        amount = _takeUnclaimed(channelId, config, amount);
        if (amount == 0) return;

        WithdrawalState storage pending = pendingWithdrawals[channelId];
        if (amount >= pending.amount) delete pendingWithdrawals[channelId];
        else pending.amount -= amount;
        emit Refunded(channelId, msg.sender, amount);
        IERC20(config.token).safeTransfer(config.payer, amount);
    }

    /// @return taken The smaller of `wanted` and the unclaimed balance, already subtracted.
    function _takeUnclaimed(bytes32 channelId, ChannelConfig calldata config, uint128 wanted)
        private
        returns (uint128 taken)
    {
        ChannelState storage channel = channels[channelId];
        taken = uint128(Math.min(wanted, channel.balance - channel.totalClaimed));
        channel.balance -= taken;
        if (taken != 0 && channel.balance == 0) emit ChannelClosed(channelId, config);
    }
}
