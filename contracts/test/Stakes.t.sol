// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDeaths} from "../src/interfaces/IDeaths.sol";
import {ILedgerErrors} from "../src/interfaces/ILedgerErrors.sol";
import {BatchHeader, ILedgers} from "../src/interfaces/ILedgers.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @dev What stake is needed for, and where it goes.
contract StakesTest is World {
    address private constant _NOBODY = 0x000000000000000000000000000000000000dEaD;

    function some(uint256 amount) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](1);
        leaves[0] = earned(alice, amount);
    }

    function next(uint128 cumTotal) internal view returns (BatchHeader memory) {
        return nextHeader(vault, rootOf(some(cumTotal), cumTotal), cumTotal);
    }

    function kill(uint64 epoch) internal {
        vm.prank(challenges);
        settlement.kill(address(vault), epoch, challenger);
    }

    function unbond(uint256 amount) internal {
        vm.prank(owner);
        registry.startUnbonding(address(vault), amount);
    }

    function tooLow(BatchHeader memory header, uint256 bonded, uint256 required) internal {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(ILedgerErrors.StakeTooLow.selector, address(vault), bonded, required));
        settlement.post(header);
    }

    // ---- the gate at post ------------------------------------------------------------------------------------------

    function test_StakeCoversTheUnclaimedMoneyNotTheGrowth() public {
        unbond(BOND - 100);
        fund(vault, 200);
        tooLow(next(101), 100, 101);
        postActive(vault, some(100), 100);
        tooLow(next(101), 100, 101);

        claim(claimOf(vault, 1, some(100), 0, alice));
        post(next(200));
    }

    function test_WhatIsLeavingDoesNotCount() public {
        unbond(BOND);
        tooLow(next(1), 0, 1);
        (address key, uint256 bonded) = registry.standing(address(vault));
        equal(key, operator, "operator");
        equal(bonded, 0, "bonded");
    }

    function testFuzz_TheRatioIsRoundedUp(uint32 ppm, uint64 growth) public {
        ppm = uint32(bound(ppm, 100_000, 1_000_000));
        growth = uint64(bound(growth, 1, type(uint64).max));
        vm.prank(admin);
        settlement.setStakeRatio(ppm);
        uint256 required = (uint256(growth) * ppm + 999_999) / 1_000_000;
        unbond(BOND - required + 1);

        tooLow(next(growth), required - 1, required);
        bond(vault, 1);
        post(next(growth));
    }

    // ---- slash -----------------------------------------------------------------------------------------------------

    function test_ASlashPaysTheChallengerThenTheShortfallAndBurnsTheRest() public {
        fund(vault, 30);
        post(next(50));
        post(next(70));
        unbond(BOND / 4);
        vm.expectEmit();
        emit IStakes.Slashed(address(vault), challenger, BOND / 2, 20, BOND / 2 - 20);
        kill(2);

        (uint256 bonded, uint256 unbonding,) = registry.stakeOf(address(vault));
        equal(bonded + unbonding, 0, "everything is taken, what was unbonding too");
        equal(registry.rewardOf(address(open), challenger), BOND / 2, "reward");
        equal(registry.slashedOf(address(vault)), BOND / 2, "waits for settleSlash");

        vm.expectEmit();
        emit ILedgers.Credited(address(vault), 20, 50);
        equal(settlement.settleSlash(address(vault)), 20, "restitution");
        equal(open.balanceOf(_NOBODY), BOND / 2 - 20, "burned");
        vm.warp(block.timestamp + DELAY);
        equal(settlement.activate(address(vault)), 1, "the honest header is whole");
        vm.expectRevert(abi.encodeWithSelector(IDeaths.NothingToCover.selector, address(vault)));
        settlement.settleSlash(address(vault));
    }

    function test_TheShortfallNeverTakesTheChallengersHalf() public {
        unbond(BOND - 101);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(owner);
        registry.withdrawUnbonded(address(vault), owner);
        post(next(90));
        post(next(91));
        kill(2);

        equal(registry.rewardOf(address(open), challenger), 50, "half, rounded down");
        equal(settlement.settleSlash(address(vault)), 51, "the rest of it");
        equal(open.balanceOf(_NOBODY), 0, "nothing is left to burn");
    }

    function test_ASecondSlashDoesNotPayTheSameShortfallTwice() public {
        post(next(50));
        post(next(70));
        kill(2);
        bond(vault, 100);
        BatchHeader memory again = next(60);
        post(again);
        kill(2);

        equal(settlement.settleSlash(address(vault)), 50, "once");
        equal(registry.rewardOf(address(open), challenger), BOND / 2 + 50, "both halves");
    }

    function testFuzz_ACheatThatSlashesItselfLoses(uint256 stake, uint128 total, uint128 credit) public {
        stake = bound(stake, 2, 1_000 ether);
        credit = uint128(bound(credit, 0, 1_000 ether));
        unbond(BOND);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(owner);
        registry.withdrawUnbonded(address(vault), owner);
        bond(vault, stake);
        fund(vault, credit);
        total = uint128(bound(total, 1, stake - 1));
        post(next(total));
        post(next(total + 1));
        kill(2);

        uint256 reward = registry.rewardOf(address(open), challenger);
        uint256 slashed = registry.slashedOf(address(vault));
        settlement.settleSlash(address(vault));
        uint256 restitution = settlement.credited(address(vault)) - credit;
        equal(reward, stake / 2, "half");
        equal(reward + slashed, stake, "conserved");
        equal(restitution + open.balanceOf(_NOBODY), slashed, "restitution and burn");
        check(restitution <= total, "no more than the node owes its payees");
    }

    function test_RewardsAreWithdrawnByTheChallenger() public {
        post(next(50));
        kill(1);
        vm.expectRevert(abi.encodeWithSelector(IStakes.NoReward.selector, address(open), address(this)));
        registry.withdrawReward(address(open), bob);
        vm.expectEmit();
        emit IStakes.RewardWithdrawn(address(open), challenger, bob, BOND / 2);
        vm.prank(challenger);
        equal(registry.withdrawReward(address(open), bob), BOND / 2, "amount");

        equal(open.balanceOf(bob), BOND / 2, "arrived");
        vm.prank(challenger);
        vm.expectRevert(abi.encodeWithSelector(IStakes.NoReward.selector, address(open), challenger));
        registry.withdrawReward(address(open), bob);
    }

    function test_OnlySettlementTakesStake() public {
        bytes memory refusal = abi.encodeWithSelector(IStakes.NotSettlement.selector, owner);
        vm.startPrank(owner);
        vm.expectRevert(refusal);
        registry.slash(address(vault), owner, 0);
        vm.expectRevert(refusal);
        registry.payShortfall(address(vault), 1);
        vm.expectRevert(refusal);
        registry.paySlashed(address(vault));
    }

    // ---- cover -----------------------------------------------------------------------------------------------------

    function nothingToCover() internal {
        vm.expectRevert(abi.encodeWithSelector(IDeaths.NothingToCover.selector, address(vault)));
        settlement.cover(address(vault));
    }

    function test_StakePaysAShortfallADayAfterTheWindow() public {
        nothingToCover();
        fund(vault, 30);
        post(next(50));
        uint64 earliest = uint64(block.timestamp) + DELAY + 24 hours;
        vm.warp(earliest - 1);
        vm.expectRevert(abi.encodeWithSelector(IDeaths.CoverTooEarly.selector, address(vault), 1, earliest));
        settlement.cover(address(vault));
        vm.warp(earliest);
        unbond(15);
        vm.expectEmit();
        emit IDeaths.Covered(address(vault), 20);
        equal(settlement.cover(address(vault)), 20, "the shortfall");

        (uint256 bonded, uint256 unbonding,) = registry.stakeOf(address(vault));
        equal(unbonding, 0, "what was leaving pays first");
        equal(bonded, BOND - 20, "bonded");
        equal(claim(claimOf(vault, 1, some(50), 0, alice)), 50, "payees are whole");
        nothingToCover();
    }

    function test_AVaultThatBroughtInNothingIsCoveredToo() public {
        post(next(50));
        vm.warp(block.timestamp + DELAY + 24 hours);
        settlement.cover(address(vault));

        equal(claim(claimOf(vault, 1, some(50), 0, alice)), 50, "paid from the stake alone");
    }

    function test_AnOpenDemandHoldsUpTheCover() public {
        post(next(50));
        vm.prank(challenges);
        settlement.hold(address(vault), 1);
        vm.warp(block.timestamp + DELAY + 24 hours);
        vm.expectRevert(abi.encodeWithSelector(IDeaths.HeaderStillOpen.selector, address(vault), 1));
        settlement.cover(address(vault));
    }

    function test_AStakeThatIsTooSmallPaysWhatItHas() public {
        post(next(50));
        unbond(BOND - 10);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(owner);
        registry.withdrawUnbonded(address(vault), owner);

        equal(settlement.cover(address(vault)), 10, "all there is");
        nothingToCover();
        fund(vault, 40);
        equal(settlement.activate(address(vault)), 1, "the rest was brought in");
    }
}
