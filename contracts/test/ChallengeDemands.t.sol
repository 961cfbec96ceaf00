// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IBonds} from "../src/interfaces/IBonds.sol";
import {IChallengesErrors} from "../src/interfaces/IChallengesErrors.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Bench} from "./Bench.sol";
import {Trees} from "./Trees.sol";

/// @notice When a demand is accepted, and how many.
contract ChallengeDemandsTest is Bench {
    function test_ADemandNeedsARunningWindowALeafAndItsBond() public {
        BatchHeader memory made = header();
        post(made);
        vm.expectPartialRevert(IChallengesErrors.NoSuchLeaf.selector);
        court.demandLeaf{value: 1 ether}(made, 1);
        vm.expectPartialRevert(IBonds.BondTooSmall.selector);
        court.demandLeaf{value: 1}(made, 0);
        vm.warp(block.timestamp + DELAY);
        vm.expectPartialRevert(IChallengesErrors.WindowClosed.selector);
        court.demandLeaf{value: 1 ether}(made, 0);
    }

    function test_DemandsThatSettlementDoesNotCountAreAnsweredFirst() public {
        BatchHeader memory made = header();
        post(made);
        bytes32[6] memory ids = [bytes32(0), word(alice), word(bob), word(owner), word(admin), word(payer)];
        for (uint256 i = 0; i < 6; ++i) {
            court.demandPayee{value: 1 ether}(made, i == 0 ? TREASURY : ADDRESS, ids[i]);
        }
        for (uint256 i = 0; i < 6; ++i) {
            (,,, uint8 counted) = settlement.header(made.node, 1);
            equal(counted, i < 2 ? 4 : 6 - i, "counted by Settlement");
            uint8 kind = i == 0 ? TREASURY : ADDRESS;
            court.showPayee(
                made, kind, ids[i], Trees.stateWitness(first(tree.length), StateTree.earnedKey(kind, ids[i]))
            );
        }
        equal(court.openDemands(made.node, 1), 0, "all answered");
    }
}
