// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Bonds of demands, in the chain's native coin.
/// @notice A bond pays whoever answers the demand more than the answer costs. It goes back to the author if the header
/// dies, of this demand or of anything else.
interface IBonds {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A bond went back: its header is dead. `withdraw` pays it out.
    /// @param demandId What identifies the demand.
    /// @param author Who demanded.
    /// @param bond The bond, in wei.
    event BondReturned(bytes32 indexed demandId, address indexed author, uint256 bond);

    /// @notice Returned bonds were paid out.
    /// @param author Who demanded.
    /// @param to Who received them.
    /// @param amount The amount, in wei.
    event BondsWithdrawn(address indexed author, address indexed to, uint256 amount);

    // ---- errors ----------------------------------------------------------------------------------------------------

    /// @notice The value that was sent is below the bond.
    /// @param value What was sent, in wei.
    /// @param bond The bond, in wei.
    error BondTooSmall(uint256 value, uint256 bond);

    /// @notice The item was demanded before: its demand is open, or answered.
    /// @param demandId What identifies the demand.
    error AlreadyDemanded(bytes32 demandId);

    /// @notice No such demand is open.
    /// @param demandId What identifies the demand.
    error NoDemand(bytes32 demandId);

    /// @notice The time of the answer has not passed.
    /// @param demandId What identifies the demand.
    /// @param deadline When the header can die of the demand, in unix seconds.
    error StillAnswerable(bytes32 demandId, uint64 deadline);

    /// @notice The header of the demand is alive, so its bond stays.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    error HeaderAlive(address node, uint64 epoch);

    /// @notice There is nothing to withdraw.
    /// @param author The account that called.
    error NothingToWithdraw(address author);

    // ---- functions -------------------------------------------------------------------------------------------------

    /// @notice Returns the bond of a demand whose header died of something else.
    /// @param node The node.
    /// @param epoch The epoch of the dead header.
    /// @param commitment The commitment to the dead header: keccak256(abi.encode(headerHash, stateRoot)).
    /// @param activeFrom When its window ended, in unix seconds, as its event says.
    /// @param kind KIND_LEAF or KIND_PAYEE.
    /// @param item The index of the leaf, or the key of the payee in the state tree.
    /// @custom:access Anyone; the bond is the author's.
    /// @custom:reverts HeaderAlive The header is not dead.
    /// @custom:reverts NoDemand No such demand is open.
    function reclaim(address node, uint64 epoch, bytes32 commitment, uint64 activeFrom, uint8 kind, bytes32 item)
        external;

    /// @notice Pays out the caller's returned bonds.
    /// @param to Who receives them.
    /// @return amount The amount, in wei.
    /// @custom:access Anyone, for itself.
    /// @custom:reverts NothingToWithdraw There is nothing to withdraw.
    /// @custom:reverts FailedCall `to` refuses the coins.
    function withdraw(address payable to) external returns (uint256 amount);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The kind of a demand on a leaf.
    /// @return The number.
    function KIND_LEAF() external view returns (uint8);

    /// @notice The kind of a demand on a payee.
    /// @return The number.
    function KIND_PAYEE() external view returns (uint8);

    /// @notice How long an answer has, in seconds.
    /// @return The time.
    function ANSWER_PERIOD() external view returns (uint64);

    /// @notice The least bond, in wei.
    /// @return The amount.
    function MIN_BOND() external view returns (uint256);

    /// @notice The bond of a demand now: twice what the answer costs at the base fee of the block, at least `MIN_BOND`,
    /// times one more than the demands that are open on the header.
    /// @param kind KIND_LEAF or KIND_PAYEE.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @return The bond, in wei: a multiple of 1 gwei.
    function bondOf(uint8 kind, address node, uint64 epoch) external view returns (uint256);

    /// @notice How many demands on a header are open.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @return The number.
    function openDemands(address node, uint64 epoch) external view returns (uint256);

    /// @notice A demand on a header that is alive.
    /// @param node The node.
    /// @param epoch The epoch of the header.
    /// @param kind KIND_LEAF or KIND_PAYEE.
    /// @param item The index of the leaf, or the key of the payee in the state tree.
    /// @return author Who demanded; the zero address if the demand is answered or was never made.
    /// @return openedAt When it was opened, in unix seconds; 0 if it was never made.
    /// @return bond The bond, in wei.
    function demandOf(address node, uint64 epoch, uint8 kind, bytes32 item)
        external
        view
        returns (address author, uint64 openedAt, uint256 bond);

    /// @notice What an account can withdraw.
    /// @param author The account.
    /// @return The amount, in wei.
    function returnedTo(address author) external view returns (uint256);
}
