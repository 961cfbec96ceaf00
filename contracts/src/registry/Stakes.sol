// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IStakes} from "../interfaces/IStakes.sol";
import {Nodes} from "./Nodes.sol";

/// @title Stakes of nodes, in the token of each node.
/// @dev Per token, the contract holds the sum of bonded, unbonding, restitution, burning and rewards.
abstract contract Stakes is Nodes, IStakes, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;

    address private constant _NOBODY = 0x000000000000000000000000000000000000dEaD;

    /// @inheritdoc IStakes
    uint64 public immutable unbondingDelay;

    /// @inheritdoc IStakes
    mapping(address token => mapping(address account => uint256)) public rewardOf;

    /// @param unbondingDelay_ How long stake remains bonded after `startUnbonding`, in seconds.
    constructor(uint64 unbondingDelay_) {
        unbondingDelay = unbondingDelay_;
    }

    modifier onlySettlement() {
        if (msg.sender != address(SETTLEMENT)) revert NotSettlement(msg.sender);
        _;
    }

    // ---- owners ----------------------------------------------------------------------------------------------------

    /// @inheritdoc IStakes
    function stake(address node, uint256 amount) external nonReentrant {
        if (!isNode(node)) revert NotANode(node);
        Node storage record = _nodes[node];
        IERC20 token = IERC20(record.token);
        uint256 held = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - held;
        record.bonded = (record.bonded + received).toUint128();
        emit Staked(node, msg.sender, received);
    }

    /// @inheritdoc IStakes
    function startUnbonding(address node, uint256 amount) external onlyOwner(node) {
        Node storage record = _nodes[node];
        uint256 bonded = record.bonded;
        if (amount > bonded) revert InsufficientStake(amount, bonded);
        record.bonded = uint128(bonded - amount);
        record.unbonding += uint128(amount);
        record.unlockAt = uint64(block.timestamp) + unbondingDelay;
        emit UnbondingStarted(node, amount, record.unlockAt);
    }

    /// @inheritdoc IStakes
    function withdrawUnbonded(address node, address to) external nonReentrant onlyOwner(node) {
        Node storage record = _nodes[node];
        uint256 amount = record.unbonding;
        if (amount == 0) revert NothingUnbonding(node);
        uint64 unlockAt = record.unlockAt;
        if (block.timestamp < unlockAt) revert StillBonded(node, unlockAt);
        record.unbonding = 0;
        emit Unbonded(node, to, amount);
        IERC20(record.token).safeTransfer(to, amount);
    }

    /// @inheritdoc IStakes
    function withdrawReward(address token, address to) external nonReentrant returns (uint256 amount) {
        amount = rewardOf[token][msg.sender];
        if (amount == 0) revert NoReward(token, msg.sender);
        rewardOf[token][msg.sender] = 0;
        emit RewardWithdrawn(token, msg.sender, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    // ---- Settlement ------------------------------------------------------------------------------------------------

    /// @inheritdoc IStakes
    function slash(address node, address challenger, uint256 shortfall) external onlySettlement {
        Node storage record = _nodes[node];
        uint256 total = uint256(record.bonded) + record.unbonding;
        uint256 reward = total / 2;
        // What an earlier slash set aside is not in the node's credit yet.
        uint256 missing = Math.saturatingSub(shortfall, record.restitution);
        uint256 restitution = Math.min(missing, total - reward);
        uint256 burned = total - reward - restitution;
        record.bonded = 0;
        record.unbonding = 0;
        rewardOf[record.token][challenger] += reward;
        record.restitution = (record.restitution + restitution).toUint128();
        record.burning = (record.burning + burned).toUint128();
        emit Slashed(node, challenger, reward, restitution, burned);
    }

    /// @inheritdoc IStakes
    function payShortfall(address node, uint256 shortfall)
        external
        onlySettlement
        nonReentrant
        returns (uint256 amount)
    {
        Node storage record = _nodes[node];
        uint256 unbonding = record.unbonding;
        amount = Math.min(shortfall, unbonding + record.bonded);
        uint256 leaving = Math.min(amount, unbonding);
        record.unbonding = uint128(unbonding - leaving);
        record.bonded -= uint128(amount - leaving);
        emit ShortfallPaid(node, amount);
        IERC20(record.token).safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IStakes
    function paySlashed(address node) external onlySettlement nonReentrant {
        Node storage record = _nodes[node];
        (uint256 restitution, uint256 burned) = (record.restitution, record.burning);
        record.restitution = 0;
        record.burning = 0;
        IERC20 token = IERC20(record.token);
        emit SlashPaid(node, restitution, burned);
        token.safeTransfer(msg.sender, restitution);
        // A token that refuses this leaves the amount here, where nobody can move it either.
        token.trySafeTransfer(_NOBODY, burned);
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IStakes
    function standing(address node) external view returns (address operator, uint256 bonded) {
        return (operatorAt(node, uint64(block.timestamp)), _nodes[node].bonded);
    }

    /// @inheritdoc IStakes
    function stakeOf(address node) external view returns (uint256 bonded, uint256 unbonding, uint64 unlockAt) {
        Node storage record = _nodes[node];
        return (record.bonded, record.unbonding, record.unlockAt);
    }

    /// @inheritdoc IStakes
    function slashedOf(address node) external view returns (uint256) {
        Node storage record = _nodes[node];
        return uint256(record.restitution) + record.burning;
    }
}
