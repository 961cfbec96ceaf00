// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IChallenges, Leaf} from "../interfaces/IChallenges.sol";
import {IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {UsageReceipt} from "../interfaces/IJudge.sol";
import {BatchHeader} from "../interfaces/ILedgers.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {ReceiptHash} from "../libraries/ReceiptHash.sol";
import {StateTree} from "../libraries/StateTree.sol";
import {Postings} from "./Postings.sol";

/// @title Proofs that a node contradicts itself. Each uses nothing but what the node committed to or signed.
abstract contract Proofs is IChallenges {
    using Postings for BatchHeader;
    using Postings for ISettlement;
    using ReceiptHash for UsageReceipt;

    /// @inheritdoc IChallenges
    ISettlement public immutable SETTLEMENT;
    IChannelEscrow private immutable _ESCROW;

    /// @param settlement The contract whose headers are challenged.
    /// @param escrow The escrow whose channels pay the vaults.
    constructor(ISettlement settlement, IChannelEscrow escrow) {
        SETTLEMENT = settlement;
        _ESCROW = escrow;
    }

    /// @inheritdoc IChallenges
    function proveBrokenLink(BatchHeader calldata header, Leaf calldata left, Leaf calldata right) external {
        SETTLEMENT.posting(header);
        header.check(left);
        header.check(right);
        bool neighbours = uint256(left.index) + 1 == right.index;
        _require(neighbours && left.rootAfter != right.rootBefore, header);
        _kill(header.node, header.epoch);
    }

    /// @inheritdoc IChallenges
    function proveBrokenEnd(BatchHeader calldata header, Leaf calldata leaf) external {
        SETTLEMENT.posting(header);
        header.check(leaf);
        bool brokenStart = leaf.index == 0 && leaf.rootBefore != header.prevStateRoot;
        bool brokenEnd = leaf.index == header.count - 1 && leaf.rootAfter != header.stateRoot;
        _require(brokenStart || brokenEnd, header);
        _kill(header.node, header.epoch);
    }

    /// @inheritdoc IChallenges
    function proveWrongTotal(BatchHeader calldata header, bytes32 treeRoot, uint128 cumTotal) external {
        SETTLEMENT.posting(header);
        header.checkState(treeRoot, cumTotal);
        _require(cumTotal != header.cumTotal, header);
        _kill(header.node, header.epoch);
    }

    /// @inheritdoc IChallenges
    function proveDoubleBilling(
        BatchHeader calldata header,
        Leaf calldata leaf,
        UsageReceipt calldata receipt,
        BatchHeader calldata otherHeader,
        Leaf calldata otherLeaf,
        UsageReceipt calldata otherReceipt
    ) external {
        SETTLEMENT.posting(header);
        SETTLEMENT.posting(otherHeader);
        header.check(leaf, receipt);
        otherHeader.check(otherLeaf, otherReceipt);
        bool twoLeaves = header.epoch != otherHeader.epoch || leaf.index != otherLeaf.index;
        bool oneRequest = receipt.requestDigest == otherReceipt.requestDigest;
        _require(header.node == otherHeader.node && twoLeaves && oneRequest, header);
        _kill(header.node, uint64(Math.max(header.epoch, otherHeader.epoch)));
    }

    /// @inheritdoc IChallenges
    function proveEquivocation(
        BatchHeader calldata header,
        Leaf calldata leaf,
        UsageReceipt calldata signed,
        bytes calldata signature
    ) external {
        SETTLEMENT.posting(header);
        header.check(leaf);
        bytes32 receiptHash = signed.hash();
        bool samePlace = signed.node == header.node && signed.seq == uint256(header.fromSeq) + leaf.index;
        _require(samePlace && receiptHash != leaf.receiptHash, header);
        bytes32 digest = MessageHashUtils.toTypedDataHash(ReceiptHash.domainSeparator(address(SETTLEMENT)), receiptHash);
        (address signer, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (fault != ECDSA.RecoverError.NoError) signer = address(0);
        address operator = SETTLEMENT.registry().operatorAt(header.node, signed.finishedAt);
        if (signer == address(0) || signer != operator) revert WrongOperatorSigner(signer, operator);
        _kill(header.node, header.epoch);
    }

    /// @inheritdoc IChallenges
    function proveOverClaim(
        BatchHeader calldata header,
        IChannelEscrow.ChannelConfig calldata config,
        bytes calldata witness
    ) external {
        SETTLEMENT.posting(header);
        _checkNewest(header);
        _checkChannel(header.node, config);
        bytes32 channelId = _ESCROW.getChannelId(config);
        uint256 charged = header.valueOf(StateTree.chargedKey(channelId), witness);
        (, uint128 claimed) = _ESCROW.channels(channelId);
        _require(claimed > charged, header);
        _kill(header.node, header.epoch);
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    /// @dev After a death the vault has claimed what the dead headers charged, and may post those receipts again.
    function _checkNewest(BatchHeader calldata header) private view {
        (uint64 lastEpoch,,,,,,) = SETTLEMENT.ledger(header.node);
        if (header.epoch != lastEpoch) revert NotNewest(header.epoch, lastEpoch);
        uint64 diedAt = SETTLEMENT.diedAt(header.node);
        if (diedAt != 0) revert ClosedLedger(header.node, diedAt);
    }

    function _checkChannel(address node, IChannelEscrow.ChannelConfig calldata config) private view {
        bool paysVault = config.receiver == node && config.receiverAuthorizer == node;
        bool inItsToken = config.token == SETTLEMENT.registry().tokenOf(node);
        if (!paysVault || !inItsToken || config.payerAuthorizer == address(0)) {
            revert ForeignChannel(config.receiver, config.receiverAuthorizer, config.token, config.payerAuthorizer);
        }
    }

    /// @dev Settlement refuses if the header is final.
    function _kill(address node, uint64 epoch) private {
        SETTLEMENT.kill(node, epoch, msg.sender);
    }

    function _require(bool contradicts, BatchHeader calldata header) private pure {
        if (!contradicts) revert NoContradiction(header.node, header.epoch);
    }
}
