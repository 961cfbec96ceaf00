// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWindowErrors} from "./IWindowErrors.sol";

/// @title What governance may change: the treasury and its part, the stake ratio, the challenge window, the accepted
/// tokens, and a pause of claims.
/// @notice Nothing here changes the past: a receipt is judged by what its price list copied. Nothing here stops posts,
/// sweeps, withdrawals or challenges. The access manager says who may call, and how long before a call it is announced.
interface IGoverned is IWindowErrors {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice The treasury was changed.
    /// @param treasury The account that receives the treasury's claims from now on.
    event TreasuryChanged(address treasury);

    /// @notice The treasury's part of new price lists was changed.
    /// @param treasuryPpm The part, in parts per million of the fee.
    /// @param from The time from which it is valid, in unix seconds.
    event TreasuryPpmChanged(uint32 treasuryPpm, uint64 from);

    /// @notice The stake that unclaimed money needs was changed.
    /// @param stakeRatioPpm The part of the unclaimed money that must be bonded, in parts per million.
    event StakeRatioChanged(uint32 stakeRatioPpm);

    /// @notice The challenge window of new headers was changed.
    /// @param challengeWindow How long a header that is posted from now on can be challenged, in seconds.
    event ChallengeWindowChanged(uint64 challengeWindow);

    /// @notice The list of tokens that new nodes may be paid in was changed.
    /// @param token The token.
    /// @param accepted Whether it is on the list now.
    event TokenAccepted(address indexed token, bool accepted);

    /// @notice Claims were paused or resumed.
    /// @param until When claims run again, in unix seconds.
    event ClaimsPausedUntil(uint64 until);

    // ---- errors ----------------------------------------------------------------------------------------------------

    /// @notice The treasury cannot be the zero address.
    /// @param to The address that was given.
    error InvalidTreasury(address to);

    /// @notice The treasury's part exceeds its maximum.
    /// @param ppm The part that was given, in parts per million of the fee.
    /// @param max The largest part that is accepted, in parts per million of the fee.
    error TreasuryPpmTooHigh(uint32 ppm, uint32 max);

    /// @notice The stake ratio is outside of its bounds.
    /// @param ppm The ratio that was given, in parts per million.
    /// @param min The least ratio that is accepted, in parts per million.
    /// @param max The largest ratio that is accepted, in parts per million.
    error StakeRatioOutOfBounds(uint32 ppm, uint32 min, uint32 max);

    /// @notice The challenge window is outside of its bounds.
    /// @param window The window that was given, in seconds.
    /// @param min The shortest window that is accepted, in seconds; 0 is not accepted.
    /// @param max The longest window that is accepted, in seconds.
    error ChallengeWindowOutOfBounds(uint64 window, uint64 min, uint64 max);

    /// @notice The address of the token holds no code.
    /// @param token The address.
    error InvalidToken(address token);

    /// @notice Claims are paused. Everything else continues.
    /// @param until When claims run again, in unix seconds.
    error ClaimsPaused(uint64 until);

    /// @notice Claims are not paused.
    /// @dev The caller gives no values.
    error ClaimsNotPaused();

    /// @notice A pause is longer than allowed.
    /// @param duration The length that was given, in seconds.
    /// @param max The longest pause that is accepted, in seconds.
    error PauseTooLong(uint64 duration, uint64 max);

    /// @notice Claims are paused, or were paused so shortly before that they must run first.
    /// @param earliest When the next pause is accepted, in unix seconds.
    error PauseTooEarly(uint64 earliest);

    // ---- functions -------------------------------------------------------------------------------------------------

    /// @notice Changes the account that receives the treasury's claims.
    /// @param to The account.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts InvalidTreasury `to` is the zero address.
    function setTreasury(address to) external;

    /// @notice Changes the treasury's part of price lists that start after the notice period.
    /// @dev The parts are append-only windows: this one starts `notice` after this block, or just after the last one.
    /// @param ppm The part, in parts per million of the fee.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts TreasuryPpmTooHigh `ppm` exceeds the maximum.
    /// @custom:reverts WindowTooLate Changes of the same moments have filled the windows of the next 90 days.
    function setTreasuryPpm(uint32 ppm) external;

