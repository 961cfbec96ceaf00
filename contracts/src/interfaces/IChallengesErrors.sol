// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJudge} from "./IJudge.sol";
import {IStateTreeErrors} from "./IStateTreeErrors.sol";

/// @title Why a demand, an answer or a proof is refused.
interface IChallengesErrors is IStateTreeErrors {
    /// @notice The header is not posted, or it is dead.
    /// @param node The node of the header.
    /// @param epoch The epoch of the header.
    /// @param headerHash The struct hash of the header.
    error UnknownHeader(address node, uint64 epoch, bytes32 headerHash);

    /// @notice Demands are opened while the window of a header runs.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param activeFrom When its window ended, in unix seconds.
    error WindowClosed(address node, uint64 epoch, uint64 activeFrom);

    /// @notice The header given as the one before is not.
    /// @param headerHash The struct hash of the header that was given.
    /// @param expected The struct hash of the header before.
    error WrongPrevious(bytes32 headerHash, bytes32 expected);

    /// @notice The batch has fewer receipts.
    /// @param index The index that was given.
    /// @param count The number of receipts.
    error NoSuchLeaf(uint32 index, uint32 count);

    /// @notice The leaf is not in the batch.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param index The index of the leaf.
    error NotInBatch(address node, uint64 epoch, uint32 index);

    /// @notice The receipt is not that of the leaf.
    /// @param receiptHash The struct hash of the receipt.
    /// @param expected The receipt hash of the leaf.
    error WrongReceipt(bytes32 receiptHash, bytes32 expected);

    /// @notice What was given does not lead to the state root of the header.
    /// @param stateRoot The state root that it leads to.
    /// @param expected The state root of the header.
    error WrongState(bytes32 stateRoot, bytes32 expected);

    /// @notice The proof shows nothing that contradicts an honest ledger.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    error NoContradiction(address node, uint64 epoch);

    /// @notice The receipt is not signed by the operator key that was valid when it finished.
    /// @param signer The account whose signature it is; the zero address if it is no signature.
    /// @param operator The operator key.
    error WrongOperatorSigner(address signer, address operator);

    /// @notice The node has posted a newer header.
    /// @param epoch The epoch of the header.
    /// @param lastEpoch The newest epoch.
    error NotNewest(uint64 epoch, uint64 lastEpoch);

    /// @notice The ledger is closed: a header of it died, or its owner closed it.
    /// @param node The node.
    /// @param diedAt When, in unix seconds.
    error ClosedLedger(address node, uint64 diedAt);

    /// @notice The channel does not pay the vault in its token, or nobody signs for it.
    /// @param receiver The receiver of the channel.
    /// @param receiverAuthorizer The receiver authorizer of the channel.
    /// @param token The token of the channel.
    /// @param payerAuthorizer The payer authorizer of the channel.
    error ForeignChannel(address receiver, address receiverAuthorizer, address token, address payerAuthorizer);

    /// @notice The attribution version has a judge, and judges are never replaced.
    /// @param attributionVersion The attribution version.
    /// @param judge Its judge.
    error JudgeExists(uint32 attributionVersion, IJudge judge);

    /// @notice The judge holds no code.
    /// @param judge The account that was given.
    error InvalidJudge(IJudge judge);

    /// @notice No judge knows the attribution version yet.
    /// @param attributionVersion The attribution version of the receipt.
    error UnknownAttribution(uint32 attributionVersion);
}
