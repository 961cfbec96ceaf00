// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {NodeVault} from "./NodeVault.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {IGoverned} from "./interfaces/IGoverned.sol";
import {INodeRegistry, PriceList} from "./interfaces/INodeRegistry.sol";
import {ISettlement} from "./interfaces/ISettlement.sol";
import {StructHash} from "./libraries/StructHash.sol";
import {Windows} from "./libraries/Windows.sol";

/// @title Registry of nodes: owners, operator keys, prices and stakes.
/// @notice A node is named by its vault, whose address follows from owner and token: no other account can take it first.
contract NodeRegistry is INodeRegistry {
    using Checkpoints for Checkpoints.Trace256;
    using SafeERC20 for IERC20;
    using StructHash for PriceList;
    using Windows for Checkpoints.Trace256;

    /// @notice A node: who governs it, its stake, and the windows of its operator keys and prices.
    struct Node {
        address owner;
        address token;
        uint64 unlockAt; // when the unbonding stake can be withdrawn, unix seconds
        uint256 bonded; // base units of the stake token
        uint256 unbonding; // base units of the stake token
        Checkpoints.Trace256 operators; // start of the window => key
        mapping(bytes32 adapterKey => Checkpoints.Trace256) priceHashes;
    }

    /// @notice A price list and its newest window.
    struct RegisteredPriceList {
        PriceList list;
        uint64 index; // of the newest window of this list in the history of its node and adapter
    }

    /// @inheritdoc INodeRegistry
    IGoverned public immutable SETTLEMENT;
    /// @inheritdoc INodeRegistry
    IERC20 public immutable STAKE_TOKEN;
    /// @inheritdoc INodeRegistry
    address public immutable vaultImplementation;
    /// @inheritdoc INodeRegistry
    uint64 public immutable notice;
    /// @inheritdoc INodeRegistry
    uint64 public immutable unbondingDelay;

    mapping(address node => Node) private _nodes;
    mapping(bytes32 priceHash => RegisteredPriceList) private _priceLists;

    /// @dev Settlement deploys the registry, which deploys the code of the vaults: each knows the others for good.
    /// @param settlement The Settlement contract.
    /// @param escrow The escrow whose channels pay the vaults.
    /// @param stakeToken The token that stakes are paid in.
    /// @param notice_ How far ahead a price list must be registered that succeeds another, in seconds.
    /// @param unbondingDelay_ How long stake remains bonded after `startUnbonding`, in seconds.
    constructor(
        ISettlement settlement,
        IChannelEscrow escrow,
        IERC20 stakeToken,
        uint64 notice_,
        uint64 unbondingDelay_
    ) {
        SETTLEMENT = settlement;
        STAKE_TOKEN = stakeToken;
        notice = notice_;
        unbondingDelay = unbondingDelay_;
        vaultImplementation = address(new NodeVault(this, settlement, escrow));
    }

    modifier onlyOwner(address node) {
        address owner = _nodes[node].owner;
        if (msg.sender != owner) revert NotOwner(node, msg.sender, owner);
        _;
    }

    // ---- nodes and their keys --------------------------------------------------------------------------------------

    /// @inheritdoc INodeRegistry
    function register(address token, address operator, string calldata uri) external returns (address node) {
        if (token.code.length == 0) revert InvalidToken(token);
        if (operator == address(0)) revert InvalidOperator(operator);
        node = vaultOf(msg.sender, token);
        if (isNode(node)) revert AlreadyRegistered(node);

        Node storage record = _nodes[node];
        record.owner = msg.sender;
        record.token = token;
        record.operators.push(block.timestamp, uint160(operator));
        emit NodeRegistered(node, msg.sender, token, operator, uri);
        Clones.cloneDeterministic(vaultImplementation, _salt(msg.sender, token));
    }

    /// @inheritdoc INodeRegistry
    function rotateOperator(address node, address operator) external onlyOwner(node) {
        if (operator == address(0)) revert InvalidOperator(operator);
        uint64 from = uint64(block.timestamp) + 1;
        _nodes[node].operators.push(from, uint160(operator));
        emit OperatorRotated(node, operator, from);
    }

    // ---- prices ----------------------------------------------------------------------------------------------------

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
        PriceList memory list = PriceList(
            node, adapterKey, promptPerM, cachedPerM, outputPerM, minFee, operatorPayee, SETTLEMENT.treasuryPpm()
        );
        priceHash = list.hash();
        Checkpoints.Trace256 storage history = _nodes[node].priceHashes[adapterKey];
        from = history.append(priceHash, from, notice);
        _priceLists[priceHash] = RegisteredPriceList(list, uint64(history.length() - 1));
        emit PriceListRegistered(node, adapterKey, priceHash, list, from);
    }

    // ---- stake -----------------------------------------------------------------------------------------------------

    /// @inheritdoc INodeRegistry
    function stake(address node, uint256 amount) external {
        if (!isNode(node)) revert NotANode(node);
        _nodes[node].bonded += amount;
        emit Staked(node, msg.sender, amount);
        STAKE_TOKEN.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc INodeRegistry
    function startUnbonding(address node, uint256 amount) external onlyOwner(node) {
        Node storage record = _nodes[node];
        uint256 bonded = record.bonded;
        if (amount > bonded) revert InsufficientStake(amount, bonded);
        record.bonded = bonded - amount;
        record.unbonding += amount;
        record.unlockAt = uint64(block.timestamp) + unbondingDelay;
        emit UnbondingStarted(node, amount, record.unlockAt);
    }

    /// @inheritdoc INodeRegistry
    function withdrawUnbonded(address node, address to) external onlyOwner(node) {
        Node storage record = _nodes[node];
        uint256 amount = record.unbonding;
        if (amount == 0) revert NothingUnbonding(node);
        uint64 unlockAt = record.unlockAt;
        if (block.timestamp < unlockAt) revert StillBonded(node, unlockAt);
        record.unbonding = 0;
        emit Unbonded(node, to, amount);
        STAKE_TOKEN.safeTransfer(to, amount);
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc INodeRegistry
    function vaultOf(address owner, address token) public view returns (address node) {
        return Clones.predictDeterministicAddress(vaultImplementation, _salt(owner, token));
    }

    /// @inheritdoc INodeRegistry
    function isNode(address node) public view returns (bool) {
        return _nodes[node].owner != address(0);
    }

    /// @inheritdoc INodeRegistry
    function ownerOf(address node) external view returns (address) {
        return _nodes[node].owner;
    }

    /// @inheritdoc INodeRegistry
    function tokenOf(address node) external view returns (address) {
        return _nodes[node].token;
    }

    /// @inheritdoc INodeRegistry
    function operatorOf(address node) external view returns (address) {
        return operatorAt(node, uint64(block.timestamp));
    }

    /// @inheritdoc INodeRegistry
    function operatorAt(address node, uint64 time) public view returns (address) {
        return address(uint160(uint256(_nodes[node].operators.valueAt(time))));
    }

    /// @inheritdoc INodeRegistry
    function stakeOf(address node) external view returns (uint256 bonded, uint256 unbonding, uint64 unlockAt) {
        Node storage record = _nodes[node];
        return (record.bonded, record.unbonding, record.unlockAt);
    }

    /// @inheritdoc INodeRegistry
    function priceHashAt(address node, bytes32 adapterKey, uint64 time) external view returns (bytes32) {
        return _nodes[node].priceHashes[adapterKey].valueAt(time);
    }

    /// @inheritdoc INodeRegistry
    function priceList(bytes32 priceHash) external view returns (PriceList memory list, uint64 from, uint64 until) {
        list = _priceLists[priceHash].list;
        if (list.node == address(0)) return (list, 0, 0);
        (from, until) = _nodes[list.node].priceHashes[list.adapterKey].windowOf(_priceLists[priceHash].index);
    }

    function _salt(address owner, address token) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, token));
    }
}
