// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

/// @title Append-only validity windows: entry i holds in [from_i, from_{i+1}), the last one until further notice.
/// @dev The past never changes: a successor starts at least `notice` after the block that appends it.
library Windows {
    using Checkpoints for Checkpoints.Trace256;

    /// @dev `until` of a window that has no successor.
    uint64 internal constant OPEN_END = type(uint64).max;

    error WindowTooEarly(uint64 from, uint64 earliest);

    /// @param from The wished start, 0 for the earliest. The first window of a history starts now whatever is wished.
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
        require(from >= earliest && from < OPEN_END, WindowTooEarly(from, earliest));
        history.push(from, uint256(value));
        return from;
    }

    /// @return The value whose window holds `time`; 0 before the first.
    function valueAt(Checkpoints.Trace256 storage history, uint64 time) internal view returns (bytes32) {
        return bytes32(history.upperLookupRecent(time));
    }

    /// @return from Start of window `index`.
    /// @return until Start of its successor, or OPEN_END.
    function windowOf(Checkpoints.Trace256 storage history, uint256 index)
        internal
        view
        returns (uint64 from, uint64 until)
    {
        from = uint64(history.at(uint32(index))._key);
        until = index + 1 < history.length() ? uint64(history.at(uint32(index + 1))._key) : OPEN_END;
    }
}
