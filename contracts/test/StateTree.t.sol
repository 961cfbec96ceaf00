// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStateTreeErrors} from "../src/interfaces/IStateTreeErrors.sol";
import {ContributorsTree} from "../src/libraries/ContributorsTree.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Check} from "./Check.sol";
import {Trees} from "./Trees.sol";

contract StateTreeTest is Check {
    function rootOf(bytes32 key, uint256 value, bytes calldata proof) external pure returns (bytes32) {
        return StateTree.rootOf(key, value, proof);
    }

    function tryRootOf(bytes32 key, uint256 value, bytes calldata proof) external pure returns (bool, bytes32) {
        return StateTree.tryRootOf(key, value, proof);
    }

    function random(uint256 seed, uint256 count) internal pure returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 key = keccak256(abi.encode(seed, i));
            // Some neighbours share a prefix of up to 60 bits, as keys found by brute force could.
            if (i % 3 == 1) key = leaves[i - 1].key ^ bytes32(uint256(1) << (196 + seed % 60));
            leaves[i] = Trees.Leaf(key, 1 + uint256(keccak256(abi.encode(key))) % 1e24);
        }
    }

    function testFuzz_EveryLeafProvesTheRoot(uint256 seed, uint8 size) public view {
        Trees.Leaf[] memory leaves = random(bound(seed, 0, type(uint128).max) | 1, bound(size, 1, 12));
        bytes32 root = Trees.stateTreeRoot(leaves);

        for (uint256 i = 0; i < leaves.length; ++i) {
            bytes32 proven = this.rootOf(leaves[i].key, leaves[i].value, Trees.stateProof(leaves, i));
            equal(proven, root, "root");
        }
    }

    function testFuzz_AnotherValueOrKeyProvesAnotherRoot(uint256 seed, uint8 size, uint256 other) public view {
        Trees.Leaf[] memory leaves = random(bound(seed, 0, type(uint128).max) | 1, bound(size, 1, 12));
        bytes memory proof = Trees.stateProof(leaves, 0);
        bytes32 root = Trees.stateTreeRoot(leaves);
        vm.assume(other != 0 && other != leaves[0].value && bytes32(other) != leaves[0].key);

        check(this.rootOf(leaves[0].key, other, proof) != root, "a wrong value proved the root");
        check(this.rootOf(bytes32(other), leaves[0].value, proof) != root, "a wrong key proved the root");
    }

    function test_ALoneLeafIsTheRoot() public view {
        bytes32 leaf = keccak256(abi.encodePacked(uint8(0), bytes32(uint256(7)), uint256(9)));

        equal(this.rootOf(bytes32(uint256(7)), 9, abi.encodePacked(uint16(0), uint256(0))), leaf, "root");
    }

    function test_NoTreeHoldsTheValueZero() public view {
        (bool wellFormed, bytes32 root) =
            this.tryRootOf(bytes32(uint256(7)), 0, abi.encodePacked(uint16(0), uint256(0)));

        check(!wellFormed, "a leaf of zero");
        equal(root, 0, "root");
    }

    function test_MalformedProofsRevert() public {
        bytes32 key = bytes32(uint256(7));
        bytes32 sibling = keccak256("sibling");

        vm.expectRevert(abi.encodeWithSelector(IStateTreeErrors.EmptyLeaf.selector, key));
        this.rootOf(key, 0, abi.encodePacked(uint16(0), uint256(0)));
        refused(key, 1, "");
        refused(key, 1, abi.encodePacked(uint16(0), uint248(0)));
        refused(key, 1, abi.encodePacked(uint16(0), uint256(1))); // a bit beyond the depth
        refused(key, 1, abi.encodePacked(uint16(1), uint256(1))); // too few siblings
        refused(key, 1, abi.encodePacked(uint16(1), uint256(1), sibling, sibling)); // too many
        refused(key, 1, abi.encodePacked(uint16(1), uint256(1), bytes32(0))); // a zero among the non-zero
        refused(key, 1, abi.encodePacked(uint16(256), uint256(1) << 255, sibling)); // deeper than the keys are long
    }

    function refused(bytes32 key, uint256 value, bytes memory proof) internal {
        vm.expectRevert(abi.encodeWithSelector(IStateTreeErrors.MalformedProof.selector, proof));
        this.rootOf(key, value, proof);
    }
}

contract ContributorsTreeTest is Check {
    function includes(
        bytes32 root,
        uint256 count,
        uint256 index,
        address who,
        uint64 weight,
        bytes32[] calldata siblings
    ) external pure returns (bool) {
        return ContributorsTree.includes(root, count, index, who, weight, siblings);
    }

    function contributor(uint256 i) internal pure returns (address) {
        return address(uint160(0x1000 + i));
    }

    function row(uint256 count) internal pure returns (bytes32[] memory leaves) {
        leaves = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = Trees.contributorLeaf(contributor(i), uint64(i + 1));
        }
    }

    function testFuzz_EveryContributorIsIncludedAtItsIndexOnly(uint8 size, uint8 place, uint8 other) public view {
        uint256 count = bound(size, 1, 40);
        uint256 i = bound(place, 0, count - 1);
        bytes32[] memory leaves = row(count);
        bytes32[] memory path = Trees.listProof(leaves, i);
        bytes32 root = Trees.listRoot(leaves);

        check(this.includes(root, count, i, contributor(i), uint64(i + 1), path), "not included");
        check(!this.includes(root, count, i, contributor(i), uint64(i + 2), path), "a heavier weight is included");
        check(!this.includes(root, count, i, contributor(i + 1), uint64(i + 1), path), "another is included");
        if (other != i) {
            check(!this.includes(root, count, other, contributor(i), uint64(i + 1), path), "index is free");
        }
    }

    function test_APathOfTheWrongLengthIsNoProof() public view {
        bytes32[] memory leaves = row(4);
        bytes32[] memory path = Trees.listProof(leaves, 1);
        bytes32 root = Trees.listRoot(leaves);

        check(this.includes(root, 4, 1, contributor(1), 2, path), "the honest proof");
        check(!this.includes(root, 2, 1, contributor(1), 2, path), "a longer path");
        check(!this.includes(root, 5, 1, contributor(1), 2, path), "a shorter path");
        check(!this.includes(root, 0, 0, contributor(1), 2, path), "an empty tree");
    }
}
