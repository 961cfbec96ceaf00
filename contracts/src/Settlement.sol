// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {NodeRegistry} from "./NodeRegistry.sol";
import {IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {Claims} from "./settlement/Claims.sol";
import {Deaths} from "./settlement/Deaths.sol";
import {Governed} from "./settlement/Governed.sol";
import {Ledgers} from "./settlement/Ledgers.sol";

/// @title Settlement: credits, batches and claims.
/// @notice Two limits are enforced for any tree of a node. Per node, claimed ≤ active cumTotal ≤ credited: a forged root
/// spends only its own node's credit. Per Datanet version, paid ≤ earned: a forged weight spends only what its own
/// Datanet earned.
contract Settlement is Claims {
    /// @notice What the contracts are deployed with. Times are in seconds.
    struct Parameters {
        IChannelEscrow escrow; // whose channels pay the vaults
        IAssetRegistry assets; // knows Datanets and the weights of their contributors
        address challenges; // may hold, release and kill headers; may be deployed later, at this address
        address token; // the first token that nodes may be paid in
        address treasury; // receives the treasury's claims
        uint32 treasuryPpm; // the treasury's part of new price lists, parts per million of the fee
        uint64 challengeWindow; // of headers at first, between posting and activation
        uint64 minChallengeWindow; // the least that governance may set
        uint64 notice; // how far ahead price lists and the treasury's part are set that succeed others
        uint64 unbondingDelay; // how long stake remains slashable; longer than MAX_CHALLENGE_WINDOW + 48 hours
    }

    /// @dev Deploys the registry, which deploys the code of the vaults: each knows the others for good.
    /// @param authority The access manager that says who governs.
    /// @param parameters What the contracts are deployed with.
    /// @custom:reverts UnbondingTooShort The unbonding delay is not longer than the longest challenge window and 48 hours.
    /// @custom:reverts ChallengeWindowOutOfBounds The window is 0, below its least value or above `MAX_CHALLENGE_WINDOW`.
    /// @custom:reverts InvalidTreasury The treasury is the zero address.
    /// @custom:reverts TreasuryPpmTooHigh The treasury's part exceeds its maximum.
    /// @custom:reverts InvalidToken The token holds no code.
    constructor(address authority, Parameters memory parameters)
        AccessManaged(authority)
        Governed(
            parameters.treasury,
            parameters.treasuryPpm,
            parameters.token,
            parameters.challengeWindow,
            parameters.minChallengeWindow,
            parameters.notice
        )
        Ledgers(new NodeRegistry(this, parameters.escrow, parameters.notice, parameters.unbondingDelay))
        Deaths(parameters.challenges)
        Claims(parameters.assets)
    {
        // A demand made at the end of a window is answered within 24 hours; the slash has another 24 hours.
        uint64 longerThan = MAX_CHALLENGE_WINDOW + 48 hours;
        if (parameters.unbondingDelay <= longerThan) revert UnbondingTooShort(parameters.unbondingDelay, longerThan);
    }
}
