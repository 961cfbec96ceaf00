// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {IGoverned} from "../interfaces/IGoverned.sol";
import {MAX_TREASURY_PPM, PPM} from "../libraries/Ppm.sol";
import {Windows} from "../libraries/Windows.sol";

/// @title What governance may change: the treasury and its part, the stake ratio, the challenge window, the accepted
/// tokens, and a pause of claims.
/// @dev Nothing here changes the past, and nothing here stops posts, sweeps, withdrawals or challenges.
abstract contract Governed is IGoverned, AccessManaged {
    using Windows for Checkpoints.Trace256;

    /// @inheritdoc IGoverned
    uint64 public constant MAX_PAUSE = 7 days;
    /// @inheritdoc IGoverned
    uint32 public constant MIN_STAKE_RATIO_PPM = 100_000;
    /// @inheritdoc IGoverned
    uint64 public constant MAX_CHALLENGE_WINDOW = 7 days;

    /// @inheritdoc IGoverned
    uint64 public immutable minChallengeWindow;
    /// @inheritdoc IGoverned
    uint64 public immutable notice;

    /// @inheritdoc IGoverned
    address public treasury;
    /// @inheritdoc IGoverned
    uint32 public stakeRatioPpm = uint32(PPM);
    /// @inheritdoc IGoverned
    uint64 public challengeWindow;
    /// @inheritdoc IGoverned
    uint64 public pausedFrom;
    /// @inheritdoc IGoverned
    uint64 public pausedUntil;
    /// @inheritdoc IGoverned
    mapping(address token => bool) public isAccepted;

    Checkpoints.Trace256 private _treasuryPpms;

    /// @param treasury_ The account that receives the treasury's claims.
    /// @param treasuryPpm_ The treasury's part of new price lists, in parts per million of the fee.
    /// @param token The first token that nodes may be paid in.
    /// @param window How long a posted header can be challenged at first, in seconds.
    /// @param minWindow The least that it can be, in seconds.
    /// @param notice_ How far ahead the treasury's next part must be set, in seconds.
    constructor(
        address treasury_,
        uint32 treasuryPpm_,
        address token,
        uint64 window,
        uint64 minWindow,
        uint64 notice_
    ) {
        notice = notice_;
        minChallengeWindow = minWindow;
        _setChallengeWindow(window, minWindow);
        _setTreasury(treasury_);
        _setTreasuryPpm(treasuryPpm_);
        _setAccepted(token, true);
    }

    modifier whenClaimsRun() {
        if (block.timestamp < pausedUntil) revert ClaimsPaused(pausedUntil);
        _;
    }

    /// @inheritdoc IGoverned
    function setTreasury(address to) external restricted {
        _setTreasury(to);
    }

    /// @inheritdoc IGoverned
    function setTreasuryPpm(uint32 ppm) external restricted {
        _setTreasuryPpm(ppm);
    }

    /// @inheritdoc IGoverned
    function setStakeRatio(uint32 ppm) external restricted {
        if (ppm < MIN_STAKE_RATIO_PPM || ppm > PPM) {
            revert StakeRatioOutOfBounds(ppm, MIN_STAKE_RATIO_PPM, uint32(PPM));
        }
        stakeRatioPpm = ppm;
        emit StakeRatioChanged(ppm);
    }

    /// @inheritdoc IGoverned
    function setChallengeWindow(uint64 window) external restricted {
        _setChallengeWindow(window, minChallengeWindow);
    }

    /// @inheritdoc IGoverned
    function setAccepted(address token, bool accepted) external restricted {
        _setAccepted(token, accepted);
    }

    /// @inheritdoc IGoverned
    function pauseClaims(uint64 duration) external restricted {
        if (duration > MAX_PAUSE) revert PauseTooLong(duration, MAX_PAUSE);
        // The gap after a pause is as long as the pause was.
        uint64 earliest = 2 * pausedUntil - pausedFrom;
        if (block.timestamp < earliest) revert PauseTooEarly(earliest);
        pausedFrom = uint64(block.timestamp);
        pausedUntil = uint64(block.timestamp) + duration;
        emit ClaimsPausedUntil(pausedUntil);
    }

    /// @inheritdoc IGoverned
    function resumeClaims() external restricted {
        if (block.timestamp >= pausedUntil) revert ClaimsNotPaused();
        pausedUntil = uint64(block.timestamp);
        emit ClaimsPausedUntil(pausedUntil);
    }

    /// @inheritdoc IGoverned
    function treasuryPpm() external view returns (uint32) {
        return treasuryPpmAt(uint64(block.timestamp));
    }

    /// @inheritdoc IGoverned
    function treasuryPpmAt(uint64 time) public view returns (uint32) {
        return uint32(uint256(_treasuryPpms.valueAt(time)));
    }

    function _setTreasury(address to) private {
        if (to == address(0)) revert InvalidTreasury(to);
        treasury = to;
        emit TreasuryChanged(to);
    }

    function _setTreasuryPpm(uint32 ppm) private {
        if (ppm > MAX_TREASURY_PPM) revert TreasuryPpmTooHigh(ppm, MAX_TREASURY_PPM);
        uint64 from = _treasuryPpms.start(0, notice);
        _treasuryPpms.append(bytes32(uint256(ppm)), from);
        emit TreasuryPpmChanged(ppm, from);
    }

    function _setChallengeWindow(uint64 window, uint64 min) private {
        if (window == 0 || window < min || window > MAX_CHALLENGE_WINDOW) {
            revert ChallengeWindowOutOfBounds(window, min, MAX_CHALLENGE_WINDOW);
        }
        challengeWindow = window;
        emit ChallengeWindowChanged(window);
    }

    function _setAccepted(address token, bool accepted) private {
        if (token.code.length == 0) revert InvalidToken(token);
        isAccepted[token] = accepted;
        emit TokenAccepted(token, accepted);
    }
}
