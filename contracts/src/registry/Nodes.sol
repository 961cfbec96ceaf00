// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IGoverned} from "../interfaces/IGoverned.sol";
import {INodes} from "../interfaces/INodes.sol";

/// @title Nodes: their vaults, owners and operator keys.
abstract contract Nodes is INodes {
    using Checkpoints for Checkpoints.Trace160;
    using Checkpoints for Checkpoints.Trace256;

    /// @notice A node: who governs it, its stake, and the windows of its operator keys and prices. Amounts are in base
    /// units of the node's token.
    struct Node {
        address owner;
        uint64 unlockAt; // when the unbonding stake can be withdrawn, unix seconds
        address token;
        uint128 bonded;
        uint128 unbonding;
        uint128 restitution; // slashed, for the node's payees
        uint128 burning; // slashed, for nobody
        Checkpoints.Trace160 operators; // start of the window => key
        mapping(bytes32 adapterKey => Checkpoints.Trace256) priceHashes;
    }

    /// @inheritdoc INodes
    IGoverned public immutable SETTLEMENT;

    mapping(address node => Node) internal _nodes;

    /// @param settlement The Settlement contract.
    constructor(IGoverned settlement) {
        SETTLEMENT = settlement;
    }

    modifier onlyOwner(address node) {
        address owner = _nodes[node].owner;
        if (msg.sender != owner) revert NotOwner(node, msg.sender, owner);
        _;
    }

    /// @inheritdoc INodes
    function register(address token, uint32 index, address operator, string calldata uri)
        external
        returns (address node)
    {
        if (!SETTLEMENT.isAccepted(token)) revert TokenNotAccepted(token);
        if (operator == address(0)) revert InvalidOperator(operator);
        node = vaultOf(msg.sender, token, index);
        if (isNode(node)) revert AlreadyRegistered(node);

        Node storage record = _nodes[node];
        record.owner = msg.sender;
        record.token = token;
        record.operators.push(uint96(block.timestamp), uint160(operator));
        emit NodeRegistered(node, msg.sender, token, index, operator, uri);
        Clones.cloneDeterministic(vaultImplementation(), _salt(msg.sender, token, index));
    }

    /// @inheritdoc INodes
    function rotateOperator(address node, address operator) external onlyOwner(node) {
        if (operator == address(0)) revert InvalidOperator(operator);
        uint64 from = uint64(block.timestamp) + 1;
        _nodes[node].operators.push(from, uint160(operator));
        emit OperatorRotated(node, operator, from);
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc INodes
    function vaultImplementation() public view virtual returns (address);

    /// @inheritdoc INodes
    function vaultOf(address owner, address token, uint32 index) public view returns (address node) {
        return Clones.predictDeterministicAddress(vaultImplementation(), _salt(owner, token, index));
    }

    /// @inheritdoc INodes
    function isNode(address node) public view returns (bool) {
        return _nodes[node].owner != address(0);
    }

    /// @inheritdoc INodes
    function ownerOf(address node) external view returns (address) {
        return _nodes[node].owner;
    }

    /// @inheritdoc INodes
    function tokenOf(address node) external view returns (address) {
        return _nodes[node].token;
    }

    /// @inheritdoc INodes
    function operatorOf(address node) external view returns (address) {
        return operatorAt(node, uint64(block.timestamp));
    }

    /// @inheritdoc INodes
    function operatorAt(address node, uint64 time) public view returns (address) {
        return address(_nodes[node].operators.upperLookupRecent(time));
    }

    function _salt(address owner, address token, uint32 index) private pure returns (bytes32) {
        return keccak256(abi.encode(owner, token, index));
    }
}
