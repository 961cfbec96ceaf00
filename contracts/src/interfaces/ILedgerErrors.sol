// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Errors of the ledgers of nodes.
/// @notice Amounts are in base units of the node's token.
interface ILedgerErrors {
    /// @notice Only the vaults of registered nodes are credited.
    /// @param caller The account that called.
    error NotANode(address caller);

    /// @notice The caller does not hold the operator key of the node.
    /// @param node The node.
    /// @param caller The account that called.
    /// @param operator The operator key that is valid now; the zero address if the node is not registered.
    error NotOperator(address node, address caller, address operator);

    /// @notice The node has posted another header for this epoch.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @param given The commitment to the header that was given.
    /// @param posted The commitment to the header that was posted.
    error ConflictingHeader(address node, uint64 epoch, bytes32 given, bytes32 posted);

    /// @notice The header does not continue the epochs of the node.
    /// @param given The epoch of the header.
    /// @param expected The next epoch.
    error UnexpectedEpoch(uint64 given, uint64 expected);

    /// @notice The header does not continue the receipts of the node.
    /// @param given The first sequence number of the header.
    /// @param expected The next sequence number.
    error UnexpectedSeq(uint64 given, uint64 expected);

    /// @notice The header holds no receipt.
    /// @param epoch The epoch of the header.
    error EmptyBatch(uint64 epoch);

    /// @notice The header does not continue the newest header and its state.
    /// @param given The commitment to the previous header hash and state root that the header names.
    /// @param expected The commitment to the newest posted header, or that of the empty ledger.
    error WrongPrevious(bytes32 given, bytes32 expected);

    /// @notice Every batch holds fees, so the total of all fees grows.
    /// @param given The total of the header.
    /// @param last The total of the newest posted header.
    error TotalNotIncreasing(uint128 given, uint128 last);

    /// @notice A batch cannot be closed before the batch before it.
    /// @param given When the batch was closed, in unix seconds.
    /// @param last When the newest posted batch was closed, in unix seconds.
    error ClosedBeforePrevious(uint64 given, uint64 last);

    /// @notice A batch cannot be closed in the future.
    /// @param given When the batch was closed, in unix seconds.
    /// @param current The time of this block, in unix seconds.
    error ClosedInFuture(uint64 given, uint256 current);

    /// @notice A closed ledger accepts only receipts from before its end. The operator opens another vault.
    /// @param given When the batch was closed, in unix seconds.
    /// @param diedAt When the ledger was closed, in unix seconds.
    error ClosedAfterDeath(uint64 given, uint64 diedAt);

    /// @notice Dead headers of this epoch have windows so long that this one would exceed the maximum.
    /// @param end When the window would end, in unix seconds.
    /// @param latest The latest end that is accepted, in unix seconds.
    error WindowTooLong(uint256 end, uint256 latest);

    /// @notice The stake must cover the money that is receipted and not claimed. Bond more, or claim for the payees.
    /// @param node The node.
    /// @param bonded The bonded stake, without what is unbonding.
    /// @param required The least stake with which the header is accepted.
    error StakeTooLow(address node, uint256 bonded, uint256 required);
}
