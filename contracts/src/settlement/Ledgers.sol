// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {BatchHeader, ILedgers} from "../interfaces/ILedgers.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {HeaderCommitment} from "../libraries/HeaderCommitment.sol";
import {PPM} from "../libraries/Ppm.sol";
import {StructHash} from "../libraries/StructHash.sol";
import {Governed} from "./Governed.sol";

/// @title The ledger of each node: what its vault brought in, and the chain of headers it posted.
/// @dev Per node: active cumTotal ≤ credited, activeEpoch ≤ lastEpoch; epochs and seq have no gaps. The tip is the header
/// of lastEpoch; what is stored of later epochs is dead.
abstract contract Ledgers is ILedgers, Governed, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using StructHash for BatchHeader;

    /// @notice What is kept of a posted header, in two slots.
    struct Header {
        bytes32 commitment; // see HeaderCommitment
        uint128 cumTotal;
        uint40 activeFrom; // unix seconds
        uint40 closedAt; // unix seconds
        uint40 lastSeq; // of the header's last receipt
        uint8 demands; // open now
    }

    /// @notice The ledger of one node. Amounts are in base units of the node's token.
    struct Ledger {
        address token; // copied from the registry at the first credit
        uint40 lastEpoch;
        uint40 activeEpoch;
        bool closed; // diedAt is set
        uint128 credited;
        uint128 claimedTotal;
        uint64 diedAt; // unix seconds
        mapping(uint64 epoch => Header) headers;
        mapping(bytes32 key => uint256) claimed; // by EARNED key of the state tree; what was claimed
        mapping(bytes32 key => mapping(address contributor => uint256)) sharePaid;
    }

    /// @inheritdoc ILedgers
    uint64 public constant MAX_ACTIVATIONS = 64;

    /// @inheritdoc ILedgers
    INodeRegistry public immutable registry;

    mapping(address node => Ledger) internal _ledgers;

    /// @param registry_ The registry that knows nodes and their keys.
    constructor(INodeRegistry registry_) {
        registry = registry_;
    }

    /// @inheritdoc ILedgers
    function credit(uint256 amount) external nonReentrant {
        Ledger storage book = _ledgers[msg.sender];
        IERC20 token = IERC20(book.token);
        if (address(token) == address(0)) {
            token = IERC20(registry.tokenOf(msg.sender));
            if (address(token) == address(0)) revert NotANode(msg.sender);
            book.token = address(token);
        }
        uint256 held = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        _credit(book, msg.sender, token.balanceOf(address(this)) - held);
    }

    /// @inheritdoc ILedgers
    function post(BatchHeader calldata header_) external returns (bytes32 hash) {
        (address operator, uint256 bonded) = registry.standing(header_.node);
        if (msg.sender != operator) revert NotOperator(header_.node, msg.sender, operator);
        hash = header_.hash();
        bytes32 commitment = HeaderCommitment.hash(hash, header_.stateRoot);
        Ledger storage book = _ledgers[header_.node];
        if (header_.epoch != 0 && header_.epoch <= book.lastEpoch) {
            bytes32 posted = book.headers[header_.epoch].commitment;
            if (posted != commitment) revert ConflictingHeader(header_.node, header_.epoch, commitment, posted);
            return hash;
        }
        uint64 seq = _checkSuccessor(book, header_) + header_.count;
        _checkStake(book, header_, bonded);

        book.lastEpoch = uint40(header_.epoch);
        Header storage kept = book.headers[header_.epoch];
        uint256 from = _windowEnd(kept);
        kept.commitment = commitment;
        kept.cumTotal = header_.cumTotal;
        kept.activeFrom = from.toUint40();
        kept.closedAt = uint40(header_.closedAt); // not after the time of this block
        kept.lastSeq = uint256(seq).toUint40();
        kept.demands = 0; // a dead header of this epoch may have left some
        emit BatchPosted(header_.node, header_.epoch, hash, header_, uint64(from));
    }

    /// @inheritdoc ILedgers
    function activate(address node) public returns (uint64 activeEpoch) {
        Ledger storage book = _ledgers[node];
        activeEpoch = book.activeEpoch;
        uint64 end = uint64(Math.min(book.lastEpoch, activeEpoch + MAX_ACTIVATIONS));
        uint64 epoch = activeEpoch;
        while (epoch < end) {
            Header storage next = book.headers[epoch + 1];
            uint128 total = next.cumTotal;
            if (_isUndecided(next) || total > book.credited) break;
            emit BatchActivated(node, ++epoch, total);
        }
        if (epoch == activeEpoch) return epoch;
        book.activeEpoch = uint40(epoch);
        return epoch;
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc ILedgers
    function ledger(address node)
        external
        view
        returns (
            uint64 lastEpoch,
            uint64 activeEpoch,
            uint64 nextSeq,
            bytes32 lastCommitment,
            uint128 lastCumTotal,
            uint128 activeCumTotal,
            uint64 lastClosedAt
        )
    {
        Ledger storage book = _ledgers[node];
        lastEpoch = book.lastEpoch;
        activeEpoch = book.activeEpoch;
        Header storage tip = book.headers[lastEpoch];
        nextSeq = tip.lastSeq + 1;
        lastCommitment = _commitmentOf(book, lastEpoch);
        lastCumTotal = tip.cumTotal;
        activeCumTotal = book.headers[activeEpoch].cumTotal;
        lastClosedAt = tip.closedAt;
    }

    /// @inheritdoc ILedgers
    function credited(address node) external view returns (uint256) {
        return _ledgers[node].credited;
    }

    /// @inheritdoc ILedgers
    function commitmentOf(address node, uint64 epoch) external view returns (bytes32) {
        return _posted(node, epoch).commitment;
    }

    /// @inheritdoc ILedgers
    function header(address node, uint64 epoch)
        external
        view
        returns (bytes32 commitment, uint128 cumTotal, uint64 activeFrom_, uint8 demands)
    {
        Header storage kept = _posted(node, epoch);
        return (kept.commitment, kept.cumTotal, kept.activeFrom, kept.demands);
    }

    /// @inheritdoc ILedgers
    function activeFrom(address node, uint64 epoch) external view returns (uint64) {
        return _posted(node, epoch).activeFrom;
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _credit(Ledger storage book, address node, uint256 received) internal {
        uint256 total = book.credited + received;
        book.credited = total.toUint128();
        emit Credited(node, received, total);
    }

    /// @dev Whether the window of a posted header runs or a demand on it is open.
    function _isUndecided(Header storage posted) internal view returns (bool) {
        return block.timestamp < posted.activeFrom || posted.demands != 0;
    }

    /// @dev Header 0 is never written: its values are zero.
    function _posted(address node, uint64 epoch) internal view returns (Header storage) {
        Ledger storage book = _ledgers[node];
        return book.headers[epoch <= book.lastEpoch ? epoch : 0];
    }

    function _commitmentOf(Ledger storage book, uint64 epoch) internal view returns (bytes32) {
        return epoch == 0 ? HeaderCommitment.ofEmptyLedger() : book.headers[epoch].commitment;
    }

    /// @dev Challenges tell a header from a dead one of its epoch by the end of its window, so the ends differ.
    function _windowEnd(Header storage dead) private view returns (uint256 end) {
        end = Math.max(block.timestamp + challengeWindow, uint256(dead.activeFrom) + 1);
        uint256 latest = block.timestamp + MAX_CHALLENGE_WINDOW;
        if (end > latest) revert WindowTooLong(end, latest);
    }

    /// @return The sequence number of the last receipt before the header.
    function _checkSuccessor(Ledger storage book, BatchHeader calldata header_) private view returns (uint64) {
        uint64 last = book.lastEpoch;
        Header storage tip = book.headers[last];
        if (header_.epoch != last + 1) revert UnexpectedEpoch(header_.epoch, last + 1);
        uint64 seq = tip.lastSeq;
        if (header_.fromSeq != seq + 1) revert UnexpectedSeq(header_.fromSeq, seq + 1);
        if (header_.count == 0) revert EmptyBatch(header_.epoch);
        bytes32 given = HeaderCommitment.hash(header_.prevHeaderHash, header_.prevStateRoot);
        bytes32 expected = _commitmentOf(book, last);
        if (given != expected) revert WrongPrevious(given, expected);
        if (header_.cumTotal <= tip.cumTotal) revert TotalNotIncreasing(header_.cumTotal, tip.cumTotal);
        if (header_.closedAt < tip.closedAt) revert ClosedBeforePrevious(header_.closedAt, tip.closedAt);
        if (header_.closedAt > block.timestamp) revert ClosedInFuture(header_.closedAt, block.timestamp);
        if (book.closed && header_.closedAt > book.diedAt) revert ClosedAfterDeath(header_.closedAt, book.diedAt);
        return seq;
    }

    /// @dev A forged root could take the unclaimed money, not only the growth of this batch.
    function _checkStake(Ledger storage book, BatchHeader calldata header_, uint256 bonded) private view {
        uint256 unclaimed = header_.cumTotal - book.claimedTotal;
        uint256 required = Math.ceilDiv(unclaimed * stakeRatioPpm, PPM);
        if (bonded < required) revert StakeTooLow(header_.node, bonded, required);
    }
}
