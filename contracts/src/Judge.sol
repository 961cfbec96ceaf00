// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IAssetRegistry, Terms} from "./interfaces/IAssetRegistry.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {Context, IJudge, InferenceRequest, UsageReceipt} from "./interfaces/IJudge.sol";
import {INodeRegistry, PriceList} from "./interfaces/INodeRegistry.sol";
import {Changes} from "./judge/Changes.sol";
import {Evidence, EvidenceReader} from "./judge/Evidence.sol";
import {PPM} from "./libraries/Ppm.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";
import {StateTree} from "./libraries/StateTree.sol";
import {StateWitness} from "./libraries/StateWitness.sol";
import {StructHash} from "./libraries/StructHash.sol";

/// @title The judge of attribution version 1, in which the split of a fee follows from the registered terms alone.
/// @notice Confirms one receipt by the rules T1 to T7 and T9 of the ledger. T8, how receipts chain, needs no judge.
contract Judge is IJudge {
    using Changes for Changes.Map;
    using ReceiptHash for InferenceRequest;
    using StructHash for PriceList;
    using StructHash for Terms;

    /// @notice The longest that a request may take, in seconds.
    uint64 private constant _MAX_DURATION = 1 hours;
    uint32 private constant _ATTRIBUTION_VERSION = 1;
    uint8 private constant _ABORTED = 1;

    INodeRegistry private immutable _REGISTRY;
    IAssetRegistry private immutable _ASSETS;
    IChannelEscrow private immutable _ESCROW;

    /// @param registry The registry that knows price lists.
    /// @param assets The registry that knows terms.
    /// @param escrow The escrow whose channels pay the vaults.
    constructor(INodeRegistry registry, IAssetRegistry assets, IChannelEscrow escrow) {
        _REGISTRY = registry;
        _ASSETS = assets;
        _ESCROW = escrow;
    }

    /// @inheritdoc IJudge
    function judge(Context calldata context, UsageReceipt calldata receipt, bytes calldata data) external view {
        Evidence calldata evidence = EvidenceReader.open(data);
        _checkNumber(context, receipt);
        bytes32 voucherDigest = _ESCROW.getVoucherDigest(receipt.channelId, receipt.voucherMax);
        _checkChannel(context, receipt, evidence, voucherDigest);
        _checkPrice(receipt, evidence.priceList);
        _checkTerms(receipt, evidence.terms);
        _checkCharge(context, receipt, evidence);
        _checkShares(receipt);
        _checkTimes(context, receipt);
        _checkConsent(context, receipt, evidence, voucherDigest);
        _checkState(context, receipt, evidence);
    }

    /// @dev T1.
    function _checkNumber(Context calldata context, UsageReceipt calldata receipt) private pure {
        if (receipt.node != context.node) revert WrongNode(receipt.node, context.node);
        if (receipt.seq != context.seq) revert WrongSeq(receipt.seq, context.seq);
        if (receipt.fee == 0 || receipt.status > _ABORTED) revert NotCharged(receipt.status, receipt.fee);
    }

    /// @dev T2.
    function _checkChannel(
        Context calldata context,
        UsageReceipt calldata receipt,
        Evidence calldata evidence,
        bytes32 voucherDigest
    ) private view {
        IChannelEscrow.ChannelConfig calldata config = evidence.config;
        bytes32 channelId = _ESCROW.getChannelId(config);
        if (channelId != receipt.channelId) revert WrongChannel(channelId, receipt.channelId);
        bool ours = config.receiver == context.node && config.receiverAuthorizer == context.node;
        if (!ours || config.token != context.token) {
            revert ForeignChannel(config.receiver, config.receiverAuthorizer, config.token);
        }
        // Without this a signature that fails to recover would match.
        if (config.payerAuthorizer == address(0)) revert NoPayerAuthorizer(channelId);
        address signer = _signer(voucherDigest, evidence.voucherSignature);
        if (signer != config.payerAuthorizer) revert WrongVoucherSigner(signer, config.payerAuthorizer);
    }

    /// @dev T3, prices.
    function _checkPrice(UsageReceipt calldata receipt, PriceList calldata list) private view {
        bytes32 priceHash = StructHash.hash(list);
        if (priceHash != receipt.priceHash) revert WrongPriceList(priceHash, receipt.priceHash);
        bool ours = list.node == receipt.node && (list.adapterKey == receipt.adapterKey || list.adapterKey == 0);
        if (!ours) revert ForeignPriceList(list.node, list.adapterKey);
        bytes32 inForce = _REGISTRY.priceHashAt(list.node, list.adapterKey, receipt.startedAt);
        if (inForce != priceHash) revert PriceListNotInForce(priceHash, receipt.startedAt, inForce);
        uint256 expected = _price(receipt, list);
        if (receipt.fee != expected) revert WrongFee(receipt.fee, expected);
    }

    function _price(UsageReceipt calldata receipt, PriceList calldata list) private pure returns (uint256) {
        uint256 millionths = uint256(receipt.tokensIn) * list.promptPerM + uint256(receipt.tokensCached)
            * list.cachedPerM + uint256(receipt.tokensOut) * list.outputPerM;
        return Math.max(list.minFee, Math.ceilDiv(millionths, PPM));
    }

    /// @dev T3, terms.
    function _checkTerms(UsageReceipt calldata receipt, Terms[] calldata terms) private view {
        bytes32 termsHash = terms.length == 0 ? bytes32(0) : terms[0].hash();
        if (termsHash != receipt.termsHash) revert WrongTerms(termsHash, receipt.termsHash);
        if (terms.length != 0 && terms[0].adapterKey != receipt.adapterKey) {
            revert ForeignTerms(terms[0].adapterKey, receipt.adapterKey);
        }
        bytes32 inForce = _ASSETS.termsHashAt(receipt.adapterKey, receipt.startedAt);
        if (inForce == termsHash) return;
        if (termsHash == 0) revert TermsMissing(receipt.startedAt, inForce);
        revert TermsNotInForce(termsHash, receipt.startedAt, inForce);
    }

    /// @dev T4. The witness of the channel comes first.
    function _checkCharge(Context calldata context, UsageReceipt calldata receipt, Evidence calldata evidence)
        private
        pure
    {
        bytes32 stateRoot = StateTree.stateRoot(evidence.treeRoot, evidence.cumTotal);
        if (stateRoot != context.rootBefore) revert WrongStateBefore(stateRoot, context.rootBefore);
        if (evidence.witnesses.length == 0) revert WrongWitnessCount(0, 1);
        bytes32 key = StateTree.chargedKey(receipt.channelId);
        (uint256 charged, bytes32 root) = StateWitness.read(key, evidence.witnesses[0]);
        if (root != evidence.treeRoot) revert WrongWitness(key, root, evidence.treeRoot);
        if (charged != receipt.cumBefore) revert WrongCharge(charged, receipt.cumBefore);
        uint256 cumAfter = uint256(receipt.cumBefore) + receipt.fee;
        if (cumAfter > receipt.voucherMax) revert AboveVoucher(cumAfter, receipt.voucherMax);
    }

    /// @dev T5.
    function _checkShares(UsageReceipt calldata receipt) private pure {
        if (receipt.attributionVersion != _ATTRIBUTION_VERSION) revert UnknownAttribution(receipt.attributionVersion);
        if (receipt.sharesHash != 0) revert UnexpectedShares(receipt.sharesHash);
    }

    /// @dev T7. Receipts of one batch have no order: one leaf cannot prove it.
    function _checkTimes(Context calldata context, UsageReceipt calldata receipt) private pure {
        (uint64 startedAt, uint64 finishedAt) = (receipt.startedAt, receipt.finishedAt);
        if (finishedAt < context.prevClosedAt || finishedAt > context.closedAt) {
            revert FinishedOutsideBatch(finishedAt, context.prevClosedAt, context.closedAt);
        }
        if (finishedAt < startedAt || finishedAt - startedAt > _MAX_DURATION) {
            revert WrongDuration(startedAt, finishedAt, _MAX_DURATION);
        }
    }

    /// @dev T9.
    function _checkConsent(
        Context calldata context,
        UsageReceipt calldata receipt,
        Evidence calldata evidence,
        bytes32 voucherDigest
    ) private pure {
        if (evidence.requests.length == 0) {
            if (receipt.requestDigest != voucherDigest) {
                revert WrongRequest(voucherDigest, receipt.requestDigest);
            }
            return;
        }
        InferenceRequest calldata request = evidence.requests[0];
        bytes32 digest = MessageHashUtils.toTypedDataHash(context.openLoraDomain, request.hash());
        if (digest != receipt.requestDigest) revert WrongRequest(digest, receipt.requestDigest);
        address signer = _signer(digest, evidence.requestSignature);
        address expected = evidence.config.payerAuthorizer;
        if (signer != expected) revert WrongRequestSigner(signer, expected);
        bool agrees = request.node == receipt.node && request.channelId == receipt.channelId
            && request.adapterKey == receipt.adapterKey && request.priceHash == receipt.priceHash;
        if (!agrees) revert RequestDisagrees(digest);
        if (receipt.fee > request.maxFee) revert FeeAboveMaximum(receipt.fee, request.maxFee);
    }

    /// @dev T6.
    function _checkState(Context calldata context, UsageReceipt calldata receipt, Evidence calldata evidence)
        private
        pure
    {
        uint256 fee = receipt.fee;
        uint256 datanets = evidence.terms.length == 0 ? 0 : evidence.terms[0].datanets.length;
        Changes.Map memory changes = Changes.allocate(datanets + 4); // with channel, treasury, owner and operator
        changes.add(StateTree.chargedKey(receipt.channelId), fee);
        changes.addLines(fee, evidence.priceList, evidence.terms);
        uint256 cumTotal = evidence.cumTotal + fee;
        if (cumTotal > type(uint128).max) revert TotalTooLarge(cumTotal);
        bytes32 treeRoot = changes.apply_(evidence.treeRoot, evidence.witnesses);
        bytes32 stateRoot = StateTree.stateRoot(treeRoot, uint128(cumTotal));
        if (stateRoot != context.rootAfter) revert WrongStateAfter(stateRoot, context.rootAfter);
    }

    /// @return The account that signed, by plain `ecrecover` with a low s; the zero address if no key can have signed.
    function _signer(bytes32 digest, bytes calldata signature) private pure returns (address) {
        (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
        return fault == ECDSA.RecoverError.NoError ? signer : address(0);
    }
}
