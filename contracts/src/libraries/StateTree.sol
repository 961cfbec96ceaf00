// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TaggedHash} from "./TaggedHash.sol";

/// @title Inclusion proofs of a node's state tree: a compact sparse Merkle tree over 256-bit keys.
/// @notice A subtree that holds one leaf is that leaf; an empty subtree is the zero word. Key bit 255 decides at the
/// root, bit 254 below it, and so on.
/// @dev proof = uint16 depth ‖ 32-byte bitmap ‖ non-zero siblings, bottom-up. Bit k of the bitmap is set iff the sibling
/// at level k (0 = the root's children) is non-zero.
library StateTree {
    using TaggedHash for uint8;

    error InvalidProof();

    /// @dev The first bit of a key is its kind: 0 what a payee earned, 1 what a channel was charged.
    function earnedKey(uint8 payeeKind, bytes32 id) internal pure returns (bytes32) {
        return keccak256(abi.encode(payeeKind, id)) >> 1;
    }

    /// @dev The root that headers carry binds the tree to the total of all fees ever receipted.
    function stateRoot(bytes32 treeRoot, uint128 cumTotal) internal pure returns (bytes32) {
        return TaggedHash.STATE_ROOT.hash(treeRoot, bytes32(uint256(cumTotal)));
    }

    /// @notice The root of the tree that holds `value` under `key` beside the siblings of `proof`.
    function rootOf(bytes32 key, uint256 value, bytes calldata proof) internal pure returns (bytes32 root) {
        require(proof.length >= 34 && value != 0, InvalidProof());
        uint256 depth = uint16(bytes2(proof[:2]));
        uint256 bitmap = uint256(bytes32(proof[2:34]));
        require(depth < 256 && bitmap >> depth == 0, InvalidProof());

        root = TaggedHash.STATE_LEAF.hash(key, bytes32(value));
        uint256 offset = 34;
        for (uint256 level = depth; level > 0;) {
            --level;
            bytes32 sibling;
            if ((bitmap >> level) & 1 == 1) {
                require(proof.length >= offset + 32, InvalidProof());
                sibling = bytes32(proof[offset:offset + 32]);
                require(sibling != 0, InvalidProof());
                offset += 32;
            }
            bool right = (uint256(key) >> (255 - level)) & 1 == 1;
            root = right ? TaggedHash.STATE_INNER.hash(sibling, root) : TaggedHash.STATE_INNER.hash(root, sibling);
        }
        require(offset == proof.length, InvalidProof());
    }
}
