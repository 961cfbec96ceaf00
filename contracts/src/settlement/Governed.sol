// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

import {ISettlement} from "../interfaces/ISettlement.sol";
import {MAX_TREASURY_PPM} from "../libraries/Ppm.sol";

/// @title What governance may change: where the treasury's part goes, how large it is, and a pause.
/// @dev Nothing here reaches back: receipts are judged by what their price lists copied.
abstract contract Governed is ISettlement, AccessManaged, Pausable {
    address public treasury;
    uint32 public treasuryPpm;

    event TreasuryChanged(address treasury);
    event TreasuryPpmChanged(uint32 treasuryPpm);

    error InvalidTreasury(address to);
    error TreasuryPpmTooHigh(uint32 ppm, uint32 max);

    constructor(address treasury_, uint32 treasuryPpm_) {
        _setTreasury(treasury_);
        _setTreasuryPpm(treasuryPpm_);
    }

    function setTreasury(address to) external restricted {
        _setTreasury(to);
    }

    /// @notice For price lists registered from now on; those that exist keep what they copied.
    function setTreasuryPpm(uint32 ppm) external restricted {
        _setTreasuryPpm(ppm);
    }

    /// @notice Stops posts and claims. Credits, activation and every withdrawal go on.
    function pause() external restricted {
        _pause();
    }

    function unpause() external restricted {
        _unpause();
    }

    function _setTreasury(address to) private {
        require(to != address(0), InvalidTreasury(to));
        treasury = to;
        emit TreasuryChanged(to);
    }

    function _setTreasuryPpm(uint32 ppm) private {
        require(ppm <= MAX_TREASURY_PPM, TreasuryPpmTooHigh(ppm, MAX_TREASURY_PPM));
        treasuryPpm = ppm;
        emit TreasuryPpmChanged(ppm);
    }
}
