// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBonds} from "./IBonds.sol";
import {IChallengesErrors} from "./IChallengesErrors.sol";
import {IChannelEscrow} from "./IChannelEscrow.sol";
import {IJudge, UsageReceipt} from "./IJudge.sol";
import {BatchHeader} from "./ILedgers.sol";
import {ISettlement} from "./ISettlement.sol";

/// @notice A leaf under a header's `receiptsRoot`: one receipt and the state roots around it.
struct Leaf {
    uint32 index; // in the batch, counted from 0
    bytes32 receiptHash; // struct hash of the receipt
    bytes32 rootBefore; // state root before the receipt
    bytes32 rootAfter; // state root after the receipt
    bytes32[] siblings; // bottom-up
}

/// @title Challenges of posted headers.
/// @notice The contract never finds that something is wrong. A demand asks to be shown that it is right, and a header
/// on which a demand stays unanswered dies. A proof shows a contradiction among what the node itself committed to.
/// Anything else reverts and costs nobody but its sender.
interface IChallenges is IBonds, IChallengesErrors {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice Somebody demands that a receipt be justified.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param index The place of the receipt in the batch, counted from 0.
    /// @param author Who demands it.
    /// @param bond The bond, which whoever justifies the receipt receives, in the chain's native coin.
    /// @param deadline When the header can die of the demand, in unix seconds.
    event LeafDemanded(
        address indexed node, uint64 indexed epoch, uint32 index, address indexed author, uint256 bond, uint64 deadline
    );

    /// @notice A demanded receipt was justified. It can never be demanded again.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param index The place of the receipt in the batch, counted from 0.
    /// @param receiptHash The struct hash of the receipt.
    /// @param answerer Who justified it and received the bond.
    event LeafJustified(
        address indexed node, uint64 indexed epoch, uint32 index, bytes32 receiptHash, address indexed answerer
    );

    /// @notice Somebody demands to be shown what a payee earned.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param payeeKind 0 for an address, 1 for a Datanet version, 2 for the treasury.
    /// @param id The address, left-padded; keccak256(abi.encode(datanetId, version)); or 0 for the treasury.
    /// @param author Who demands it.
    /// @param bond The bond, which whoever shows it receives, in the chain's native coin.
    /// @param deadline When the header can die of the demand, in unix seconds.
    event PayeeDemanded(
        address indexed node,
        uint64 indexed epoch,
        uint8 payeeKind,
        bytes32 id,
        address indexed author,
        uint256 bond,
        uint64 deadline
    );

    /// @notice What a payee earned up to a header was shown. With the proof in the witness it can be claimed.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param payeeKind 0 for an address, 1 for a Datanet version, 2 for the treasury.
    /// @param id The payee's id.
    /// @param cumulative Everything the payee ever earned from the node; 0 if the state does not hold the payee.
    /// @param witness The witness, see StateWitness: byte 0x00, 16 bytes `cumulative`, then the proof that claims take.
    event PayeeShown(
        address indexed node,
        uint64 indexed epoch,
        uint8 payeeKind,
        bytes32 indexed id,
        uint256 cumulative,
        bytes witness
    );

    /// @notice A judge was added.
    /// @param attributionVersion The attribution version that it judges.
    /// @param judge The judge.
    /// @param from When it starts to judge, in unix seconds.
    event JudgeAdded(uint32 indexed attributionVersion, IJudge judge, uint64 from);

    // ---- demands ---------------------------------------------------------------------------------------------------

    /// @notice Demands that a receipt of a header be justified. Send at least `bondOf(KIND_LEAF, node, epoch)`; what
    /// exceeds it comes back at once.
    /// @param header The header.
    /// @param index The place of the receipt in the batch, counted from 0.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts WindowClosed The window of the header has passed.
    /// @custom:reverts NoSuchLeaf The batch has fewer receipts.
    /// @custom:reverts AlreadyDemanded The receipt was demanded before.
    /// @custom:reverts BondTooSmall The value is below the bond.
    /// @custom:reverts FailedCall The caller refuses what comes back.
    function demandLeaf(BatchHeader calldata header, uint32 index) external payable;

