// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IBonds} from "../interfaces/IBonds.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {Postings} from "./Postings.sol";

/// @title Demands and their bonds.
/// @dev Settlement holds up a header while it counts a demand. It counts a few, and a dishonest operator could fill them
/// with demands of its own until the window has passed. So there is no limit here: what exceeds Settlement's is counted
/// in `_uncounted`, and Settlement is told of an answer only once that is 0. Each open demand makes the next one dearer.
abstract contract Bonds is IBonds, ReentrancyGuardTransient {
    using SafeCast for uint256;

    /// @notice A demand, in one slot. The author is zero once it is answered.
    struct Demand {
        address author;
        uint40 openedAt; // unix seconds; 0 if it was never made
        uint56 bond; // gwei
    }

    /// @inheritdoc IBonds
    uint8 public constant KIND_LEAF = 0;
    /// @inheritdoc IBonds
    uint8 public constant KIND_PAYEE = 1;
    /// @inheritdoc IBonds
    uint64 public constant ANSWER_PERIOD = 24 hours;
    /// @inheritdoc IBonds
    uint256 public constant MIN_BOND = 0.001 ether;

    /// @dev The most gas that an answer takes: 16 Datanet versions in a state of 2^20 leaves, see the gas snapshot.
    uint256 private constant _LEAF_ANSWER_GAS = 1_100_000;
    uint256 private constant _PAYEE_ANSWER_GAS = 100_000;

    /// @inheritdoc IBonds
    mapping(address author => uint256) public returnedTo;

    mapping(bytes32 demandId => Demand) private _demands;
    mapping(bytes32 postingId => uint256) private _uncounted; // open demands that Settlement does not count

    // ---- everybody -------------------------------------------------------------------------------------------------

    /// @inheritdoc IBonds
    function reclaim(address node, uint64 epoch, bytes32 commitment, uint64 activeFrom, uint8 kind, bytes32 item)
        external
    {
        Postings.Posting memory posting = _posting(node, epoch);
        bool alive = posting.commitment == commitment && posting.activeFrom == activeFrom;
        if (alive) revert HeaderAlive(node, epoch);
        posting.commitment = commitment;
        posting.activeFrom = activeFrom;
        _return(_demandId(_postingId(node, epoch, posting), kind, item));
    }

    /// @inheritdoc IBonds
    function withdraw(address payable to) external nonReentrant returns (uint256 amount) {
        amount = returnedTo[msg.sender];
        if (amount == 0) revert NothingToWithdraw(msg.sender);
        returnedTo[msg.sender] = 0;
        emit BondsWithdrawn(msg.sender, to, amount);
        Address.sendValue(to, amount);
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IBonds
    function bondOf(uint8 kind, address node, uint64 epoch) external view returns (uint256) {
        return _bond(kind, openDemands(node, epoch));
    }

    /// @inheritdoc IBonds
    function openDemands(address node, uint64 epoch) public view returns (uint256) {
        Postings.Posting memory posting = _posting(node, epoch);
        return posting.demands + _uncounted[_postingId(node, epoch, posting)];
    }

    /// @inheritdoc IBonds
    function demandOf(address node, uint64 epoch, uint8 kind, bytes32 item)
        external
        view
        returns (address author, uint64 openedAt, uint256 bond)
    {
        Demand storage demand = _demands[_demandId(_postingId(node, epoch, _posting(node, epoch)), kind, item)];
        return (demand.author, demand.openedAt, uint256(demand.bond) * 1 gwei);
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _settlement() internal view virtual returns (ISettlement);

    /// @dev Opens a demand of the caller. What it sent beyond the bond goes back.
    function _open(address node, uint64 epoch, Postings.Posting memory posting, uint8 kind, bytes32 item)
        internal
        returns (uint256 bond)
    {
        bytes32 postingId = _postingId(node, epoch, posting);
        bytes32 demandId = _demandId(postingId, kind, item);
        if (_demands[demandId].openedAt != 0) revert AlreadyDemanded(demandId);
        uint256 uncounted = 0;
        ISettlement settlement = _settlement();
        if (posting.demands < settlement.MAX_DEMANDS()) {
            settlement.hold(node, epoch);
        } else {
            uncounted = _uncounted[postingId]++;
        }
        bond = _bond(kind, posting.demands + uncounted);
        if (msg.value < bond) revert BondTooSmall(msg.value, bond);
        _demands[demandId] = Demand(msg.sender, uint40(block.timestamp), (bond / 1 gwei).toUint56());
        if (msg.value > bond) Address.sendValue(payable(msg.sender), msg.value - bond);
    }

    /// @dev Closes a demand for good and pays its bond to the caller.
    function _answer(address node, uint64 epoch, Postings.Posting memory posting, uint8 kind, bytes32 item) internal {
        bytes32 postingId = _postingId(node, epoch, posting);
        bytes32 demandId = _demandId(postingId, kind, item);
        Demand storage demand = _demands[demandId];
        if (demand.author == address(0)) revert NoDemand(demandId);
        uint256 bond = uint256(demand.bond) * 1 gwei;
        demand.author = address(0);
        demand.bond = 0;
        if (_uncounted[postingId] != 0) --_uncounted[postingId];
        else if (posting.demands != 0) _settlement().release(node, epoch);
        Address.sendValue(payable(msg.sender), bond);
    }

    /// @dev Closes a demand that was not answered in time.
    /// @return author Who demanded.
    function _expire(address node, uint64 epoch, uint8 kind, bytes32 item) internal returns (address author) {
        bytes32 demandId = _demandId(_postingId(node, epoch, _posting(node, epoch)), kind, item);
        uint64 deadline = _demands[demandId].openedAt + ANSWER_PERIOD;
        author = _return(demandId);
        if (block.timestamp < deadline) revert StillAnswerable(demandId, deadline);
    }

    /// @dev Returns the bond of an open demand.
    function _return(bytes32 demandId) private returns (address author) {
        Demand memory demand = _demands[demandId];
        author = demand.author;
        if (author == address(0)) revert NoDemand(demandId);
        delete _demands[demandId];
        uint256 bond = uint256(demand.bond) * 1 gwei;
        returnedTo[author] += bond;
        emit BondReturned(demandId, author, bond);
    }

    function _posting(address node, uint64 epoch) private view returns (Postings.Posting memory posting) {
        (posting.commitment,, posting.activeFrom, posting.demands) = _settlement().header(node, epoch);
    }

    function _bond(uint8 kind, uint256 open) private view returns (uint256) {
        uint256 answerGas = kind == KIND_LEAF ? _LEAF_ANSWER_GAS : _PAYEE_ANSWER_GAS;
        uint256 bond = Math.max(MIN_BOND, 2 * answerGas * block.basefee) * (open + 1);
        return Math.ceilDiv(bond, 1 gwei) * 1 gwei;
    }

    /// @dev Settlement ends the window of a header that is posted again after a death later than that of the dead one. So
    /// it starts without demands.
    function _postingId(address node, uint64 epoch, Postings.Posting memory posting) private pure returns (bytes32) {
        return keccak256(abi.encode(node, epoch, posting.commitment, posting.activeFrom));
    }

    function _demandId(bytes32 postingId, uint8 kind, bytes32 item) private pure returns (bytes32) {
        return keccak256(abi.encode(postingId, kind, item));
    }
}
