// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILedgerErrors} from "./ILedgerErrors.sol";
import {INodeRegistry} from "./INodeRegistry.sol";

/// @notice One batch of consecutive receipts of a node, as it is posted.
struct BatchHeader {
    address node;
    uint64 epoch; // counts the batches of a node, from 1
    uint64 fromSeq; // sequence number of the first receipt
    uint32 count; // number of receipts
    bytes32 prevHeaderHash; // hash of the header before; 0 for epoch 1
    bytes32 prevStateRoot; // state root before the batch
    bytes32 stateRoot; // state root after the batch
    uint128 cumTotal; // all fees ever receipted by the node, in token base units
    bytes32 receiptsRoot; // commits to every receipt of the batch
    uint64 closedAt; // unix seconds
}

/// @title The ledger of each node: what its vault brought in, and the chain of headers it posted.
/// @notice Amounts are in base units of the node's token. Of a header only a commitment is kept:
/// keccak256(abi.encode(headerHash, stateRoot)). Whoever needs more passes the header, which is checked against it.
interface ILedgers is ILedgerErrors {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A vault brought in tokens.
    /// @param node The node.
    /// @param amount What arrived, which is less than what was sent for a token that takes a fee.
    /// @param total Everything the vault ever brought in.
    event Credited(address indexed node, uint256 amount, uint256 total);

    /// @notice A header was posted.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param headerHash The EIP-712 struct hash of the header.
    /// @param header The header.
    /// @param activeFrom The earliest time at which it can become active, in unix seconds.
    event BatchPosted(
        address indexed node, uint64 indexed epoch, bytes32 headerHash, BatchHeader header, uint64 activeFrom
    );

    /// @notice A header became active: payees can claim against it.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param cumTotal The total of all fees up to this header.
    event BatchActivated(address indexed node, uint64 indexed epoch, uint128 cumTotal);

    // ---- functions -------------------------------------------------------------------------------------------------

    /// @notice Pulls tokens of the node from its vault and credits what arrived.
    /// @param amount The amount to pull.
    /// @custom:access Vaults of registered nodes.
    /// @custom:reverts NotANode The caller is not the vault of a registered node.
    /// @custom:reverts SafeCastOverflowedUintDowncast The vault would have brought in 2**128 or more.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function credit(uint256 amount) external;

    /// @notice Posts the next header of a node. The same header again changes nothing.
    /// @dev Its window is the present `challengeWindow`, whatever governance changes later. If a header of this epoch died,
    /// the window ends after that of the dead header.
    /// @param header The header.
    /// @return headerHash The EIP-712 struct hash of the header.
    /// @custom:access The operator key of the node that is valid in this block.
    /// @dev No pause stops it: payers' withdrawal clocks run on while receipts cannot be posted.
    /// @custom:reverts NotOperator The caller does not hold the operator key.
    /// @custom:reverts ConflictingHeader The node has posted another header for this epoch.
    /// @custom:reverts UnexpectedEpoch The epoch is not the next.
    /// @custom:reverts UnexpectedSeq The first sequence number is not the next.
    /// @custom:reverts EmptyBatch The header holds no receipt.
    /// @custom:reverts WrongPrevious The header names another header or state before it.
    /// @custom:reverts TotalNotIncreasing The total is not above the last one.
    /// @custom:reverts ClosedBeforePrevious The batch is closed before the last one.
    /// @custom:reverts ClosedInFuture The batch is closed after the time of this block.
    /// @custom:reverts ClosedAfterDeath The ledger is closed, and the batch is newer.
    /// @custom:reverts StakeTooLow The bonded stake does not cover the unclaimed money.
    /// @custom:reverts WindowTooLong A header of this epoch died in this block. The next block accepts the header.
    /// @custom:reverts SafeCastOverflowedUintDowncast The sequence number exceeds 2**40 - 1.
    function post(BatchHeader calldata header) external returns (bytes32 headerHash);

    /// @notice Activates, in order of epochs, every posted header that is final and fully credited.
    /// @dev At most `MAX_ACTIVATIONS` per call; the next call continues.
    /// @param node The node.
    /// @return activeEpoch The newest active epoch; 0 if there is none.
    /// @custom:access Anyone.
    /// @custom:reverts Never.
    function activate(address node) external returns (uint64 activeEpoch);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice How many headers one call activates at most, which bounds the gas of a claim.
    /// @return The number.
    function MAX_ACTIVATIONS() external view returns (uint64);

    /// @notice The registry that knows nodes and their keys.
    /// @return The contract.
    function registry() external view returns (INodeRegistry);

    /// @notice Everything a node's vault ever brought in.
    /// @param node The node.
    /// @return The amount.
    function credited(address node) external view returns (uint256);

    /// @notice The newest posted header of a node and how far its headers are active.
    /// @dev The newest posted header is the newest that is alive. A node without one is at epoch 0.
    /// @param node The node.
    /// @return lastEpoch The newest posted epoch.
    /// @return activeEpoch The newest active epoch.
    /// @return nextSeq The sequence number of the first receipt of the next batch.
    /// @return lastCommitment The commitment to the newest posted header, or that of the empty ledger.
    /// @return lastCumTotal The total of all fees up to the newest posted header.
    /// @return activeCumTotal The total of all fees up to the newest active header.
    /// @return lastClosedAt When the newest posted batch was closed, in unix seconds.
    function ledger(address node)
        external
        view
        returns (
            uint64 lastEpoch,
            uint64 activeEpoch,
            uint64 nextSeq,
            bytes32 lastCommitment,
            uint128 lastCumTotal,
            uint128 activeCumTotal,
            uint64 lastClosedAt
        );

    /// @notice The commitment to a posted header: keccak256(abi.encode(headerHash, stateRoot)).
    /// @param node The node.
    /// @param epoch The epoch.
    /// @return The commitment; 0 if the epoch was not posted or its header died.
    function commitmentOf(address node, uint64 epoch) external view returns (bytes32);

    /// @notice What is kept of a posted header.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @return commitment The commitment; 0 if the epoch was not posted or its header died, as are the other values.
    /// @return cumTotal All fees ever receipted by the node up to this header.
    /// @return activeFrom When its window ends, in unix seconds.
    /// @return demands How many demands on it are open.
    function header(address node, uint64 epoch)
        external
        view
        returns (bytes32 commitment, uint128 cumTotal, uint64 activeFrom, uint8 demands);

    /// @notice When the window of a posted header ends.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @return The time, in unix seconds; 0 if the epoch was not posted or its header died.
    function activeFrom(address node, uint64 epoch) external view returns (uint64);
}