    /// @notice Justifies a demanded receipt and receives the bond of the demand.
    /// @dev The errors of the judge pass through. A late answer counts until somebody expires the demand.
    /// @param header The header.
    /// @param previous The header before; ignored for the first header of a node.
    /// @param leaf The leaf of the receipt.
    /// @param receipt The receipt.
    /// @param evidence What the receipt refers to, in the encoding of the judge of its attribution version.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts WrongPrevious `previous` is not the header before.
    /// @custom:reverts NotInBatch The leaf is not under the root of the header.
    /// @custom:reverts WrongReceipt The receipt is not that of the leaf.
    /// @custom:reverts NoDemand No demand on the receipt is open.
    /// @custom:reverts UnknownAttribution No judge knows the attribution version of the receipt.
    /// @custom:reverts FailedCall The caller refuses the bond.
    function justify(
        BatchHeader calldata header,
        BatchHeader calldata previous,
        Leaf calldata leaf,
        UsageReceipt calldata receipt,
        bytes calldata evidence
    ) external;

    /// @notice Demands to be shown what a payee earned up to a header, because its receipts are withheld. Send at least
    /// `bondOf(KIND_PAYEE, node, epoch)`; what exceeds it comes back at once.
    /// @param header The header.
    /// @param payeeKind 0 for an address, 1 for a Datanet version, 2 for the treasury.
    /// @param id The address, left-padded; keccak256(abi.encode(datanetId, version)); or 0 for the treasury.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts WindowClosed The window of the header has passed.
    /// @custom:reverts AlreadyDemanded The payee was demanded before.
    /// @custom:reverts BondTooSmall The value is below the bond.
    /// @custom:reverts FailedCall The caller refuses what comes back.
    function demandPayee(BatchHeader calldata header, uint8 payeeKind, bytes32 id) external payable;

    /// @notice Shows what a demanded payee earned and receives the bond of the demand.
    /// @param header The header.
    /// @param payeeKind The kind of the payee.
    /// @param id The payee's id.
    /// @param witness What the state tree of the header holds for the payee, or its absence, see StateWitness.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts MalformedWitness The witness is not encoded as specified.
    /// @custom:reverts WrongState The witness does not lead to the state root of the header.
    /// @custom:reverts NoDemand No demand on the payee is open.
    /// @custom:reverts FailedCall The caller refuses the bond.
    function showPayee(BatchHeader calldata header, uint8 payeeKind, bytes32 id, bytes calldata witness) external;

    /// @notice Ends a header on which a demand was not answered in time. Its author gets the bond and half of the stake.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param kind KIND_LEAF or KIND_PAYEE.
    /// @param item The index of the leaf, or the key of the payee in the state tree.
    /// @custom:access Anyone.
    /// @custom:reverts NoDemand No such demand is open.
    /// @custom:reverts StillAnswerable The answer has more time.
    function expire(address node, uint64 epoch, uint8 kind, bytes32 item) external;

    // ---- proofs: each ends the header at once, and its sender receives half of the stake -----------------------------

    /// @notice Proves that two neighbouring leaves do not link: the state after the first is not that before the second.
    /// @param header The header.
    /// @param left A leaf.
    /// @param right The leaf after it.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts NotInBatch A leaf is not under the root of the header.
    /// @custom:reverts NoContradiction The leaves are not neighbours, or they link.
    /// @custom:reverts HeaderNotOpen The header is final.
    function proveBrokenLink(BatchHeader calldata header, Leaf calldata left, Leaf calldata right) external;

    /// @notice Proves that the first leaf does not start at the header's `prevStateRoot`, or that the last leaf does not
    /// end at its `stateRoot`.
    /// @param header The header.
    /// @param leaf The first or the last leaf.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts NotInBatch The leaf is not under the root of the header.
    /// @custom:reverts NoContradiction The leaf is neither the first nor the last, or it fits.
    /// @custom:reverts HeaderNotOpen The header is final.
    function proveBrokenEnd(BatchHeader calldata header, Leaf calldata leaf) external;

