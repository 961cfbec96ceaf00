// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The whole of a fee, in parts per million.
uint256 constant PPM = 1_000_000;

/// @dev The largest part of a fee that the treasury can ever have, in parts per million. Terms leave room for it, so
/// that the parts of a fee never exceed the fee.
uint32 constant MAX_TREASURY_PPM = 200_000;
