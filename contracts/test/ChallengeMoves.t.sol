// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChallengeMoves} from "./ChallengeMoves.sol";

/// @notice The moves of the invariant test reach what they are for: each fraud dies, each demand ends, honest money is paid.
contract ChallengeMovesTest is ChallengeMoves {
    uint256 private constant _HALF_A_DAY = 12 hours - 1; // `wait` adds 1

    function test_EveryContradictionIsProven() public {
        uint8[6] memory kinds = [BROKEN_LINK, BROKEN_END, WRONG_TOTAL, DOUBLE_BILLING, OVER_CLAIM, EQUIVOCATION];
        while (cheats.length < 6) openCheat();
        for (uint256 i = 0; i < 6; ++i) {
            this.postCheat(i, kinds[i], 5 ether);
            this.prove(i, 1);
            equal(deaths, i + 1, "deaths");
        }
        for (uint256 i = 0; i < 6; ++i) {
            this.settle(i);
        }
        check(open.balanceOf(challenger) == 3 * STAKE / 2, "half of the stakes in OPEN");
        this.checkLedgers();
    }

    function test_ADemandThatNobodyCanAnswerKills() public {
        this.postCheat(1, OPAQUE, 5 ether);
        this.demandCheat(1, 1, 0, true, 1);
        this.demandCheat(1, 1, 1, false, 0);
        this.wait(_HALF_A_DAY);
        this.expire(0);
        equal(deaths, 0, "before its time");
        this.wait(_HALF_A_DAY);
        this.expire(0);
        this.reclaim(1);

        equal(deaths, 1, "deaths");
        check(court.returnedTo(authors[0]) != 0 && court.returnedTo(authors[1]) != 0, "both bonds came back");
        this.withdrawBonds(0);
        this.withdrawBonds(1);
        equal(address(court).balance, 0, "bonds");
    }

    function test_AnHonestNodeAnswersAndIsPaid() public {
        postHonest();
        this.reorg(0);
        postHonest();
        for (uint256 i = 0; i < 3; ++i) {
            this.demandHonest(i, i, true, 0);
            this.demandHonest(i, i, false, i);
            for (uint8 kind = 0; kind < 6; ++kind) {
                this.junk(i, kind, i + kind, "noise");
            }
        }
        this.collect();
        equal(demands.length, 6, "demands");
        this.wait(_HALF_A_DAY);
        this.wait(_HALF_A_DAY);
        this.claimHonest();

        equal(harmed, 0, "junk that was accepted");
        equal(open.balanceOf(alice), 3 * tree[4].value, "paid");
        equal(address(court).balance, 0, "every bond was earned");
        this.checkHonest();
        this.checkLedgers();
    }
}
