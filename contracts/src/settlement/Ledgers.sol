// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {BatchHeader, ILedgers} from "../interfaces/ILedgers.sol";
import {INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {StateTree} from "../libraries/StateTree.sol";
import {StructHash} from "../libraries/StructHash.sol";

/// @title The ledger of each node: what its vault brought in, and the chain of headers it posted.
/// @dev Per node: activeCumTotal ≤ credited, activeEpoch ≤ lastEpoch; epochs and seq have no gaps.
abstract contract Ledgers is ILedgers, Pausable, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using StructHash for BatchHeader;

    /// @notice What is kept of a posted header.
    struct Header {
        bytes32 hash; // EIP-712 struct hash
        bytes32 stateRoot;
        uint128 cumTotal;
        uint64 activeFrom; // unix seconds
    }

    /// @notice The ledger of one node. Amounts are in base units of the node's token.
    struct Ledger {
        uint64 lastEpoch;
        uint64 activeEpoch;
        uint64 lastSeq;
        uint64 lastClosedAt;
        uint128 lastCumTotal;
        uint128 activeCumTotal;
        uint128 credited;
        uint128 claimedTotal;
        mapping(uint64 epoch => Header) headers;
        mapping(bytes32 key => uint256) claimed; // by EARNED key of the state tree; what was claimed
        mapping(bytes32 key => mapping(address contributor => uint256)) sharePaid;
    }

    /// @inheritdoc ILedgers
    uint64 public constant MAX_ACTIVATIONS = 64;

    /// @inheritdoc ILedgers
    INodeRegistry public immutable registry;
    /// @inheritdoc ILedgers
    uint64 public immutable activationDelay;

    mapping(address node => Ledger) internal _ledgers;

    /// @param registry_ The registry that knows nodes and their keys.
    /// @param activationDelay_ How long a posted header waits before it can become active, in seconds.
    constructor(INodeRegistry registry_, uint64 activationDelay_) {
        registry = registry_;
        activationDelay = activationDelay_;
    }

    /// @inheritdoc ILedgers
    function credit(uint256 amount) external nonReentrant {
        if (!registry.isNode(msg.sender)) revert NotANode(msg.sender);
        IERC20 token = IERC20(registry.tokenOf(msg.sender));
        uint256 held = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - held;

        Ledger storage book = _ledgers[msg.sender];
        uint256 total = book.credited + received;
        book.credited = total.toUint128();
        emit Credited(msg.sender, received, total);
    }

    /// @inheritdoc ILedgers
    function post(BatchHeader calldata header) external whenNotPaused returns (bytes32 hash) {
        address operator = registry.operatorOf(header.node);
        if (msg.sender != operator) revert NotOperator(header.node, msg.sender, operator);
        hash = header.hash();
        Ledger storage book = _ledgers[header.node];
        if (header.epoch != 0 && header.epoch <= book.lastEpoch) {
            bytes32 posted = book.headers[header.epoch].hash;
            if (posted != hash) revert ConflictingHeader(header.node, header.epoch, hash, posted);
            return hash;
        }
        _checkSuccessor(book, header);

        uint64 from = uint64(block.timestamp) + activationDelay;
        book.lastEpoch = header.epoch;
        book.lastSeq += header.count;
        book.lastClosedAt = header.closedAt;
        book.lastCumTotal = header.cumTotal;
        book.headers[header.epoch] = Header(hash, header.stateRoot, header.cumTotal, from);
        emit BatchPosted(header.node, header.epoch, hash, header, from);
    }

    /// @inheritdoc ILedgers
    function activate(address node) public returns (uint64 activeEpoch) {
        Ledger storage book = _ledgers[node];
        activeEpoch = book.activeEpoch;
        uint64 end = uint64(Math.min(book.lastEpoch, activeEpoch + MAX_ACTIVATIONS));
        while (activeEpoch < end) {
            Header storage next = book.headers[activeEpoch + 1];
            if (block.timestamp < next.activeFrom || next.cumTotal > book.credited) break;
            book.activeEpoch = ++activeEpoch;
            book.activeCumTotal = next.cumTotal;
            emit BatchActivated(node, activeEpoch, next.cumTotal);
        }
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
            bytes32 lastHeaderHash,
            bytes32 lastStateRoot,
            uint128 lastCumTotal,
            uint128 activeCumTotal,
            uint64 lastClosedAt
        )
    {
        Ledger storage book = _ledgers[node];
        lastEpoch = book.lastEpoch;
        activeEpoch = book.activeEpoch;
        nextSeq = book.lastSeq + 1;
        (lastHeaderHash, lastStateRoot) = _tip(book);
        lastCumTotal = book.lastCumTotal;
        activeCumTotal = book.activeCumTotal;
        lastClosedAt = book.lastClosedAt;
    }

    /// @inheritdoc ILedgers
    function credited(address node) external view returns (uint256) {
        return _ledgers[node].credited;
    }

    /// @inheritdoc ILedgers
    function headerHash(address node, uint64 epoch) external view returns (bytes32) {
        return _ledgers[node].headers[epoch].hash;
    }

    /// @inheritdoc ILedgers
    function activeFrom(address node, uint64 epoch) external view returns (uint64) {
        return _ledgers[node].headers[epoch].activeFrom;
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _checkSuccessor(Ledger storage book, BatchHeader calldata header) private view {
        uint64 epoch = book.lastEpoch + 1;
        uint64 seq = book.lastSeq + 1;
        (bytes32 hash, bytes32 root) = _tip(book);
        uint128 total = book.lastCumTotal;
        uint64 closedAt = book.lastClosedAt;
        if (header.epoch != epoch) revert UnexpectedEpoch(header.epoch, epoch);
        if (header.fromSeq != seq) revert UnexpectedSeq(header.fromSeq, seq);
        if (header.count == 0) revert EmptyBatch(header.epoch);
        if (header.prevHeaderHash != hash) revert WrongPrevHeader(header.prevHeaderHash, hash);
        if (header.prevStateRoot != root) revert WrongPrevState(header.prevStateRoot, root);
        if (header.cumTotal < total) revert DecreasingTotal(header.cumTotal, total);
        if (header.closedAt < closedAt) revert ClosedBeforePrevious(header.closedAt, closedAt);
        if (header.closedAt > block.timestamp) revert ClosedInFuture(header.closedAt, block.timestamp);
    }

    /// @dev Hash and state root of the newest header; before the first, 0 and the root of the empty ledger.
    function _tip(Ledger storage book) private view returns (bytes32 hash, bytes32 root) {
        if (book.lastEpoch == 0) return (0, StateTree.stateRoot(0, 0));
        Header storage last = book.headers[book.lastEpoch];
        return (last.hash, last.stateRoot);
    }
}
