// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {IGoverned} from "../interfaces/IGoverned.sol";
import {MAX_TREASURY_PPM} from "../libraries/Ppm.sol";

/// @title What governance may change: the treasury, its part of new price lists, and a pause.
/// @dev Nothing here changes the past: a receipt is judged by what its price list copied.
abstract contract Governed is IGoverned, AccessManaged, Pausable {
    /// @inheritdoc IGoverned
    address public treasury;
    /// @inheritdoc IGoverned
    uint32 public treasuryPpm;

    /// @param treasury_ The account that receives the treasury's claims.
    /// @param treasuryPpm_ The treasury's part of new price lists, in parts per million of the fee.
    constructor(address treasury_, uint32 treasuryPpm_) {
        _setTreasury(treasury_);
        _setTreasuryPpm(treasuryPpm_);
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
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IGoverned
    function unpause() external restricted {
        _unpause();
    }

    function _setTreasury(address to) private {
        if (to == address(0)) revert InvalidTreasury(to);
        treasury = to;
        emit TreasuryChanged(to);
    }

    function _setTreasuryPpm(uint32 ppm) private {
        if (ppm > MAX_TREASURY_PPM) revert TreasuryPpmTooHigh(ppm, MAX_TREASURY_PPM);
        treasuryPpm = ppm;
        emit TreasuryPpmChanged(ppm);
    }
}
