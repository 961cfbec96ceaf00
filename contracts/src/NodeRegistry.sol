// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {NodeVault} from "./NodeVault.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {INodeRegistry, PriceList} from "./interfaces/INodeRegistry.sol";
import {INodes} from "./interfaces/INodes.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {StructHash} from "./libraries/StructHash.sol";
import {Windows} from "./libraries/Windows.sol";
import {Nodes} from "./registry/Nodes.sol";
import {Stakes} from "./registry/Stakes.sol";

/// @title Registry of nodes: owners, operator keys, prices and stakes.
/// @notice A node is named by its vault, whose address follows from owner, token and index: no other account can take it
/// first.
contract NodeRegistry is INodeRegistry, Stakes {
    using StructHash for PriceList;
    using Windows for Checkpoints.Trace256;

    /// @inheritdoc INodeRegistry
    uint64 public immutable notice;

    address private immutable _vaultImplementation;

    mapping(bytes32 priceHash => PriceList) private _priceLists;

    /// @dev Settlement deploys the registry, which deploys the code of the vaults: each knows the others for good.
    /// @param settlement The Settlement contract.
    /// @param escrow The escrow whose channels pay the vaults.
    /// @param notice_ How far ahead a price list must be registered that succeeds another, in seconds.
    /// @param unbondingDelay_ How long stake remains bonded after `startUnbonding`, in seconds.
    constructor(ISettlement settlement, IChannelEscrow escrow, uint64 notice_, uint64 unbondingDelay_)
        Nodes(settlement)
        Stakes(unbondingDelay_)
    {
        notice = notice_;
        _vaultImplementation = address(new NodeVault(this, settlement, escrow));
    }

    /// @inheritdoc INodeRegistry
    function registerPriceList(
        address node,
        bytes32 adapterKey,
        uint96 promptPerM,
        uint96 cachedPerM,
        uint96 outputPerM,
        uint96 minFee,
        address operatorPayee,
        uint64 from
    ) external onlyOwner(node) returns (bytes32 priceHash) {
        if (operatorPayee == address(0)) revert InvalidPayee(operatorPayee);
        Checkpoints.Trace256 storage history = _nodes[node].priceHashes[adapterKey];
        from = history.start(from, notice);
        PriceList memory list = PriceList(
            node, adapterKey, promptPerM, cachedPerM, outputPerM, minFee, operatorPayee, SETTLEMENT.treasuryPpmAt(from)
        );
        priceHash = list.hash();
        history.append(priceHash, from);
        if (_priceLists[priceHash].node == address(0)) _priceLists[priceHash] = list;
        emit PriceListRegistered(node, adapterKey, priceHash, list, from);
    }

    /// @inheritdoc INodes
    function vaultImplementation() public view override(INodes, Nodes) returns (address) {
        return _vaultImplementation;
    }

    /// @inheritdoc INodeRegistry
    function priceHashAt(address node, bytes32 adapterKey, uint64 time) external view returns (bytes32) {
        return _nodes[node].priceHashes[adapterKey].valueAt(time);
    }

    /// @inheritdoc INodeRegistry
    function priceList(bytes32 priceHash) external view returns (PriceList memory) {
        return _priceLists[priceHash];
    }
}
