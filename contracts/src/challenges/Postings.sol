// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaf} from "../interfaces/IChallenges.sol";
import {IChallengesErrors} from "../interfaces/IChallengesErrors.sol";
import {UsageReceipt} from "../interfaces/IJudge.sol";
import {BatchHeader} from "../interfaces/ILedgers.sol";
import {ISettlement} from "../interfaces/ISettlement.sol";
import {HeaderCommitment} from "../libraries/HeaderCommitment.sol";
import {ListTree} from "../libraries/ListTree.sol";
import {ReceiptHash} from "../libraries/ReceiptHash.sol";
import {StateTree} from "../libraries/StateTree.sol";
import {StateWitness} from "../libraries/StateWitness.sol";
import {StructHash} from "../libraries/StructHash.sol";
import {TaggedHash} from "../libraries/TaggedHash.sol";

/// @title What Settlement holds of a header, and what the header commits to.
library Postings {
    using ReceiptHash for UsageReceipt;
    using StructHash for BatchHeader;
    using TaggedHash for uint8;

    /// @notice A header that is posted and alive.
    struct Posting {
        bytes32 commitment;
        uint64 activeFrom; // unix seconds
        uint8 demands; // that Settlement counts
    }

    /// @dev The posting of a header. Reverts if it is not posted, or dead.
    /// @param settlement The Settlement contract.
    /// @param header The header.
    /// @return posted The posting.
    function posting(ISettlement settlement, BatchHeader calldata header)
        internal
        view
        returns (Posting memory posted)
    {
        (posted.commitment,, posted.activeFrom, posted.demands) = settlement.header(header.node, header.epoch);
        bytes32 headerHash = header.hash();
        if (posted.commitment != HeaderCommitment.hash(headerHash, header.stateRoot)) {
            revert IChallengesErrors.UnknownHeader(header.node, header.epoch, headerHash);
        }
    }

    /// @dev Reverts unless the leaf is in the batch.
    /// @param header The header of the batch.
    /// @param leaf The leaf.
    function check(BatchHeader calldata header, Leaf calldata leaf) internal pure {
        bytes32 node = TaggedHash.RECEIPT_LEAF.hash(leaf.receiptHash, leaf.rootBefore, leaf.rootAfter);
        if (!ListTree.includes(header.receiptsRoot, header.count, leaf.index, node, leaf.siblings)) {
            revert IChallengesErrors.NotInBatch(header.node, header.epoch, leaf.index);
        }
    }

    /// @dev Reverts unless the leaf is in the batch and the receipt is that of the leaf.
    /// @param header The header of the batch.
    /// @param leaf The leaf.
    /// @param receipt The receipt.
    function check(BatchHeader calldata header, Leaf calldata leaf, UsageReceipt calldata receipt) internal pure {
        bytes32 receiptHash = receipt.hash();
        if (receiptHash != leaf.receiptHash) revert IChallengesErrors.WrongReceipt(receiptHash, leaf.receiptHash);
        check(header, leaf);
    }

    /// @dev What the state of a header holds under a key. Reverts unless the witness leads to its state root.
    /// @param header The header.
    /// @param key The key.
    /// @param witness The witness.
    /// @return value The value; 0 if the key is absent.
    function valueOf(BatchHeader calldata header, bytes32 key, bytes calldata witness)
        internal
        pure
        returns (uint256 value)
    {
        bytes32 treeRoot;
        (value, treeRoot) = StateWitness.read(key, witness);
        checkState(header, treeRoot, header.cumTotal);
    }

    /// @dev Reverts unless a tree root and a total are those of the header's state root.
    /// @param header The header.
    /// @param treeRoot The root of the tree.
    /// @param cumTotal The total of all fees.
    function checkState(BatchHeader calldata header, bytes32 treeRoot, uint128 cumTotal) internal pure {
        bytes32 stateRoot = StateTree.stateRoot(treeRoot, cumTotal);
        if (stateRoot != header.stateRoot) revert IChallengesErrors.WrongState(stateRoot, header.stateRoot);
    }
}
