// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ListTree} from "./ListTree.sol";
import {TaggedHash} from "./TaggedHash.sol";

/// @title Membership of the contributors of one Datanet version: a binary tree of depth ⌈log2 count⌉.
library ContributorsTree {
    using TaggedHash for uint8;

    /// @dev Whether `contributor` with `weight` is leaf `index` of the tree of `count` leaves under `root`.
    /// @param root The root of the tree.
    /// @param count The number of leaves.
    /// @param index The position of the leaf, counted from 0.
    /// @param contributor The contributor of the leaf.
    /// @param weight The weight of the leaf.
    /// @param siblings Bottom-up; exactly as many as the tree is deep, so that no inner node can pass for a leaf.
    /// @return True if the leaf is in the tree.
    function includes(
        bytes32 root,
        uint256 count,
        uint256 index,
        address contributor,
        uint64 weight,
        bytes32[] calldata siblings
    ) internal pure returns (bool) {
        bytes32 leaf = TaggedHash.CONTRIBUTOR_LEAF
            .hash(bytes32(uint256(uint160(contributor))), bytes32(uint256(weight)));
        return ListTree.includes(root, count, index, leaf, siblings);
    }
}
