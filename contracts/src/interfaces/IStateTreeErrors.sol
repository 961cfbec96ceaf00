// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Errors of proofs of a node's state tree.
interface IStateTreeErrors {
    /// @notice The proof is not encoded as the state tree specifies: uint16 depth below 256, a 32-byte bitmap without
    /// bits at or above that depth, then exactly one non-zero 32-byte sibling per set bit.
    /// @param proof The proof as it was given.
    error MalformedProof(bytes proof);

    /// @notice The proof is for a leaf of value 0, which no tree holds.
    /// @param key The key of the leaf.
    error EmptyLeaf(bytes32 key);

    /// @notice The bytes do not encode a witness of the key: see StateWitness.
    /// @param key The key.
    /// @param witness The witness as it was given.
    error MalformedWitness(bytes32 key, bytes witness);
}
