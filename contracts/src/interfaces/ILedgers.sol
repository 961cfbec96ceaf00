// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

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
/// @notice Amounts are in base units of the node's token.
interface ILedgers {
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

    // ---- errors ----------------------------------------------------------------------------------------------------

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
    /// @param given The hash of the header that was given.
    /// @param posted The hash of the header that was posted.
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

    /// @notice The header does not name the header before it.
    /// @param given The hash that the header names.
    /// @param expected The hash of the newest posted header; 0 if there is none.
    error WrongPrevHeader(bytes32 given, bytes32 expected);

    /// @notice The header does not continue the state of the node.
    /// @param given The previous state root that the header names.
    /// @param expected The state root of the newest posted header, or that of the empty ledger.
    error WrongPrevState(bytes32 given, bytes32 expected);

    /// @notice The total of all fees cannot decrease.
    /// @param given The total of the header.
    /// @param last The total of the newest posted header.
    error DecreasingTotal(uint128 given, uint128 last);

    /// @notice A batch cannot be closed before the batch before it.
    /// @param given When the batch was closed, in unix seconds.
    /// @param last When the newest posted batch was closed, in unix seconds.
    error ClosedBeforePrevious(uint64 given, uint64 last);

    /// @notice A batch cannot be closed in the future.
    /// @param given When the batch was closed, in unix seconds.
    /// @param current The time of this block, in unix seconds.
    error ClosedInFuture(uint64 given, uint256 current);

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
    /// @param header The header.
    /// @return headerHash The EIP-712 struct hash of the header.
    /// @custom:access The operator key of the node that is valid in this block.
    /// @custom:reverts EnforcedPause The contract is paused.
    /// @custom:reverts NotOperator The caller does not hold the operator key.
    /// @custom:reverts ConflictingHeader The node has posted another header for this epoch.
    /// @custom:reverts UnexpectedEpoch The epoch is not the next.
    /// @custom:reverts UnexpectedSeq The first sequence number is not the next.
    /// @custom:reverts EmptyBatch The header holds no receipt.
    /// @custom:reverts WrongPrevHeader The header names another header before it.
    /// @custom:reverts WrongPrevState The header names another state before it.
    /// @custom:reverts DecreasingTotal The total is below the last one.
    /// @custom:reverts ClosedBeforePrevious The batch is closed before the last one.
    /// @custom:reverts ClosedInFuture The batch is closed after the time of this block.
    function post(BatchHeader calldata header) external returns (bytes32 headerHash);

    /// @notice Activates, in order of epochs, every posted header whose delay has passed and that is fully credited.
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

    /// @notice How long a posted header waits before it can become active.
    /// @return The delay, in seconds.
    function activationDelay() external view returns (uint64);

    /// @notice Everything a node's vault ever brought in.
    /// @param node The node.
    /// @return The amount.
    function credited(address node) external view returns (uint256);

    /// @notice The newest posted header of a node and how far its headers are active.
    /// @dev A node that has posted nothing is at epoch 0 and has the state root of the empty ledger.
    /// @param node The node.
    /// @return lastEpoch The newest posted epoch.
    /// @return activeEpoch The newest active epoch.
    /// @return nextSeq The sequence number of the first receipt of the next batch.
    /// @return lastHeaderHash The EIP-712 struct hash of the newest posted header; 0 if there is none.
    /// @return lastStateRoot The state root of the newest posted header.
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
            bytes32 lastHeaderHash,
            bytes32 lastStateRoot,
            uint128 lastCumTotal,
            uint128 activeCumTotal,
            uint64 lastClosedAt
        );

    /// @notice The hash of a posted header.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @return The EIP-712 struct hash; 0 if the epoch was not posted.
    function headerHash(address node, uint64 epoch) external view returns (bytes32);

    /// @notice When a posted header can become active.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @return The time, in unix seconds; 0 if the epoch was not posted.
    function activeFrom(address node, uint64 epoch) external view returns (uint64);
}
