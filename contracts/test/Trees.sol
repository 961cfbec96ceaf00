// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaggedHash} from "../src/libraries/TaggedHash.sol";

/// @dev Builds the trees whose proofs the contracts check, directly from their definition and without regard to gas.
library Trees {
    using TaggedHash for uint8;

    struct Leaf {
        bytes32 key;
        uint256 value;
    }

    /// @dev Root of the subtree of those leaves whose keys agree in the first `level` bits.
    function stateTreeRoot(Leaf[] memory leaves) internal pure returns (bytes32) {
        return _root(leaves, 0);
    }

    /// @dev uint16 depth ‖ bitmap ‖ non-zero siblings bottom-up, for the leaf `index`.
    function stateProof(Leaf[] memory leaves, uint256 index) internal pure returns (bytes memory) {
        bytes32 key = leaves[index].key;
        uint256 depth;
        uint256 bitmap;
        bytes memory siblings;
        while (leaves.length > 1) {
            bool right = _bit(key, depth);
            bytes32 sibling = _root(_side(leaves, depth, !right), depth + 1);
            if (sibling != 0) {
                bitmap |= 1 << depth;
                siblings = bytes.concat(sibling, siblings);
            }
            leaves = _side(leaves, depth, right);
            ++depth;
        }
        return abi.encodePacked(uint16(depth), bitmap, siblings);
    }

    /// @dev The witness of what the tree holds under `key`, see StateWitness.
    function stateWitness(Leaf[] memory leaves, bytes32 key) internal pure returns (bytes memory) {
        uint256 depth;
        uint256 bitmap;
        bytes memory siblings;
        while (leaves.length > 1) {
            bool right = _bit(key, depth);
            bytes32 sibling = _root(_side(leaves, depth, !right), depth + 1);
            if (sibling != 0) {
                bitmap |= 1 << depth;
                siblings = bytes.concat(sibling, siblings);
            }
            leaves = _side(leaves, depth, right);
            ++depth;
        }
        bytes memory proof = abi.encodePacked(uint16(depth), bitmap, siblings);
        if (leaves.length == 0) return bytes.concat(hex"01", proof);
        bytes16 value = bytes16(uint128(leaves[0].value));
        if (leaves[0].key == key) return bytes.concat(hex"00", value, proof);
        return bytes.concat(hex"02", leaves[0].key, value, proof);
    }

    function _root(Leaf[] memory leaves, uint256 level) private pure returns (bytes32) {
        if (leaves.length == 0) return 0;
        if (leaves.length == 1) return TaggedHash.STATE_LEAF.hash(leaves[0].key, bytes32(leaves[0].value));
        // A loop where all leaves go one way: a call per level would overflow the stack for keys that share many bits.
        uint256 fork = level;
        while (_side(leaves, fork, false).length % leaves.length == 0) {
            ++fork;
        }
        bytes32 root = TaggedHash.STATE_INNER
            .hash(_root(_side(leaves, fork, false), fork + 1), _root(_side(leaves, fork, true), fork + 1));
        for (; fork > level; --fork) {
            bool right = _bit(leaves[0].key, fork - 1);
            root = right ? TaggedHash.STATE_INNER.hash(0, root) : TaggedHash.STATE_INNER.hash(root, 0);
        }
        return root;
    }

    function _side(Leaf[] memory leaves, uint256 level, bool right) private pure returns (Leaf[] memory side) {
        uint256 count;
        for (uint256 i = 0; i < leaves.length; ++i) {
            if (_bit(leaves[i].key, level) == right) ++count;
        }
        side = new Leaf[](count);
        for (uint256 i = leaves.length; i > 0; --i) {
            if (_bit(leaves[i - 1].key, level) == right) side[--count] = leaves[i - 1];
        }
    }

    function _bit(bytes32 key, uint256 level) private pure returns (bool) {
        return (uint256(key) >> (255 - level)) & 1 == 1;
    }

    function contributorLeaf(address contributor, uint64 weight) internal pure returns (bytes32) {
        return TaggedHash.CONTRIBUTOR_LEAF.hash(bytes32(uint256(uint160(contributor))), bytes32(uint256(weight)));
    }

    /// @dev Missing leaves are the zero word, so a missing subtree is the hash of as many zero words.
    function listRoot(bytes32[] memory leaves) internal pure returns (bytes32) {
        bytes32[] memory row = leaves;
        bytes32 padding;
        while (row.length > 1) {
            row = _above(row, padding);
            padding = TaggedHash.LIST_INNER.hash(padding, padding);
        }
        return row[0];
    }

    function listProof(bytes32[] memory leaves, uint256 index) internal pure returns (bytes32[] memory siblings) {
        bytes32[] memory row = leaves;
        bytes32[] memory path = new bytes32[](32);
        bytes32 padding;
        uint256 depth;
        while (row.length > 1) {
            uint256 other = index ^ 1;
            path[depth++] = other < row.length ? row[other] : padding;
            row = _above(row, padding);
            padding = TaggedHash.LIST_INNER.hash(padding, padding);
            index >>= 1;
        }
        siblings = new bytes32[](depth);
        for (uint256 i = 0; i < depth; ++i) {
            siblings[i] = path[i];
        }
    }

    function _above(bytes32[] memory row, bytes32 padding) private pure returns (bytes32[] memory above) {
        above = new bytes32[]((row.length + 1) / 2);
        for (uint256 i = 0; i < above.length; ++i) {
            bytes32 right = 2 * i + 1 < row.length ? row[2 * i + 1] : padding;
            above[i] = TaggedHash.LIST_INNER.hash(row[2 * i], right);
        }
    }
}
