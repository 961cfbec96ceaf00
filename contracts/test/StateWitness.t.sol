// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStateTreeErrors} from "../src/interfaces/IStateTreeErrors.sol";
import {StateWitness} from "../src/libraries/StateWitness.sol";
import {Check} from "./Check.sol";
import {Trees} from "./Trees.sol";

contract StateWitnessTest is Check {
    function read(bytes32 key, bytes calldata witness) external pure returns (uint256, bytes32) {
        return StateWitness.read(key, witness);
    }

    function grow(bytes32 key, uint256 delta, bytes calldata witness) external pure returns (bytes32, bytes32) {
        return StateWitness.grow(key, delta, witness);
    }

    /// @dev Leaves whose keys share up to 250 bits with their neighbours, as nobody can grind them.
    function random(uint256 seed, uint256 count) internal pure returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](count);
        for (uint256 i = 0; i < count; ++i) {
            bytes32 key = keccak256(abi.encode(seed, i));
            if (i % 2 == 1) key = leaves[i - 1].key ^ bytes32(uint256(1) << ((seed >> i) % 250 + 1));
            leaves[i] = Trees.Leaf(key, 1 + uint256(keccak256(abi.encode(key))) % 1e24);
        }
    }

    function drop(Trees.Leaf[] memory leaves, uint256 index) internal pure returns (Trees.Leaf[] memory rest) {
        rest = new Trees.Leaf[](leaves.length - 1);
        for (uint256 i = 0; i < rest.length; ++i) {
            rest[i] = leaves[i < index ? i : i + 1];
        }
    }

    function testFuzz_APresentKeyIsReadAndGrows(uint256 seed, uint8 size, uint64 delta) public view {
        Trees.Leaf[] memory leaves = random(seed, bound(size, 1, 12));
        uint256 index = seed % leaves.length;
        bytes memory witness = Trees.stateWitness(leaves, leaves[index].key);

        (uint256 value, bytes32 root) = this.read(leaves[index].key, witness);
        equal(value, leaves[index].value, "value");
        equal(root, Trees.stateTreeRoot(leaves), "root");
        (bytes32 before, bytes32 after_) = this.grow(leaves[index].key, delta, witness);
        leaves[index].value += delta;
        equal(before, root, "root before");
        equal(after_, Trees.stateTreeRoot(leaves), "root after");
    }

    function testFuzz_AnAbsentKeyIsReadAndInserted(uint256 seed, uint8 size, uint64 delta) public view {
        Trees.Leaf[] memory whole = random(seed, bound(size, 1, 12));
        uint256 index = seed % whole.length;
        whole[index].value = uint256(delta) + 1;
        Trees.Leaf[] memory rest = drop(whole, index);
        bytes memory witness = Trees.stateWitness(rest, whole[index].key);

        (uint256 value, bytes32 root) = this.read(whole[index].key, witness);
        equal(value, 0, "value");
        equal(root, Trees.stateTreeRoot(rest), "root");
        (bytes32 before, bytes32 after_) = this.grow(whole[index].key, uint256(delta) + 1, witness);
        equal(before, root, "root before");
        equal(after_, Trees.stateTreeRoot(whole), "root after");
    }

    function testFuzz_NoChangeOfAWitnessProvesAnotherValue(uint256 seed, uint8 size, uint256 bit, bool absent)
        public
        view
    {
        Trees.Leaf[] memory leaves = random(seed, bound(size, 2, 12));
        bytes32 key = leaves[seed % leaves.length].key;
        uint256 expected = leaves[seed % leaves.length].value;
        if (absent) (leaves, expected) = (drop(leaves, seed % leaves.length), 0);
        bytes memory witness = Trees.stateWitness(leaves, key);
        bit %= 8 * witness.length;
        witness[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));

        try this.read(key, witness) returns (uint256 value, bytes32 root) {
            check(root != Trees.stateTreeRoot(leaves) || value == expected, "another value was proven");
        } catch {}
    }

    function test_TwoKeysThatPartAtTheLastBitCanBothBeHeld() public view {
        Trees.Leaf[] memory one = new Trees.Leaf[](1);
        one[0] = Trees.Leaf(bytes32(uint256(6)), 5);
        Trees.Leaf[] memory both = new Trees.Leaf[](2);
        (both[0], both[1]) = (one[0], Trees.Leaf(bytes32(uint256(7)), 9));

        (bytes32 before, bytes32 after_) =
            this.grow(bytes32(uint256(7)), 9, Trees.stateWitness(one, bytes32(uint256(7))));
        equal(before, Trees.stateTreeRoot(one), "root before");
        equal(after_, Trees.stateTreeRoot(both), "root after");
    }

    function test_BytesThatAreNoWitnessRevert() public {
        bytes32 key = bytes32(uint256(7));
        bytes memory none = new bytes(34);

        refused(key, "");
        refused(key, hex"00");
        refused(key, bytes.concat(hex"03", bytes16(uint128(1)), none));
        refused(key, bytes.concat(hex"00", bytes16(0), none)); // a leaf of value 0
        refused(key, bytes.concat(hex"01", new bytes(33)));
        refused(key, bytes.concat(hex"02", key, bytes16(uint128(1)), none)); // the key beside itself
        refused(key, bytes.concat(hex"02", bytes32(uint256(1) << 255), bytes16(uint128(1)), hex"0001", new bytes(32)));
        vm.expectPartialRevert(IStateTreeErrors.MalformedProof.selector);
        this.read(key, bytes.concat(hex"02", bytes32(uint256(6)), bytes16(uint128(1)), hex"0100", new bytes(32)));
        vm.expectPartialRevert(IStateTreeErrors.MalformedProof.selector);
        this.read(key, bytes.concat(hex"00", bytes16(uint128(1)), hex"0100", new bytes(32)));
    }

    function refused(bytes32 key, bytes memory witness) internal {
        vm.expectRevert(abi.encodeWithSelector(IStateTreeErrors.MalformedWitness.selector, key, witness));
        this.read(key, witness);
    }

    function test_NothingCannotBeInserted() public {
        vm.expectRevert(abi.encodeWithSelector(IStateTreeErrors.EmptyLeaf.selector, bytes32(uint256(7))));
        this.grow(bytes32(uint256(7)), 0, bytes.concat(hex"01", new bytes(34)));
    }
}
