// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IWindowErrors} from "../interfaces/IWindowErrors.sol";

/// @title Append-only validity windows: entry i is valid in [from_i, from_{i+1}), the last one without an end.
/// @dev The past never changes: a successor starts at least `notice` after the block that appends it.
library Windows {
    using Checkpoints for Checkpoints.Trace256;

    /// @dev `until` of a window that has no successor.
    uint64 internal constant OPEN_END = type(uint64).max;

    /// @dev Appends a window. The first window of a history starts now, for any `from`.
    /// @param history The windows so far.
    /// @param value The value of the new window.
    /// @param from The requested start, in unix seconds; 0 means the earliest.
    /// @param notice How far ahead of the current block a successor must start, in seconds.
    /// @return The start of the new window, in unix seconds.
    function append(Checkpoints.Trace256 storage history, bytes32 value, uint64 from, uint64 notice)
        internal
        returns (uint64)
    {
        uint64 earliest = uint64(block.timestamp);
        (bool exists, uint256 last,) = history.latestCheckpoint();
        if (exists) {
            earliest += notice;
            if (earliest <= last) earliest = uint64(last) + 1;
        }
        if (from == 0 || !exists) from = earliest;
        if (from < earliest) revert IWindowErrors.WindowTooEarly(from, earliest);
        if (from >= OPEN_END) revert IWindowErrors.WindowTooLate(from, OPEN_END - 1);
        history.push(from, uint256(value));
        return from;
    }

    /// @dev The value that is valid at a time.
    /// @param history The windows.
    /// @param time The time, in unix seconds.
    /// @return The value; 0 before the first window.
    function valueAt(Checkpoints.Trace256 storage history, uint64 time) internal view returns (bytes32) {
        return bytes32(history.upperLookupRecent(time));
    }

    /// @dev Start and end of a window.
    /// @param history The windows.
    /// @param index The position of the window, counted from 0.
    /// @return from Its start, in unix seconds.
    /// @return until The start of its successor, in unix seconds; OPEN_END without one.
    function windowOf(Checkpoints.Trace256 storage history, uint256 index)
        internal
        view
        returns (uint64 from, uint64 until)
    {
        from = uint64(history.at(uint32(index))._key);
        until = index + 1 < history.length() ? uint64(history.at(uint32(index + 1))._key) : OPEN_END;
    }
}
