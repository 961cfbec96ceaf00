// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IGoverned} from "./IGoverned.sol";
import {INodeRegistryErrors} from "./INodeRegistryErrors.sol";

/// @notice Prices of one node, in token base units per million tokens.
struct PriceList {
    address node;
    bytes32 adapterKey; // the adapter version the prices are for; 0 for the node's default prices
    uint96 promptPerM; // prompt tokens that are computed
    uint96 cachedPerM; // prompt tokens that are read from the prefix cache
    uint96 outputPerM; // generated tokens
    uint96 minFee; // the least fee of a request, in token base units
    address operatorPayee; // receives the operator's part
    uint32 treasuryPpm; // the treasury's part, parts per million of the fee
}

/// @title Registry of nodes: owners, operator keys, prices and stakes.
/// @notice A node is named by the address of its vault. There is one vault per owner and accepted token. Operator keys
/// and price lists are append-only windows: the past never changes.
interface INodeRegistry is INodeRegistryErrors {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A node was registered.
    /// @param node The address of its vault.
    /// @param owner The account that governs the node.
    /// @param token The token the node is paid in.
    /// @param operator Its first operator key, valid from the current block on.
    /// @param uri The address of its HTTP API.
    event NodeRegistered(
        address indexed node, address indexed owner, address indexed token, address operator, string uri
    );

    /// @notice A node changed its operator key.
    /// @param node The node.
    /// @param operator The new key.
    /// @param from The time from which the new key is valid, in unix seconds.
    event OperatorRotated(address indexed node, address operator, uint64 from);

    /// @notice A price list was registered.
    /// @param node The node.
    /// @param adapterKey The adapter version the prices are for; 0 for the node's default prices.
    /// @param priceHash The EIP-712 struct hash of the list.
    /// @param list The list.
    /// @param from The time from which the prices are valid, in unix seconds.
    event PriceListRegistered(
        address indexed node, bytes32 indexed adapterKey, bytes32 indexed priceHash, PriceList list, uint64 from
    );

    /// @notice Stake was bonded to a node.
    /// @param node The node.
    /// @param from The account that paid.
    /// @param amount The amount, in base units of the stake token.
    event Staked(address indexed node, address indexed from, uint256 amount);

    /// @notice A node started to unbond stake.
    /// @param node The node.
    /// @param amount The amount that was added to its unbonding stake, in base units of the stake token.
    /// @param unlockAt When all of its unbonding stake can be withdrawn, in unix seconds.
    event UnbondingStarted(address indexed node, uint256 amount, uint64 unlockAt);

    /// @notice Unbonded stake was withdrawn.
    /// @param node The node.
    /// @param to The account that received it.
    /// @param amount The amount, in base units of the stake token.
    event Unbonded(address indexed node, address to, uint256 amount);

    // ---- nodes and their keys --------------------------------------------------------------------------------------

    /// @notice Registers the caller's node for `token` and deploys its vault.
    /// @param token The token the node is paid in.
    /// @param operator The first operator key, valid from the current block on.
    /// @param uri The address of its HTTP API.
    /// @return node The address of the vault, which follows from owner and token.
    /// @custom:access Anyone; the caller becomes the owner.
    /// @custom:reverts InvalidToken `token` holds no code.
    /// @custom:reverts InvalidOperator `operator` is the zero address.
    /// @custom:reverts AlreadyRegistered The caller has a node for this token.
    function register(address token, address operator, string calldata uri) external returns (address node);

    /// @notice Replaces the operator key of a node.
    /// @dev The new key is valid from the next second on. What the old key signed up to the time of this block remains
    /// the old key's.
    /// @param node The node.
    /// @param operator The new key.
    /// @custom:access The owner of the node.
    /// @custom:reverts NotOwner The caller is not the owner of the node.
    /// @custom:reverts InvalidOperator `operator` is the zero address.
    function rotateOperator(address node, address operator) external;

    // ---- prices ----------------------------------------------------------------------------------------------------

    /// @notice Registers a price list. The first list of a (node, adapterKey) is valid immediately, for any `from`.
    /// @dev The list copies the treasury's part that Settlement has at this moment, and keeps it.
    /// @param node The node.
    /// @param adapterKey The adapter version the prices are for; 0 for the node's default prices.
    /// @param promptPerM Price of computed prompt tokens, in token base units per million.
    /// @param cachedPerM Price of prompt tokens read from the prefix cache, in token base units per million.
    /// @param outputPerM Price of generated tokens, in token base units per million.
    /// @param minFee The least fee of a request, in token base units.
    /// @param operatorPayee The account that receives the operator's part.
    /// @param from When a successor becomes valid, in unix seconds: at least `notice` ahead and after the window before
    /// it; 0 means as early as allowed.
    /// @return priceHash The EIP-712 struct hash of the list.
    /// @custom:access The owner of the node.
    /// @custom:reverts NotOwner The caller is not the owner of the node.
    /// @custom:reverts InvalidPayee `operatorPayee` is the zero address.
    /// @custom:reverts WindowTooEarly `from` is not zero and too early.
    /// @custom:reverts WindowTooLate `from` is 2**64 - 1.
    function registerPriceList(
        address node,
        bytes32 adapterKey,
        uint96 promptPerM,
        uint96 cachedPerM,
        uint96 outputPerM,
        uint96 minFee,
        address operatorPayee,
        uint64 from
    ) external returns (bytes32 priceHash);

