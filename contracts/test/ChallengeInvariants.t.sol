// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChallengeMoves} from "./ChallengeMoves.sol";
import {CheatingOperators} from "./CheatingOperators.sol";
import {HonestOperator} from "./HonestOperator.sol";
import {Invariant} from "./Invariant.sol";

/// @notice Honest and cheating operators, challengers and answerers in any order: the honest node loses nothing, every
/// contradiction kills, and bonds and stakes are conserved.
contract ChallengeInvariantTest is Invariant {
    ChallengeMoves internal world;

    function setUp() public {
        world = new ChallengeMoves();
        world.setUp();
        moves = address(world);
        selectors.push(HonestOperator.postHonest.selector);
        selectors.push(HonestOperator.collect.selector);
        selectors.push(HonestOperator.claimHonest.selector);
        selectors.push(CheatingOperators.openCheat.selector);
        selectors.push(CheatingOperators.setRefusal.selector);
        selectors.push(CheatingOperators.postCheat.selector);
        selectors.push(CheatingOperators.postCheat.selector); // twice, so that there is something to challenge
        selectors.push(ChallengeMoves.demandHonest.selector);
        selectors.push(ChallengeMoves.demandCheat.selector);
        selectors.push(ChallengeMoves.answer.selector);
        selectors.push(ChallengeMoves.expire.selector);
        selectors.push(ChallengeMoves.reclaim.selector);
        selectors.push(ChallengeMoves.withdrawBonds.selector);
        selectors.push(ChallengeMoves.prove.selector);
        selectors.push(ChallengeMoves.junk.selector);
        selectors.push(ChallengeMoves.settle.selector);
        selectors.push(ChallengeMoves.wait.selector);
        selectors.push(ChallengeMoves.reorg.selector);
    }

    /// @dev One invariant, because forge repeats all runs for each.
    function invariant_AnHonestNodeLosesNothingAndNothingIsLost() public view {
        equal(world.harmed(), 0, "junk that was accepted");
        world.checkHonest();
        world.checkLedgers();
        (uint256 coins, uint256 owed) = world.coins();
        equal(coins, owed, "bonds");
        (uint256 held, uint256 owned) = world.stakes(true);
        equal(held, owned, "stakes in OPEN");
        (held, owned) = world.stakes(false);
        equal(held, owned, "stakes in the hostile token");
    }
}
