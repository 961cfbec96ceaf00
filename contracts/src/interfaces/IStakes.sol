// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Stakes of nodes, in the token of each node.
/// @notice Bonded stake backs the headers that are posted. It leaves by delayed unbonding, by a slash, or to pay what the
/// node's payers did not. Amounts are in base units of the node's token.
interface IStakes {
    // ---- events -----------------------------------------------------------------------------------------------------

    /// @notice Stake was bonded to a node.
    /// @param node The node.
    /// @param from The account that paid.
    /// @param amount The amount, in base units of the node's token.
    event Staked(address indexed node, address indexed from, uint256 amount);

    /// @notice A node started to unbond stake.
    /// @param node The node.
    /// @param amount The amount that was added to its unbonding stake, in base units of the node's token.
    /// @param unlockAt When all of its unbonding stake can be withdrawn, in unix seconds.
    event UnbondingStarted(address indexed node, uint256 amount, uint64 unlockAt);

    /// @notice Unbonded stake was withdrawn.
    /// @param node The node.
    /// @param to The account that received it.
    /// @param amount The amount, in base units of the node's token.
    event Unbonded(address indexed node, address to, uint256 amount);

    /// @notice The whole stake of a node was taken from it.
    /// @param node The node.
    /// @param challenger Who may withdraw the reward.
    /// @param reward Half of the stake.
    /// @param restitution What becomes credit of the node, for its payees.
    /// @param burned The rest.
    event Slashed(
        address indexed node, address indexed challenger, uint256 reward, uint256 restitution, uint256 burned
    );

    /// @notice The parts of slashed stakes that are not rewards left the registry.
    /// @param node The node.
    /// @param restitution What went to Settlement.
    /// @param burned What went to an address that nobody holds.
    event SlashPaid(address indexed node, uint256 restitution, uint256 burned);

    /// @notice A challenger withdrew its rewards in one token.
    /// @param token The token.
    /// @param account The challenger.
    /// @param to The account that received them.
    /// @param amount The amount, in base units of the token.
    event RewardWithdrawn(address indexed token, address indexed account, address to, uint256 amount);

    /// @notice The stake of a node paid what its payers did not.
    /// @param node The node.
    /// @param amount The amount.
    event ShortfallPaid(address indexed node, uint256 amount);

    // ---- errors -----------------------------------------------------------------------------------------------------

    /// @notice A node cannot unbond more stake than it has bonded.
    /// @param wanted The amount to unbond, in base units of the node's token.
    /// @param available The bonded amount, in base units of the node's token.
    error InsufficientStake(uint256 wanted, uint256 available);

    /// @notice The node has no unbonding stake to withdraw.
    /// @param node The node.
    error NothingUnbonding(address node);

    /// @notice The unbonding delay has not passed yet.
    /// @param node The node.
    /// @param unlockAt When the stake can be withdrawn, in unix seconds.
    error StillBonded(address node, uint64 unlockAt);

    /// @notice Only Settlement may take stake.
    /// @param caller The account that called.
    error NotSettlement(address caller);

    /// @notice The account has no reward to withdraw.
    /// @param token The token.
    /// @param account The account.
    error NoReward(address token, address account);

    // ---- owners and challengers -------------------------------------------------------------------------------------

    /// @notice Bonds stake to a node. The caller must have approved the registry to spend it.
    /// @dev What arrives counts, which is less than `amount` for a token that takes a fee.
    /// @param node The node.
    /// @param amount The amount, in base units of the node's token.
    /// @custom:access Anyone; the stake then belongs to the node.
    /// @custom:reverts SafeCastOverflowedUintDowncast The node would have bonded 2**128 or more.
    /// @custom:reverts NotANode `node` is not registered.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function stake(address node, uint256 amount) external;

    /// @notice Starts the delay after which stake can be withdrawn.
    /// @dev A second call restarts the delay for everything that is unbonding. What is unbonding no longer counts when a
    /// header is posted, and can still be slashed.
    /// @param node The node.
    /// @param amount The amount to add to the unbonding stake, in base units of the node's token.
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
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function withdrawUnbonded(address node, address to) external;

    /// @notice Pays out the caller's rewards in one token.
    /// @param token The token.
    /// @param to The account that receives them.
    /// @return amount The amount, in base units of the token.
    /// @custom:access Challengers.
    /// @custom:reverts NoReward The caller has no reward in this token.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function withdrawReward(address token, address to) external returns (uint256 amount);

    // ---- Settlement -------------------------------------------------------------------------------------------------

    /// @notice Takes everything that a node has bonded or unbonding. Calls no token.
    /// @param node The node.
    /// @param challenger Receives half, rounded down.
    /// @param shortfall What the node's headers exceed its credit by. The other half pays it, and the rest burns.
    /// @custom:access Settlement.
    /// @custom:reverts NotSettlement The caller is another account.
    function slash(address node, address challenger, uint256 shortfall) external;

    /// @notice Sends stake of a node to Settlement, unbonding stake first.
    /// @param node The node.
    /// @param shortfall The most that is sent.
    /// @return amount What was sent.
    /// @custom:access Settlement.
    /// @custom:reverts NotSettlement The caller is another account.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function payShortfall(address node, uint256 shortfall) external returns (uint256 amount);

    /// @notice Sends the restitution of a slashed node to Settlement, and what burns to an address that nobody holds.
    /// @param node The node.
    /// @custom:access Settlement.
    /// @custom:reverts NotSettlement The caller is another account.
    /// @custom:reverts SafeERC20FailedOperation The token refuses the transfer without a reason of its own.
    /// @custom:reverts ReentrancyGuardReentrantCall The token calls back.
    function paySlashed(address node) external;

    // ---- views ------------------------------------------------------------------------------------------------------

    /// @notice How long stake remains slashable after `startUnbonding`: longer than the longest challenge window that
    /// governance may set, so every header that the stake backs is final before.
    /// @return The delay, in seconds.
    function unbondingDelay() external view returns (uint64);

    /// @notice What Settlement needs to know when a header is posted.
    /// @param node The node.
    /// @return operator The operator key that is valid now; the zero address if the node is not registered.
    /// @return bonded The bonded amount, without what is unbonding.
    function standing(address node) external view returns (address operator, uint256 bonded);

    /// @notice The stake of a node.
    /// @param node The node.
    /// @return bonded The bonded amount, in base units of the node's token.
    /// @return unbonding The unbonding amount, in base units of the node's token.
    /// @return unlockAt When the unbonding amount can be withdrawn, in unix seconds; 0 before the first unbonding.
    function stakeOf(address node) external view returns (uint256 bonded, uint256 unbonding, uint64 unlockAt);

    /// @notice What was slashed from a node and waits for `Settlement.settleSlash`: restitution and what burns.
    /// @param node The node.
    /// @return The amount.
    function slashedOf(address node) external view returns (uint256);

    /// @notice The rewards that a challenger can withdraw.
    /// @param token The token.
    /// @param account The challenger.
    /// @return The amount, in base units of the token.
    function rewardOf(address token, address account) external view returns (uint256);
}
