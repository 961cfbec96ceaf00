// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {Bonds} from "./challenges/Bonds.sol";
import {Postings} from "./challenges/Postings.sol";
import {Proofs} from "./challenges/Proofs.sol";
import {IChallenges, Leaf} from "./interfaces/IChallenges.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {Context, IJudge, UsageReceipt} from "./interfaces/IJudge.sol";
import {BatchHeader} from "./interfaces/ILedgers.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {ReceiptHash} from "./libraries/ReceiptHash.sol";
import {StateTree} from "./libraries/StateTree.sol";
import {StructHash} from "./libraries/StructHash.sol";

/// @title Challenges of posted headers: demands and their answers, proofs, and the judges.
contract Challenges is Bonds, Proofs, AccessManaged {
    using Postings for BatchHeader;
    using Postings for ISettlement;
    using StructHash for BatchHeader;

    /// @notice A judge and when it starts.
    struct Appointment {
        IJudge judge;
        uint64 from; // unix seconds
    }

    uint32 private constant _FIRST_VERSION = 1;

    /// @inheritdoc IChallenges
    uint64 public immutable notice;

    mapping(uint32 attributionVersion => Appointment) private _appointments;

    /// @param authority The access manager that says who governs.
    /// @param settlement The contract whose headers are challenged; it must have been deployed with this address.
    /// @param escrow The escrow whose channels pay the vaults.
    /// @param judge The judge of attribution version 1, which starts at once.
    /// @param notice_ How far ahead other judges are added, in seconds.
    constructor(address authority, ISettlement settlement, IChannelEscrow escrow, IJudge judge, uint64 notice_)
        AccessManaged(authority)
        Proofs(settlement, escrow)
    {
        notice = notice_;
        _appoint(_FIRST_VERSION, judge, uint64(block.timestamp));
    }

    // ---- demands ---------------------------------------------------------------------------------------------------

    /// @inheritdoc IChallenges
    function demandLeaf(BatchHeader calldata header, uint32 index) external payable nonReentrant {
        if (index >= header.count) revert NoSuchLeaf(index, header.count);
        Postings.Posting memory posting = _openPosting(header);
        uint256 bond = _open(header.node, header.epoch, posting, KIND_LEAF, bytes32(uint256(index)));
        emit LeafDemanded(header.node, header.epoch, index, msg.sender, bond, _deadline());
    }

    /// @inheritdoc IChallenges
    function justify(
        BatchHeader calldata header,
        BatchHeader calldata previous,
        Leaf calldata leaf,
        UsageReceipt calldata receipt,
        bytes calldata evidence
    ) external nonReentrant {
        Postings.Posting memory posting = SETTLEMENT.posting(header);
        header.check(leaf, receipt);
        IJudge judge = judgeOf(receipt.attributionVersion);
        if (address(judge) == address(0)) revert UnknownAttribution(receipt.attributionVersion);
        judge.judge(_contextOf(header, previous, leaf), receipt, evidence);
        emit LeafJustified(header.node, header.epoch, leaf.index, leaf.receiptHash, msg.sender);
        _answer(header.node, header.epoch, posting, KIND_LEAF, bytes32(uint256(leaf.index)));
    }

    /// @inheritdoc IChallenges
    function demandPayee(BatchHeader calldata header, uint8 payeeKind, bytes32 id) external payable nonReentrant {
        Postings.Posting memory posting = _openPosting(header);
        uint256 bond = _open(header.node, header.epoch, posting, KIND_PAYEE, StateTree.earnedKey(payeeKind, id));
        emit PayeeDemanded(header.node, header.epoch, payeeKind, id, msg.sender, bond, _deadline());
    }

    /// @inheritdoc IChallenges
    function showPayee(BatchHeader calldata header, uint8 payeeKind, bytes32 id, bytes calldata witness)
        external
        nonReentrant
    {
        Postings.Posting memory posting = SETTLEMENT.posting(header);
        bytes32 key = StateTree.earnedKey(payeeKind, id);
        uint256 cumulative = header.valueOf(key, witness);
        emit PayeeShown(header.node, header.epoch, payeeKind, id, cumulative, witness);
        _answer(header.node, header.epoch, posting, KIND_PAYEE, key);
    }

    /// @inheritdoc IChallenges
    function expire(address node, uint64 epoch, uint8 kind, bytes32 item) external nonReentrant {
        SETTLEMENT.kill(node, epoch, _expire(node, epoch, kind, item));
    }

    // ---- judges ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IChallenges
    function addJudge(uint32 attributionVersion, IJudge judge) external restricted {
        IJudge present = _appointments[attributionVersion].judge;
        if (address(present) != address(0)) revert JudgeExists(attributionVersion, present);
        _appoint(attributionVersion, judge, uint64(block.timestamp) + notice);
    }

    /// @inheritdoc IChallenges
    function judgeOf(uint32 attributionVersion) public view returns (IJudge) {
        Appointment storage appointment = _appointments[attributionVersion];
        return block.timestamp < appointment.from ? IJudge(address(0)) : appointment.judge;
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _settlement() internal view override returns (ISettlement) {
        return SETTLEMENT;
    }

    /// @dev The posting of a header whose window runs.
    function _openPosting(BatchHeader calldata header) private view returns (Postings.Posting memory posting) {
        posting = SETTLEMENT.posting(header);
        if (block.timestamp >= posting.activeFrom) revert WindowClosed(header.node, header.epoch, posting.activeFrom);
    }

    function _contextOf(BatchHeader calldata header, BatchHeader calldata previous, Leaf calldata leaf)
        private
        view
        returns (Context memory context)
    {
        context.node = header.node;
        context.token = SETTLEMENT.registry().tokenOf(header.node);
        context.openLoraDomain = ReceiptHash.domainSeparator(address(SETTLEMENT));
        context.seq = header.fromSeq + leaf.index;
        context.rootBefore = leaf.rootBefore;
        context.rootAfter = leaf.rootAfter;
        context.closedAt = header.closedAt;
        if (header.prevHeaderHash == 0) return context;
        bytes32 headerHash = previous.hash();
        if (headerHash != header.prevHeaderHash) revert WrongPrevious(headerHash, header.prevHeaderHash);
        context.prevClosedAt = previous.closedAt;
    }

    function _appoint(uint32 attributionVersion, IJudge judge, uint64 from) private {
        if (address(judge).code.length == 0) revert InvalidJudge(judge);
        _appointments[attributionVersion] = Appointment(judge, from);
        emit JudgeAdded(attributionVersion, judge, from);
    }

    function _deadline() private view returns (uint64) {
        return uint64(block.timestamp) + ANSWER_PERIOD;
    }
}
