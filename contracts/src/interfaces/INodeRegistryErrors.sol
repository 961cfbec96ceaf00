// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWindowErrors} from "./IWindowErrors.sol";

/// @title Errors of the node registry.
interface INodeRegistryErrors is IWindowErrors {
    /// @notice The owner has already registered a node for this token.
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

    /// @notice The address of the token holds no code.
    /// @param token The address.
    error InvalidToken(address token);

    /// @notice The operator key cannot be the zero address.
    /// @param operator The address that was given.
    error InvalidOperator(address operator);

    /// @notice The operator's payee cannot be the zero address.
    /// @param payee The address that was given.
    error InvalidPayee(address payee);

    /// @notice A node cannot unbond more stake than it has bonded.
    /// @param wanted The amount to unbond, in base units of the stake token.
    /// @param available The bonded amount, in base units of the stake token.
    error InsufficientStake(uint256 wanted, uint256 available);

    /// @notice The node has no unbonding stake to withdraw.
    /// @param node The node.
    error NothingUnbonding(address node);

    /// @notice The unbonding delay has not passed yet.
    /// @param node The node.
    /// @param unlockAt When the stake can be withdrawn, in unix seconds.
    error StillBonded(address node, uint64 unlockAt);
}
