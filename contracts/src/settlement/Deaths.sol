// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IDeaths} from "../interfaces/IDeaths.sol";
import {Ledgers} from "./Ledgers.sol";

/// @title What can happen to a header that is not final, and what a node's stake then pays.
abstract contract Deaths is Ledgers, IDeaths {
    /// @inheritdoc IDeaths
    uint8 public constant MAX_DEMANDS = 4;
    /// @inheritdoc IDeaths
    uint64 public constant COVER_DELAY = 24 hours;

    /// @inheritdoc IDeaths
    address public immutable CHALLENGES;

    /// @param challenges The contract that may hold, release and kill headers.
    constructor(address challenges) {
        CHALLENGES = challenges;
    }

    modifier onlyChallenges() {
        if (msg.sender != CHALLENGES) revert NotChallenges(msg.sender);
        _;
    }

    // ---- challenges ------------------------------------------------------------------------------------------------

    /// @inheritdoc IDeaths
    function hold(address node, uint64 epoch) external onlyChallenges {
        Header storage posted = _posted(node, epoch);
        // Active and unposted headers have no running window.
        if (block.timestamp >= posted.activeFrom) revert HeaderNotOpen(node, epoch);
        uint8 demands = posted.demands;
        if (demands == MAX_DEMANDS) revert TooManyDemands(node, epoch, MAX_DEMANDS);
        posted.demands = demands + 1;
        emit HeaderHeld(node, epoch, demands + 1);
    }

    /// @inheritdoc IDeaths
    function release(address node, uint64 epoch) external onlyChallenges {
        Header storage posted = _posted(node, epoch);
        uint8 demands = posted.demands;
        if (demands == 0) revert NoOpenDemand(node, epoch);
        posted.demands = demands - 1;
        emit HeaderReleased(node, epoch, demands - 1);
    }

    /// @inheritdoc IDeaths
    function kill(address node, uint64 epoch, address challenger) external onlyChallenges {
        if (!isOpen(node, epoch)) revert HeaderNotOpen(node, epoch);
        Ledger storage book = _ledgers[node];
        _end(book, node, epoch, challenger);
        registry.slash(node, challenger, Math.saturatingSub(book.headers[epoch - 1].cumTotal, book.credited));
    }

    // ---- everybody -------------------------------------------------------------------------------------------------

    /// @inheritdoc IDeaths
    function close(address node) external {
        address owner = registry.ownerOf(node);
        if (msg.sender != owner) revert NotNodeOwner(node, msg.sender, owner);
        Ledger storage book = _ledgers[node];
        uint64 last = book.lastEpoch;
        uint64 epoch = book.activeEpoch + 1;
        while (epoch <= last && !_isUndecided(book.headers[epoch])) ++epoch;
        if (epoch <= last) _end(book, node, epoch, address(0));
        else _close(book, node);
    }

    /// @inheritdoc IDeaths
    function cover(address node) external nonReentrant returns (uint256 amount) {
        uint64 epoch = activate(node) + 1;
        Ledger storage book = _ledgers[node];
        if (epoch > book.lastEpoch) revert NothingToCover(node);
        Header storage next = book.headers[epoch];
        uint64 earliest = next.activeFrom + COVER_DELAY;
        if (block.timestamp < earliest) revert CoverTooEarly(node, epoch, earliest);
        if (next.demands != 0) revert HeaderStillOpen(node, epoch);
        uint256 shortfall = Math.saturatingSub(next.cumTotal, book.credited);

        IERC20 token = IERC20(registry.tokenOf(node));
        uint256 held = token.balanceOf(address(this));
        if (registry.payShortfall(node, shortfall) == 0) revert NothingToCover(node);
        amount = token.balanceOf(address(this)) - held;
        _take(book, node, token, amount);
        activate(node);
    }

    /// @inheritdoc IDeaths
    function settleSlash(address node) external nonReentrant returns (uint256 amount) {
        IERC20 token = IERC20(registry.tokenOf(node));
        if (registry.slashedOf(node) == 0) revert NothingToCover(node);
        uint256 held = token.balanceOf(address(this));
        registry.paySlashed(node);
        amount = token.balanceOf(address(this)) - held;
        _take(_ledgers[node], node, token, amount);
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IDeaths
    function isOpen(address node, uint64 epoch) public view returns (bool) {
        return _isUndecided(_posted(node, epoch));
    }

    /// @inheritdoc IDeaths
    function diedAt(address node) external view returns (uint64) {
        return _ledgers[node].diedAt;
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    /// @dev The header and every later one die: whatever is stored above lastEpoch is dead.
    function _end(Ledger storage book, address node, uint64 epoch, address challenger) private {
        bytes32 commitment = book.headers[epoch].commitment;
        book.lastEpoch = uint40(epoch - 1);
        emit HeaderDied(node, epoch, commitment, challenger);
        _close(book, node);
    }

    function _close(Ledger storage book, address node) private {
        if (book.closed) return;
        book.closed = true;
        book.diedAt = uint64(block.timestamp);
        emit LedgerClosed(node, uint64(block.timestamp));
    }

    /// @dev Credits what the registry paid for a node.
    function _take(Ledger storage book, address node, IERC20 token, uint256 amount) private {
        if (book.token == address(0)) book.token = address(token);
        _credit(book, node, amount);
        emit Covered(node, amount);
    }
}
