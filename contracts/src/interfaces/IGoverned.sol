// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What governance may change: the treasury, its part of new price lists, and a pause.
/// @notice Nothing here changes the past: a receipt is judged by what its price list copied.
interface IGoverned {
    /// @notice The treasury was changed.
    /// @param treasury The account that receives the treasury's claims from now on.
    event TreasuryChanged(address treasury);

    /// @notice The treasury's part of new price lists was changed.
    /// @param treasuryPpm The part, in parts per million of the fee.
    event TreasuryPpmChanged(uint32 treasuryPpm);

    /// @notice The treasury cannot be the zero address.
    /// @param to The address that was given.
    error InvalidTreasury(address to);

    /// @notice The treasury's part exceeds its maximum.
    /// @param ppm The part that was given, in parts per million of the fee.
    /// @param max The largest part that is accepted, in parts per million of the fee.
    error TreasuryPpmTooHigh(uint32 ppm, uint32 max);

    /// @notice Changes the account that receives the treasury's claims.
    /// @param to The account.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts InvalidTreasury `to` is the zero address.
    function setTreasury(address to) external;

    /// @notice Changes the treasury's part of price lists that are registered from now on.
    /// @param ppm The part, in parts per million of the fee.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts TreasuryPpmTooHigh `ppm` exceeds the maximum.
    function setTreasuryPpm(uint32 ppm) external;

    /// @notice Stops posts and claims. Credits, activation and every withdrawal continue.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts EnforcedPause The contract is paused.
    function pause() external;

    /// @notice Ends a pause.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts ExpectedPause The contract is not paused.
    function unpause() external;

    /// @notice The account that receives the treasury's claims.
    /// @return The account.
    function treasury() external view returns (address);

    /// @notice The treasury's part that a price list copies when it is registered.
    /// @return The part, in parts per million of the fee.
    function treasuryPpm() external view returns (uint32);
}