    /// @notice Proves that the header's `stateRoot` holds another total than its `cumTotal`.
    /// @param header The header.
    /// @param treeRoot The root of the tree in `stateRoot`.
    /// @param cumTotal The total in `stateRoot`.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts WrongState Root and total are not those of the state root.
    /// @custom:reverts NoContradiction The total is that of the header.
    /// @custom:reverts HeaderNotOpen The header is final.
    function proveWrongTotal(BatchHeader calldata header, bytes32 treeRoot, uint128 cumTotal) external;

    /// @notice Proves that two leaves of a ledger bill one request. The later header dies.
    /// @param header The header of the first leaf.
    /// @param leaf The first leaf.
    /// @param receipt The receipt of the first leaf.
    /// @param otherHeader The header of the second leaf: the same, or another one of the node.
    /// @param otherLeaf The second leaf.
    /// @param otherReceipt The receipt of the second leaf.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader A header is not posted, or dead.
    /// @custom:reverts NotInBatch A leaf is not under the root of its header.
    /// @custom:reverts WrongReceipt A receipt is not that of its leaf.
    /// @custom:reverts NoContradiction The leaves are of two nodes, or the same, or bill two requests.
    /// @custom:reverts HeaderNotOpen The later header is final.
    function proveDoubleBilling(
        BatchHeader calldata header,
        Leaf calldata leaf,
        UsageReceipt calldata receipt,
        BatchHeader calldata otherHeader,
        Leaf calldata otherLeaf,
        UsageReceipt calldata otherReceipt
    ) external;

    /// @notice Proves that the node signed another receipt for the sequence number of a leaf.
    /// @param header The header.
    /// @param leaf The leaf.
    /// @param signed The other receipt.
    /// @param signature Its signature by the operator key that was valid when it finished.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts NotInBatch The leaf is not under the root of the header.
    /// @custom:reverts NoContradiction The receipt is of another node or sequence number, or it is that of the leaf.
    /// @custom:reverts WrongOperatorSigner The node's operator did not sign it.
    /// @custom:reverts HeaderNotOpen The header is final.
    function proveEquivocation(
        BatchHeader calldata header,
        Leaf calldata leaf,
        UsageReceipt calldata signed,
        bytes calldata signature
    ) external;

    /// @notice Proves that the vault claimed more from a channel than the newest header charges it.
    /// @dev Not once a header of the ledger has died: what it had charged was claimed before and may be posted again.
    /// @param header The newest header of the node.
    /// @param config The channel.
    /// @param witness What the state tree of the header holds for the channel, or its absence, see StateWitness.
    /// @custom:access Anyone.
    /// @custom:reverts UnknownHeader The header is not posted, or dead.
    /// @custom:reverts NotNewest The node has posted a newer header.
    /// @custom:reverts ClosedLedger The ledger is closed.
    /// @custom:reverts ForeignChannel The channel does not pay the vault in its token, or nobody signs for it.
    /// @custom:reverts MalformedWitness The witness is not encoded as specified.
    /// @custom:reverts WrongState The witness does not lead to the state root of the header.
    /// @custom:reverts NoContradiction The vault claimed no more than that.
    /// @custom:reverts HeaderNotOpen The header is final.
    function proveOverClaim(
        BatchHeader calldata header,
        IChannelEscrow.ChannelConfig calldata config,
        bytes calldata witness
    ) external;

    // ---- judges ----------------------------------------------------------------------------------------------------

    /// @notice Adds the judge of a new attribution version, for good. It starts to judge after `notice`.
    /// @param attributionVersion The attribution version.
    /// @param judge The judge.
    /// @custom:access Governance, through the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts JudgeExists The attribution version has a judge.
    /// @custom:reverts InvalidJudge The judge holds no code.
    function addJudge(uint32 attributionVersion, IJudge judge) external;

    /// @notice The judge of an attribution version.
    /// @param attributionVersion The attribution version.
    /// @return The judge; the zero address if there is none yet.
    function judgeOf(uint32 attributionVersion) external view returns (IJudge);

    /// @notice How far ahead a judge is added, in seconds.
    /// @return The time.
    function notice() external view returns (uint64);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The contract whose headers are challenged.
    /// @return The contract.
    function SETTLEMENT() external view returns (ISettlement);
}
