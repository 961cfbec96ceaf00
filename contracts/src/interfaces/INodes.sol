// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGoverned} from "./IGoverned.sol";

/// @title Nodes: their vaults, owners and operator keys.
/// @notice A node is named by the address of its vault. An owner has one node per accepted token and index. Operator keys
/// are append-only windows: the past never changes.
interface INodes {
    // ---- events -----------------------------------------------------------------------------------------------------

    /// @notice A node was registered.
    /// @param node The address of its vault.
    /// @param owner The account that governs the node.
    /// @param token The token the node is paid in.
    /// @param index Tells apart the owner's nodes for this token.
    /// @param operator Its first operator key, valid from the current block on.
    /// @param uri The address of its HTTP API.
    event NodeRegistered(
        address indexed node, address indexed owner, address indexed token, uint32 index, address operator, string uri
    );

    /// @notice A node changed its operator key.
    /// @param node The node.
    /// @param operator The new key.
    /// @param from The time from which the new key is valid, in unix seconds.
    event OperatorRotated(address indexed node, address operator, uint64 from);

    // ---- errors -----------------------------------------------------------------------------------------------------

    /// @notice The owner has already registered a node for this token and index.
    /// @param node The registered node.
    error AlreadyRegistered(address node);

    /// @notice The address is not that of a registered node.
    /// @param node The address.
    error NotANode(address node);

    /// @notice The caller is not the owner of the node.
    /// @param node The node.
    /// @param caller The account that called.
    /// @param owner The owner; the zero address if the node is not registered.
    error NotOwner(address node, address caller, address owner);

    /// @notice The token is not on the list that nodes choose from.
    /// @param token The token.
    error TokenNotAccepted(address token);

    /// @notice The operator key cannot be the zero address.
    /// @param operator The address that was given.
    error InvalidOperator(address operator);

    // ---- functions --------------------------------------------------------------------------------------------------

    /// @notice Registers a node of the caller and deploys its vault.
    /// @param token The token the node is paid in, from the list of accepted tokens.
    /// @param index Tells apart the owner's nodes for this token: a closed vault is succeeded by one with another index.
    /// @param operator The first operator key, valid from the current block on.
    /// @param uri The address of its HTTP API.
    /// @return node The address of the vault, which follows from owner, token and index.
    /// @custom:access Anyone; the caller becomes the owner.
    /// @custom:reverts TokenNotAccepted `token` is not on the list.
    /// @custom:reverts InvalidOperator `operator` is the zero address.
    /// @custom:reverts AlreadyRegistered The caller has a node for this token and index.
    function register(address token, uint32 index, address operator, string calldata uri)
        external
        returns (address node);

    /// @notice Replaces the operator key of a node.
    /// @dev The new key is valid from the next second on. What the old key signed up to the time of this block remains
    /// the old key's.
    /// @param node The node.
    /// @param operator The new key.
    /// @custom:access The owner of the node.
    /// @custom:reverts NotOwner The caller is not the owner of the node.
    /// @custom:reverts InvalidOperator `operator` is the zero address.
    function rotateOperator(address node, address operator) external;

    // ---- views ------------------------------------------------------------------------------------------------------

    /// @notice The Settlement contract, which deployed this registry, keeps the ledgers and slashes.
    /// @return The contract.
    function SETTLEMENT() external view returns (IGoverned);

    /// @notice The code that the vault of every node delegates to.
    /// @return The address of the code.
    function vaultImplementation() external view returns (address);

    /// @notice The vault that an owner's node for a token and index has or would have.
    /// @param owner The owner.
    /// @param token The token.
    /// @param index The index.
    /// @return node The address of the vault.
    function vaultOf(address owner, address token, uint32 index) external view returns (address node);

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
}
