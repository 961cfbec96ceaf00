// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What can happen to a header that is not final, and what a node's stake then pays.
/// @notice A header is open while its window runs or a demand on it is open, and final otherwise. Only an open header
/// can die, and the headers after it die with it. A ledger with a dead header is closed: the tip returns to the header
/// before, epoch numbers are used again, and only receipts from before its end can be posted.
interface IDeaths {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A demand on a header was opened.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param demands How many demands on it are open now.
    event HeaderHeld(address indexed node, uint64 indexed epoch, uint8 demands);

    /// @notice A demand on a header was answered.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param demands How many demands on it are open now.
    event HeaderReleased(address indexed node, uint64 indexed epoch, uint8 demands);

    /// @notice A header died, and every later header of the node with it.
    /// @param node The node.
    /// @param epoch The epoch of the first header that died.
    /// @param commitment The commitment to that header: keccak256(abi.encode(headerHash, stateRoot)).
    /// @param challenger Who receives part of the stake; the zero address if the owner closed the ledger.
    event HeaderDied(address indexed node, uint64 indexed epoch, bytes32 commitment, address indexed challenger);

    /// @notice A ledger was closed: receipts after this time can never be posted.
    /// @param node The node.
    /// @param diedAt The time, in unix seconds.
    event LedgerClosed(address indexed node, uint64 diedAt);

    /// @notice A node's stake paid what its payers did not.
    /// @param node The node.
    /// @param amount What was credited, in base units of the node's token.
    event Covered(address indexed node, uint256 amount);

    // ---- errors ----------------------------------------------------------------------------------------------------

    /// @notice Only the contract of the challenges may call this.
    /// @param caller The account that called.
    error NotChallenges(address caller);

    /// @notice The caller is not the owner of the node.
    /// @param node The node.
    /// @param caller The account that called.
    /// @param owner The owner; the zero address if the node is not registered.
    error NotNodeOwner(address node, address caller, address owner);

    /// @notice The header is not posted, or final: its window has passed and no demand on it is open.
    /// @param node The node.
    /// @param epoch The epoch.
    error HeaderNotOpen(address node, uint64 epoch);

    /// @notice A demand on the header is open: it may still die.
    /// @param node The node.
    /// @param epoch The epoch.
    error HeaderStillOpen(address node, uint64 epoch);

    /// @notice The header has as many open demands as it may have at once.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @param max The largest number.
    error TooManyDemands(address node, uint64 epoch, uint8 max);

    /// @notice No demand on the header is open.
    /// @param node The node.
    /// @param epoch The epoch.
    error NoOpenDemand(address node, uint64 epoch);

    /// @notice No header of the node waits for credit that its stake could pay.
    /// @param node The node.
    error NothingToCover(address node);

    /// @notice The operator still has time to bring in what its payers owe.
    /// @param node The node.
    /// @param epoch The epoch of the next header to become active.
    /// @param earliest When its shortfall can be covered, in unix seconds.
    error CoverTooEarly(address node, uint64 epoch, uint64 earliest);

    // ---- functions of the challenges -------------------------------------------------------------------------------

    /// @notice Counts a new demand on a header, which holds up its activation.
    /// @param node The node.
    /// @param epoch The epoch of a header whose window runs.
    /// @custom:access The contract of the challenges.
    /// @custom:reverts NotChallenges The caller is another account.
    /// @custom:reverts HeaderNotOpen The header is not posted or its window has passed.
    /// @custom:reverts TooManyDemands `MAX_DEMANDS` demands on the header are open.
    function hold(address node, uint64 epoch) external;

    /// @notice Counts an answered demand on a header.
    /// @dev A dead header needs no release: the epoch's next header starts without demands.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @custom:access The contract of the challenges.
    /// @custom:reverts NotChallenges The caller is another account.
    /// @custom:reverts NoOpenDemand No demand on the header is open.
    function release(address node, uint64 epoch) external;

    /// @notice Ends an open header and every later one, and slashes the node's stake.
    /// @dev Calls no token, so that no token can save a header: `settleSlash` and `withdrawReward` move the stake.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param challenger Who receives half of the stake.
    /// @custom:access The contract of the challenges.
    /// @custom:reverts NotChallenges The caller is another account.
    /// @custom:reverts HeaderNotOpen The header is not posted or final.
    function kill(address node, uint64 epoch, address challenger) external;

    // ---- functions of everybody ------------------------------------------------------------------------------------

    /// @notice Closes a ledger without a slash, for restored backups and stolen keys. Its open headers die.
    /// @dev Examines the headers after the newest active one, in order, up to the first that is open.
    /// @param node The node.
    /// @custom:access The owner of the node.
    /// @custom:reverts NotNodeOwner The caller is not the owner of the node.
    function close(address node) external;

    /// @notice Pays from a node's stake what its next header lacks to become active, `COVER_DELAY` after its window.
    /// @dev One header per call; the next call continues.
    /// @param node The node.
    /// @return amount What was credited, in base units of the node's token.
    /// @custom:access Anyone.
    /// @custom:reverts NothingToCover No header lacks credit, or no stake is left.
    /// @custom:reverts CoverTooEarly The delay has not passed.
    /// @custom:reverts HeaderStillOpen A demand on the header is open, so it may still die.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function cover(address node) external returns (uint256 amount);

    /// @notice Credits the part of a slashed stake that belongs to the node's payees, and burns the part that is lost.
    /// @param node The node.
    /// @return amount What was credited, in base units of the node's token.
    /// @custom:access Anyone.
    /// @custom:reverts NothingToCover Nothing was slashed since the last call.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function settleSlash(address node) external returns (uint256 amount);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The contract that may hold, release and kill headers.
    /// @return The contract.
    function CHALLENGES() external view returns (address);

    /// @notice How many demands on one header may be open at once.
    /// @return The number.
    function MAX_DEMANDS() external view returns (uint8);

    /// @notice How long after its window a header's shortfall can be covered.
    /// @return The delay, in seconds.
    function COVER_DELAY() external view returns (uint64);

    /// @notice Whether a header is posted and can still die.
    /// @param node The node.
    /// @param epoch The epoch.
    /// @return True if its window runs or a demand on it is open.
    function isOpen(address node, uint64 epoch) external view returns (bool);

    /// @notice When the ledger of a node was closed.
    /// @param node The node.
    /// @return The time, in unix seconds; 0 if it is alive.
    function diedAt(address node) external view returns (uint64);
}
