// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {IDeaths} from "../src/interfaces/IDeaths.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {BlockingToken, FeeToken, ReentrantToken} from "./HostileTokens.sol";
import {HostileWorld} from "./HostileWorld.sol";

/// @dev Stakes in tokens that do not behave.
contract HostileStakesTest is HostileWorld {
    function test_StakeCountsByWhatArrives() public {
        FeeToken token = new FeeToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 1_000, payer);

        (uint256 bonded,,) = registry.stakeOf(address(node));
        equal(bonded, 990, "bonded");
    }

    function test_AReentrantTokenCannotBeStakedTwice() public {
        ReentrantToken token = new ReentrantToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        token.arm(address(registry), abi.encodeCall(IStakes.stake, (address(node), 0)));
        bond(node, 1_000, payer);

        expectReentrancyRefused(token);
        (uint256 bonded,,) = registry.stakeOf(address(node));
        equal(bonded, 1_000, "once");
    }

    function test_NoTokenSavesAHeader() public {
        BlockingToken token = new BlockingToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        post(node, two(60, 40), 100);
        token.setReverts(challenger, true);
        token.setReverts(address(settlement), true);
        token.setAnswersFalse(0x000000000000000000000000000000000000dEaD, true);
        vm.prank(challenges);
        settlement.kill(address(node), 1, challenger);

        (uint64 last,,,,,,) = settlement.ledger(address(node));
        equal(last, 0, "dead");
        vm.prank(challenger);
        vm.expectRevert("blocked");
        registry.withdrawReward(address(token), challenger);
        vm.prank(challenger);
        equal(registry.withdrawReward(address(token), bob), 1_000, "paid elsewhere");
        token.setReverts(address(settlement), false);
        equal(settlement.settleSlash(address(node)), 0, "nobody was owed anything");
        equal(token.balanceOf(address(registry)), 1_000, "what cannot burn stays where nobody can move it");
        equal(registry.slashedOf(address(node)), 0, "and is nobody's");
    }

    function test_AReentrantTokenCannotCoverTwice() public {
        ReentrantToken token = new ReentrantToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        post(node, two(60, 40), 100);
        vm.warp(block.timestamp + DELAY + 24 hours);
        token.arm(address(settlement), abi.encodeCall(IDeaths.cover, (address(node))));

        equal(settlement.cover(address(node)), 100, "once");

        expectReentrancyRefused(token);
        equal(settlement.credited(address(node)), 100, "credited");
    }
}
