// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {StateTree} from "./StateTree.sol";

/// @title The word that Settlement keeps of a posted header.
library HeaderCommitment {
    /// @dev keccak256(abi.encode(headerHash, stateRoot)).
    /// @param headerHash The EIP-712 struct hash of the header.
    /// @param stateRoot The state root of the header.
    /// @return commitment The commitment.
    function hash(bytes32 headerHash, bytes32 stateRoot) internal pure returns (bytes32 commitment) {
        assembly ("memory-safe") {
            mstore(0x00, headerHash)
            mstore(0x20, stateRoot)
            commitment := keccak256(0x00, 0x40)
        }
    }

    /// @dev The commitment that the first header continues: no header, and the root of the empty ledger.
    /// @return The commitment.
    function ofEmptyLedger() internal pure returns (bytes32) {
        return hash(0, StateTree.stateRoot(0, 0));
    }
}