    /// @notice Changes how much of the unclaimed money must be bonded when a header is posted.
    /// @param ppm The ratio, in parts per million.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts StakeRatioOutOfBounds The ratio is below `MIN_STAKE_RATIO_PPM` or above 1,000,000.
    function setStakeRatio(uint32 ppm) external;

    /// @notice Changes how long headers can be challenged that are posted from now on. Posted headers keep their window.
    /// @param window The time, in seconds.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts ChallengeWindowOutOfBounds The window is 0, below `minChallengeWindow` or above
    /// `MAX_CHALLENGE_WINDOW`.
    function setChallengeWindow(uint64 window) external;

    /// @notice Adds a token to the list that new nodes choose from, or removes it.
    /// @dev Registered nodes keep their token. A token that changes balances by itself or takes a fee would let nodes
    /// spend one another's money.
    /// @param token The token.
    /// @param accepted Whether it shall be on the list.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts InvalidToken `token` holds no code.
    function setAccepted(address token, bool accepted) external;

    /// @notice Stops claims for a while. Posts, sweeps, activation, withdrawals and challenges continue.
    /// @param duration How long, in seconds: at most `MAX_PAUSE`.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts PauseTooLong The pause exceeds `MAX_PAUSE`.
    /// @custom:reverts PauseTooEarly Claims have not run for as long as the last pause was.
    function pauseClaims(uint64 duration) external;

    /// @notice Ends a pause early.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts ClaimsNotPaused Claims are not paused.
    function resumeClaims() external;

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The longest pause.
    /// @return The time, in seconds.
    function MAX_PAUSE() external view returns (uint64);

    /// @notice The least stake ratio that governance may set.
    /// @return The ratio, in parts per million.
    function MIN_STAKE_RATIO_PPM() external view returns (uint32);

    /// @notice The longest challenge window that governance may set. Stake unbonds more slowly than that, see
    /// `IStakes.unbondingDelay`.
    /// @return The time, in seconds.
    function MAX_CHALLENGE_WINDOW() external view returns (uint64);

    /// @notice The shortest challenge window that governance may set, fixed when the contract is deployed.
    /// @dev Not a constant: votes on a public chain must leave watchers the time that they need, which is a day or more,
    /// and on a private chain developers wait for the end of every window.
    /// @return The time, in seconds.
    function minChallengeWindow() external view returns (uint64);

    /// @notice How long a header that is posted now can be challenged before it can become active.
    /// @return The time, in seconds.
    function challengeWindow() external view returns (uint64);

    /// @notice How far ahead the treasury's part and price lists must be set that succeed others.
    /// @return The notice period, in seconds.
    function notice() external view returns (uint64);

    /// @notice The account that receives the treasury's claims.
    /// @return The account.
    function treasury() external view returns (address);

    /// @notice The treasury's part that is valid now.
    /// @return The part, in parts per million of the fee.
    function treasuryPpm() external view returns (uint32);

    /// @notice The treasury's part that is valid at a time. A price list copies that of its start.
    /// @param time The time, in unix seconds.
    /// @return The part, in parts per million of the fee; 0 before the contract was deployed.
    function treasuryPpmAt(uint64 time) external view returns (uint32);

    /// @notice How much of the unclaimed money must be bonded when a header is posted.
    /// @return The ratio, in parts per million.
    function stakeRatioPpm() external view returns (uint32);

    /// @notice Whether new nodes may be paid in a token.
    /// @param token The token.
    /// @return True if the token is on the list.
    function isAccepted(address token) external view returns (bool);

    /// @notice When the last pause of claims began.
    /// @return The time, in unix seconds; 0 if there was none.
    function pausedFrom() external view returns (uint64);

    /// @notice When the last pause of claims ends or ended.
    /// @return The time, in unix seconds; 0 if there was none.
    function pausedUntil() external view returns (uint64);
}
