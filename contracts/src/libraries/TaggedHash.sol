// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title H(tag, words…) = keccak256(abi.encodePacked(uint8 tag, bytes32 words…))
/// @dev The tag separates leaves, inner nodes and roots of all trees: none can be presented as another.
library TaggedHash {
    uint8 internal constant STATE_LEAF = 0x00;
    uint8 internal constant STATE_INNER = 0x01;
    uint8 internal constant RECEIPT_LEAF = 0x02;
    uint8 internal constant LIST_INNER = 0x03;
    uint8 internal constant STATE_ROOT = 0x04;
    uint8 internal constant CONTRIBUTOR_LEAF = 0x05;

    /// @dev keccak256 over a tag and two words.
    /// @param tag What is hashed: one of the tags above.
    /// @param a The first word.
    /// @param b The second word.
    /// @return digest The hash.
    function hash(uint8 tag, bytes32 a, bytes32 b) internal pure returns (bytes32 digest) {
        // 65 bytes do not fit the scratch space: at 0x00 they would overwrite the free-memory pointer.
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, tag)
            mstore(add(free, 0x01), a)
            mstore(add(free, 0x21), b)
            digest := keccak256(free, 0x41)
        }
    }

    /// @dev keccak256 over a tag and three words.
    /// @param tag What is hashed: one of the tags above.
    /// @param a The first word.
    /// @param b The second word.
    /// @param c The third word.
    /// @return The hash.
    function hash(uint8 tag, bytes32 a, bytes32 b, bytes32 c) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(tag, a, b, c));
    }
}
