// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The whole, in parts per million.
uint256 constant PPM = 1_000_000;

/// @dev What the treasury may take at most, ever. Terms leave this much room, so that every split of a fee adds up.
uint32 constant MAX_TREASURY_PPM = 200_000;
