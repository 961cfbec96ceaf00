// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IWindowErrors} from "../interfaces/IWindowErrors.sol";

/// @title Append-only validity windows: entry i is valid in [from_i, from_{i+1}), the last one without an end.
/// @dev The past never changes: a successor starts at least `notice` after the block that appends it.
/// Windows are read by time, never by value: a value may be appended again, and its old windows stay valid.
library Windows {
    using Checkpoints for Checkpoints.Trace256;

    /// @dev How far ahead of the current block a window may start, in seconds. A start in milliseconds would otherwise
    /// bar every later window.
    uint64 internal constant MAX_AHEAD = 90 days;

    /// @dev The start of the next window. The first window of a history starts now, for any `from`.
    /// @param history The windows so far.
    /// @param from The requested start, in unix seconds; 0 means the earliest.
    /// @param notice How far ahead of the current block a successor must start, in seconds.
    /// @return The start, in unix seconds.
    function start(Checkpoints.Trace256 storage history, uint64 from, uint64 notice) internal view returns (uint64) {
        uint64 earliest = uint64(block.timestamp);
        (bool exists, uint256 last,) = history.latestCheckpoint();
        if (!exists) return earliest;
        earliest += notice;
        if (earliest <= last) earliest = uint64(last) + 1;
        if (from == 0) from = earliest;
        if (from < earliest) revert IWindowErrors.WindowTooEarly(from, earliest);
        uint64 latest = uint64(block.timestamp) + MAX_AHEAD;
        if (from > latest) revert IWindowErrors.WindowTooLate(from, latest);
        return from;
    }

    /// @dev Appends a window.
    /// @param history The windows so far.
    /// @param value The value of the new window.
    /// @param from Its start, in unix seconds, as `start` returned it.
    function append(Checkpoints.Trace256 storage history, bytes32 value, uint64 from) internal {
        history.push(from, uint256(value));
    }

    /// @dev The value that is valid at a time.
    /// @param history The windows.
    /// @param time The time, in unix seconds.
    /// @return The value; 0 before the first window.
    function valueAt(Checkpoints.Trace256 storage history, uint64 time) internal view returns (bytes32) {
        return bytes32(history.upperLookupRecent(time));
    }
}
