// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {INodes} from "./INodes.sol";
import {IStakes} from "./IStakes.sol";
import {IWindowErrors} from "./IWindowErrors.sol";

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
/// @notice Price lists are append-only windows: the past never changes.
interface INodeRegistry is INodes, IStakes, IWindowErrors {
    /// @notice A price list was registered.
    /// @param node The node.
    /// @param adapterKey The adapter version the prices are for; 0 for the node's default prices.
    /// @param priceHash The EIP-712 struct hash of the list.
    /// @param list The list.
    /// @param from The time from which the prices are valid, in unix seconds.
    event PriceListRegistered(
        address indexed node, bytes32 indexed adapterKey, bytes32 indexed priceHash, PriceList list, uint64 from
    );

    /// @notice The operator's payee cannot be the zero address.
    /// @param payee The address that was given.
    error InvalidPayee(address payee);

    /// @notice Registers a price list. The first list of a (node, adapterKey) is valid immediately, for any `from`.
    /// @dev The list copies the treasury's part that is valid at its start, as known now, and keeps it. A list may be
    /// registered again: every window that it was registered for stays valid.
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
    /// @custom:reverts WindowTooLate `from` is more than 90 days ahead.
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

    /// @notice How far ahead a price list must be registered that succeeds another.
    /// @return The notice period, in seconds.
    function notice() external view returns (uint64);

    /// @notice The price list of a node that is valid for an adapter version at a time.
    /// @param node The node.
    /// @param adapterKey The adapter version; 0 for the node's default prices.
    /// @param time The time, in unix seconds.
    /// @return The EIP-712 struct hash of the list; 0 if none is valid then.
    function priceHashAt(address node, bytes32 adapterKey, uint64 time) external view returns (bytes32);

    /// @notice The price list behind a hash. When it is valid is asked of `priceHashAt`.
    /// @param priceHash The EIP-712 struct hash of the list.
    /// @return The list; all fields are zero if it is not registered.
    function priceList(bytes32 priceHash) external view returns (PriceList memory);
}