    // ---- stake -----------------------------------------------------------------------------------------------------

    /// @notice Bonds stake to a node. The caller must have approved the registry to spend it.
    /// @param node The node.
    /// @param amount The amount, in base units of the stake token.
    /// @custom:access Anyone; the stake then belongs to the node.
    /// @custom:reverts NotANode `node` is not registered.
    /// @custom:reverts SafeERC20FailedOperation The stake token refuses the transfer without a reason of its own.
    function stake(address node, uint256 amount) external;

    /// @notice Starts the delay after which stake can be withdrawn.
    /// @dev A second call restarts the delay for everything that is unbonding.
    /// @param node The node.
    /// @param amount The amount to add to the unbonding stake, in base units of the stake token.
    /// @custom:access The owner of the node.
    /// @custom:reverts NotOwner The caller is not the owner of the node.
    /// @custom:reverts InsufficientStake `amount` exceeds the bonded stake.
    function startUnbonding(address node, uint256 amount) external;

    /// @notice Pays out all stake whose unbonding delay has passed.
    /// @param node The node.
    /// @param to The account that receives it.
    /// @custom:access The owner of the node.
    /// @custom:reverts NotOwner The caller is not the owner of the node.
    /// @custom:reverts NothingUnbonding The node has no unbonding stake.
    /// @custom:reverts StillBonded The unbonding delay has not passed.
    /// @custom:reverts SafeERC20FailedOperation The stake token refuses the transfer without a reason of its own.
    function withdrawUnbonded(address node, address to) external;

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The Settlement contract, which deployed this registry and sets the treasury's part of price lists.
    /// @return The contract.
    function SETTLEMENT() external view returns (IGoverned);

    /// @notice The token that stakes are paid in.
    /// @return The token.
    function STAKE_TOKEN() external view returns (IERC20);

    /// @notice The code that the vault of every node delegates to.
    /// @return The address of the code.
    function vaultImplementation() external view returns (address);

    /// @notice How far ahead a price list must be registered that succeeds another.
    /// @return The notice period, in seconds.
    function notice() external view returns (uint64);

    /// @notice How long stake remains bonded after `startUnbonding`.
    /// @return The delay, in seconds.
    function unbondingDelay() external view returns (uint64);

    /// @notice The vault that an owner's node for a token has or would have.
    /// @param owner The owner.
    /// @param token The token.
    /// @return node The address of the vault.
    function vaultOf(address owner, address token) external view returns (address node);

    /// @notice Whether an address is the vault of a registered node.
    /// @param node The address.
    /// @return True if it is.
    function isNode(address node) external view returns (bool);

    /// @notice The account that governs a node.
    /// @param node The node.
    /// @return The owner; the zero address if the node is not registered.
    function ownerOf(address node) external view returns (address);

    /// @notice The token a node is paid in.
    /// @param node The node.
    /// @return The token; the zero address if the node is not registered.
    function tokenOf(address node) external view returns (address);

    /// @notice The operator key of a node that is valid in the current block.
    /// @param node The node.
    /// @return The key; the zero address if the node is not registered.
    function operatorOf(address node) external view returns (address);

    /// @notice The operator key of a node that is valid at a time.
    /// @param node The node.
    /// @param time The time, in unix seconds.
    /// @return The key; the zero address if the node had none then.
    function operatorAt(address node, uint64 time) external view returns (address);

    /// @notice The stake of a node.
    /// @param node The node.
    /// @return bonded The bonded amount, in base units of the stake token.
    /// @return unbonding The unbonding amount, in base units of the stake token.
    /// @return unlockAt When the unbonding amount can be withdrawn, in unix seconds; 0 before the first unbonding.
    function stakeOf(address node) external view returns (uint256 bonded, uint256 unbonding, uint64 unlockAt);

    /// @notice The price list of a node that is valid for an adapter version at a time.
    /// @param node The node.
    /// @param adapterKey The adapter version; 0 for the node's default prices.
    /// @param time The time, in unix seconds.
    /// @return The EIP-712 struct hash of the list; 0 if none is valid then.
    function priceHashAt(address node, bytes32 adapterKey, uint64 time) external view returns (bytes32);

    /// @notice The price list behind a hash and its newest window [from, until).
    /// @param priceHash The EIP-712 struct hash of the list.
    /// @return list The list; all fields are zero if it is not registered.
    /// @return from Start of the window, in unix seconds; 0 if it is not registered.
    /// @return until End of the window, in unix seconds: 2**64 - 1 without a successor, 0 if it is not registered.
    function priceList(bytes32 priceHash) external view returns (PriceList memory list, uint64 from, uint64 until);
}
