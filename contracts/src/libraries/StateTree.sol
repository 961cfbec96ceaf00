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

    /// @dev The root of the tree that holds `value` under `key`, with the siblings of `proof`. Reverts if there is none.
    /// @param key The key of the leaf.
    /// @param value The value of the leaf; a tree holds no zero values.
    /// @param proof The encoded siblings.
    /// @return The root of the tree.
    function rootOf(bytes32 key, uint256 value, bytes calldata proof) internal pure returns (bytes32) {
        if (value == 0) revert IStateTreeErrors.EmptyLeaf(key);
        (bool wellFormed, bytes32 root) = tryRootOf(key, value, proof);
        if (!wellFormed) revert IStateTreeErrors.MalformedProof(proof);
        return root;
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
        if (value == 0 || proof.length < 34) return (false, 0);
        uint256 depth = uint16(bytes2(proof[:2]));
        uint256 bitmap = uint256(bytes32(proof[2:34]));
        if (depth >= 256 || bitmap >> depth != 0) return (false, 0);

        root = TaggedHash.STATE_LEAF.hash(key, bytes32(value));
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
