// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {TaggedHash} from "./TaggedHash.sol";

/// @title The Merkle tree over a list: depth ⌈log2 count⌉, missing leaves are the zero word.
library ListTree {
    using TaggedHash for uint8;

    /// @dev Whether `node` is leaf `index` of the tree of `count` leaves under `root`.
    /// @param root The root of the tree.
    /// @param count The number of leaves.
    /// @param index The position of the leaf, counted from 0.
    /// @param node The hash of the leaf.
    /// @param siblings Bottom-up; exactly as many as the tree is deep, so that no inner node can pass for a leaf.
    /// @return True if the leaf is in the tree.
    function includes(bytes32 root, uint256 count, uint256 index, bytes32 node, bytes32[] calldata siblings)
        internal
        pure
        returns (bool)
    {
        if (index >= count || siblings.length != Math.log2(count, Math.Rounding.Ceil)) return false;
        for (uint256 level = 0; level < siblings.length; ++level) {
            bool right = (index >> level) & 1 == 1;
            node = right
                ? TaggedHash.LIST_INNER.hash(siblings[level], node)
                : TaggedHash.LIST_INNER.hash(node, siblings[level]);
        }
        return node == root;
    }
}
