// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Vm} from "./Vm.sol";

/// @dev The base of every test: forge's cheat codes, and comparisons that report both values.
abstract contract Check {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Different(string what, uint256 got, uint256 expected);
    error DifferentWords(string what, bytes32 got, bytes32 expected);
    error NotTrue(string what);

    function check(bool condition, string memory what) internal pure {
        if (!condition) revert NotTrue(what);
    }

    function equal(uint256 got, uint256 expected, string memory what) internal pure {
        if (got != expected) revert Different(what, got, expected);
    }

    function equal(address got, address expected, string memory what) internal pure {
        if (got != expected) revert Different(what, uint160(got), uint160(expected));
    }

    function equal(bytes32 got, bytes32 expected, string memory what) internal pure {
        if (got != expected) revert DifferentWords(what, got, expected);
    }

    /// @dev `value` folded into [low, high].
    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        uint256 size = high - low;
        return size == type(uint256).max ? value : low + value % (size + 1);
    }

    function signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}
