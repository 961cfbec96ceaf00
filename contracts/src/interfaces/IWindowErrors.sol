// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Errors of append-only validity windows.
/// @notice Price lists, terms and the treasury's part are registered as windows: each is valid from its start until its successor's start.
interface IWindowErrors {
    /// @notice The requested start is earlier than the notice period or the previous window allows.
    /// @param from The requested start, in unix seconds.
    /// @param earliest The earliest start that is accepted, in unix seconds.
    error WindowTooEarly(uint64 from, uint64 earliest);

    /// @notice The requested start is too far ahead, and would bar every earlier successor.
    /// @param from The requested start, in unix seconds.
    /// @param latest The latest start that is accepted, in unix seconds.
    error WindowTooLate(uint64 from, uint64 latest);
}
