// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStateTreeErrors} from "../interfaces/IStateTreeErrors.sol";
import {TaggedHash} from "./TaggedHash.sol";

/// @title Inclusion proofs of a node's state tree: a compact sparse Merkle tree over 256-bit keys.
/// @notice A subtree that holds one leaf is that leaf; an empty subtree is the zero word. Key bit 255 decides at the
/// root, bit 254 below it, and so on.
/// @dev proof = uint16 depth ‖ 32-byte bitmap ‖ non-zero siblings, bottom-up. Bit k of the bitmap is set if and only if
/// the sibling at level k (0 = the root's children) is non-zero.
library StateTree {
    using TaggedHash for uint8;

    /// @dev The key under which the tree holds what a payee earned. The first bit of a key is its kind: 0 for what a
    /// payee earned, 1 for what a channel was charged.
    /// @param payeeKind 0 for an address, 1 for a Datanet version, 2 for the treasury.
    /// @param id The address, left-padded; keccak256(abi.encode(datanetId, version)); or 0 for the treasury.
    /// @return The key.
    function earnedKey(uint8 payeeKind, bytes32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(payeeKind, id)) >> 1;
    }

    /// @dev The root that headers carry. It binds the tree to the total of all fees ever receipted.
    /// @param treeRoot The root of the tree.
    /// @param cumTotal The total of all fees, in token base units.
    /// @return The state root.
    function stateRoot(bytes32 treeRoot, uint128 cumTotal) internal pure returns (bytes32) {
        return TaggedHash.STATE_ROOT.hash(treeRoot, bytes32(uint256(cumTotal)));
    }

    /// @dev The key under which the tree holds what a channel was charged.
    /// @param channelId The channel.
    /// @return The key.
    function chargedKey(bytes32 channelId) internal pure returns (bytes32) {
        return earnedKey(0, channelId) | bytes32(uint256(1) << 255);
    }

    /// @dev The hash of a leaf.
    /// @param key The key of the leaf.
    /// @param value The value of the leaf; a tree holds no zero values.
    /// @return The hash.
    function leaf(bytes32 key, uint256 value) internal pure returns (bytes32) {
        if (value == 0) revert IStateTreeErrors.EmptyLeaf(key);
        return TaggedHash.STATE_LEAF.hash(key, bytes32(value));
    }

    /// @dev The root of the tree that holds `value` under `key`, with the siblings of `proof`. Reverts if there is none.
    /// @param key The key of the leaf.
    /// @param value The value of the leaf; a tree holds no zero values.
    /// @param proof The encoded siblings.
    /// @return The root of the tree.
    function rootOf(bytes32 key, uint256 value, bytes calldata proof) internal pure returns (bytes32) {
        return rootAbove(key, leaf(key, value), proof);
    }

    /// @dev The root of the tree that holds `value` under `key`, with the siblings of `proof`, if there is such a tree.
    /// @param key The key of the leaf.
    /// @param value The value of the leaf; a tree holds no zero values.
    /// @param proof The encoded siblings.
    /// @return wellFormed Whether the value is not zero and the proof is encoded as specified.
    /// @return root The root of the tree if it is.
    function tryRootOf(bytes32 key, uint256 value, bytes calldata proof)
        internal
        pure
        returns (bool wellFormed, bytes32 root)
    {
        if (value == 0) return (false, 0);
        return _climb(key, leaf(key, value), proof);
    }

    /// @dev The root of the tree in which the path of `key` passes the siblings of `proof` and ends at a subtree. Reverts
    /// if there is none.
    /// @param key The key.
    /// @param node The hash of the subtree; 0 if it is empty.
    /// @param proof The encoded siblings.
    /// @return The root of the tree.
    function rootAbove(bytes32 key, bytes32 node, bytes calldata proof) internal pure returns (bytes32) {
        (bool wellFormed, bytes32 root) = _climb(key, node, proof);
        if (!wellFormed) revert IStateTreeErrors.MalformedProof(proof);
        return root;
    }

    /// @dev The hash of the inner node above a node on the path of `key` and its sibling.
    /// @param key The key.
    /// @param level How many levels below the root the inner node is.
    /// @param node The node on the path.
    /// @param sibling The node beside it.
    /// @return The hash.
    function parent(bytes32 key, uint256 level, bytes32 node, bytes32 sibling) internal pure returns (bytes32) {
        bool right = (uint256(key) >> (255 - level)) & 1 == 1;
        return right ? TaggedHash.STATE_INNER.hash(sibling, node) : TaggedHash.STATE_INNER.hash(node, sibling);
    }

    function _climb(bytes32 key, bytes32 node, bytes calldata proof)
        private
        pure
        returns (bool wellFormed, bytes32 root)
    {
        if (proof.length < 34) return (false, 0);
        uint256 depth = uint16(bytes2(proof[:2]));
        uint256 bitmap = uint256(bytes32(proof[2:34]));
        if (depth >= 256 || bitmap >> depth != 0) return (false, 0);

        root = node;
        uint8 tag = TaggedHash.STATE_INNER;
        // In assembly, because every level of every claim pays for it.
        assembly ("memory-safe") {
            let cursor := add(proof.offset, 34)
            let left := add(mload(0x40), 0x01)
            let right := add(left, 0x20)
            mstore8(sub(left, 0x01), tag)
            wellFormed := 1
            for { let level := depth } level {} {
                level := sub(level, 1)
                let sibling := 0
                if and(shr(level, bitmap), 1) {
                    sibling := calldataload(cursor) // beyond the end of the proof: refused below
                    cursor := add(cursor, 0x20)
                    if iszero(sibling) { wellFormed := 0 }
                }
                switch and(shr(sub(255, level), key), 1)
                case 0 {
                    mstore(left, root)
                    mstore(right, sibling)
                }
                default {
                    mstore(left, sibling)
                    mstore(right, root)
                }
                root := keccak256(sub(left, 0x01), 0x41)
            }
            wellFormed := and(wellFormed, eq(cursor, add(proof.offset, proof.length)))
        }
    }
}
