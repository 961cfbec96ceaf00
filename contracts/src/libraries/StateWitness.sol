// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {IStateTreeErrors} from "../interfaces/IStateTreeErrors.sol";
import {StateTree} from "./StateTree.sol";

/// @title Witnesses of a state tree: what it holds under a key, and what its root becomes when that value grows.
/// @dev A witness is what the path of the key ends at, followed by an inclusion proof as StateTree encodes it:
/// 0x00 ‖ uint128 value ‖ proof: the leaf of the key.
/// 0x01 ‖ proof: an empty subtree, so the key is absent.
/// 0x02 ‖ bytes32 otherKey ‖ uint128 otherValue ‖ proof: the leaf of another key, so the key is absent.
library StateWitness {
    uint8 private constant _PRESENT = 0;
    uint8 private constant _EMPTY = 1;
    uint8 private constant _BESIDE = 2;

    /// @notice An opened witness.
    struct Opened {
        uint256 value; // under the key; 0 if the key is absent
        bytes32 end; // the node at the end of the path
        bytes32 other; // the key of the leaf at the end of the path if that is another; otherwise 0
        uint256 head; // where the proof starts
    }

    /// @dev What a tree holds under a key.
    /// @param key The key.
    /// @param witness The witness.
    /// @return value The value; 0 if the key is absent.
    /// @return root The root of the only tree that the witness fits.
    function read(bytes32 key, bytes calldata witness) internal pure returns (uint256 value, bytes32 root) {
        Opened memory opened = _open(key, witness);
        return (opened.value, StateTree.rootAbove(key, opened.end, witness[opened.head:]));
    }

    /// @dev The roots of a tree before and after the value under a key grows.
    /// @param key The key.
    /// @param delta By how much the value grows; not 0.
    /// @param witness The witness of the tree before.
    /// @return rootBefore The root of the only tree that the witness fits.
    /// @return rootAfter The root of that tree once the value has grown.
    function grow(bytes32 key, uint256 delta, bytes calldata witness)
        internal
        pure
        returns (bytes32 rootBefore, bytes32 rootAfter)
    {
        Opened memory opened = _open(key, witness);
        bytes calldata proof = witness[opened.head:];
        bytes32 grown = StateTree.leaf(key, opened.value + delta);
        if (uint8(witness[0]) == _BESIDE) grown = _fork(key, grown, opened.other, opened.end, _depth(proof));
        rootBefore = StateTree.rootAbove(key, opened.end, proof);
        rootAfter = StateTree.rootAbove(key, grown, proof);
    }

    function _open(bytes32 key, bytes calldata witness) private pure returns (Opened memory opened) {
        uint8 form = witness.length == 0 ? type(uint8).max : uint8(witness[0]);
        opened.head = form == _PRESENT ? 17 : form == _EMPTY ? 1 : 49;
        if (form > _BESIDE || witness.length < opened.head + 34) {
            revert IStateTreeErrors.MalformedWitness(key, witness);
        }
        if (form == _EMPTY) return opened;
        uint256 value = uint128(bytes16(witness[opened.head - 16:opened.head]));
        if (value == 0) revert IStateTreeErrors.MalformedWitness(key, witness);
        if (form == _PRESENT) {
            opened.value = value;
            opened.end = StateTree.leaf(key, value);
            return opened;
        }
        opened.other = bytes32(witness[1:33]);
        // A leaf ends the path of another key only where the two keys have not parted.
        bool parted = uint256(key ^ opened.other) >> (256 - _depth(witness[opened.head:])) != 0;
        if (opened.other == key || parted) revert IStateTreeErrors.MalformedWitness(key, witness);
        opened.end = StateTree.leaf(opened.other, value);
    }

    function _depth(bytes calldata proof) private pure returns (uint256 depth) {
        depth = uint16(bytes2(proof[:2]));
        if (depth >= 256) revert IStateTreeErrors.MalformedProof(proof);
    }

    /// @dev The subtree at `depth` that holds the leaves of two keys, whose first `depth` bits agree. A loop, because a
    /// call per level would overflow the stack of the EVM for keys that share many bits.
    function _fork(bytes32 key, bytes32 node, bytes32 other, bytes32 otherNode, uint256 depth)
        private
        pure
        returns (bytes32)
    {
        uint256 level = 255 - Math.log2(uint256(key ^ other));
        node = StateTree.parent(key, level, node, otherNode);
        for (; level > depth; --level) {
            node = StateTree.parent(key, level - 1, node, 0);
        }
        return node;
    }
}
