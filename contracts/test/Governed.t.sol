// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {Settlement} from "../src/Settlement.sol";
import {IGoverned} from "../src/interfaces/IGoverned.sol";
import {Claim, ISettlement, ShareClaim} from "../src/interfaces/ISettlement.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

contract GovernedTest is World {
    function test_OnlyGovernanceChangesParameters() public {
        bytes memory refusal = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, owner);
        vm.startPrank(owner);
        vm.expectRevert(refusal);
        settlement.setTreasury(owner);
        vm.expectRevert(refusal);
        settlement.setTreasuryPpm(0);
        vm.expectRevert(refusal);
        settlement.setStakeRatio(1_000_000);
        vm.expectRevert(refusal);
        settlement.setChallengeWindow(DELAY);
        vm.expectRevert(refusal);
        settlement.setAccepted(address(open), false);
        vm.expectRevert(refusal);
        settlement.pauseClaims(1);
        vm.expectRevert(refusal);
        settlement.resumeClaims();
    }

    function test_AnAnnouncedChangeIsExecutedAfterItsDelay() public {
        vm.startPrank(admin);
        manager.grantRole(0, admin, 2 days);
        bytes memory change = abi.encodeCall(settlement.setStakeRatio, (500_000));
        manager.schedule(address(settlement), change, 0);
        vm.warp(block.timestamp + 2 days - 1);
        vm.expectRevert();
        settlement.setStakeRatio(500_000);
        vm.warp(block.timestamp + 1);
        settlement.setStakeRatio(500_000);

        equal(settlement.stakeRatioPpm(), 500_000, "after its delay");
    }

    // ---- bounds ----------------------------------------------------------------------------------------------------

    function test_TheTreasurysPartIsBoundedAndChangesUnderNotice() public {
        uint64 start = uint64(block.timestamp);
        vm.startPrank(admin);
        vm.expectEmit();
        emit IGoverned.TreasuryPpmChanged(200_000, start + NOTICE);
        settlement.setTreasuryPpm(200_000);

        equal(settlement.treasuryPpm(), 100_000, "during the notice");
        equal(settlement.treasuryPpmAt(start - 1), 0, "before the contract");
        equal(settlement.treasuryPpmAt(start + NOTICE), 200_000, "after it");
        vm.warp(start + NOTICE);
        equal(settlement.treasuryPpm(), 200_000, "now");
        vm.expectRevert(abi.encodeWithSelector(IGoverned.TreasuryPpmTooHigh.selector, 200_001, 200_000));
        settlement.setTreasuryPpm(200_001);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.InvalidTreasury.selector, address(0)));
        settlement.setTreasury(address(0));
    }

    function testFuzz_TheStakeRatioIsBounded(uint32 ppm) public {
        bool allowed = ppm >= 100_000 && ppm <= 1_000_000;
        vm.prank(admin);
        if (!allowed) {
            vm.expectRevert(abi.encodeWithSelector(IGoverned.StakeRatioOutOfBounds.selector, ppm, 100_000, 1_000_000));
        }
        settlement.setStakeRatio(ppm);

        equal(settlement.stakeRatioPpm(), allowed ? ppm : 1_000_000, "ratio");
    }

    function test_AListedTokenIsAContractAndCanBeTakenOffTheList() public {
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.InvalidToken.selector, bob));
        settlement.setAccepted(bob, true);
        vm.expectEmit();
        emit IGoverned.TokenAccepted(address(open), false);
        settlement.setAccepted(address(open), false);
        vm.stopPrank();

        check(!settlement.isAccepted(address(open)), "off the list");
        fund(vault, 5);
        equal(settlement.credited(address(vault)), 5, "nodes that have it go on");
    }

    // ---- pause -----------------------------------------------------------------------------------------------------

    function test_APauseStopsClaimsAndNothingElse() public {
        Trees.Leaf[] memory leaves = new Trees.Leaf[](1);
        leaves[0] = earned(alice, 5);
        vm.prank(admin);
        settlement.pauseClaims(2 hours);
        bytes memory refusal = abi.encodeWithSelector(IGoverned.ClaimsPaused.selector, block.timestamp + 2 hours);
        vm.expectRevert(refusal);
        settlement.claim(new Claim[](0));
        vm.expectRevert(refusal);
        settlement.claimShare(new ShareClaim[](0));

        post(vault, leaves, 5);
        fund(vault, 5);
        vm.warp(block.timestamp + DELAY);
        equal(settlement.activate(address(vault)), 1, "posts, sweeps and activation continue");
        vm.prank(owner);
        registry.startUnbonding(address(vault), 1);
        vm.prank(alice);
        settlement.setPayout(bob);
        vm.warp(block.timestamp + DELAY);
        equal(claim(claimOf(vault, 1, leaves, 0, alice)), 5, "claims again by themselves");
    }

    function test_APauseEndsEarly() public {
        vm.startPrank(admin);
        vm.expectRevert(IGoverned.ClaimsNotPaused.selector);
        settlement.resumeClaims();
        settlement.pauseClaims(7 days);
        vm.warp(block.timestamp + 1 days);
        vm.expectEmit();
        emit IGoverned.ClaimsPausedUntil(uint64(block.timestamp));
        settlement.resumeClaims();

        equal(settlement.claim(new Claim[](0)), 0, "claims run");
        vm.expectRevert(abi.encodeWithSelector(IGoverned.PauseTooEarly.selector, settlement.pausedUntil() + 1 days));
        settlement.pauseClaims(1);
        vm.warp(block.timestamp + 1 days);
        settlement.pauseClaims(1);
    }

    function testFuzz_PausesTakeAtMostHalfOfTheTime(uint64 length, uint64 wait) public {
        length = uint64(bound(length, 0, 8 days));
        wait = uint64(bound(wait, 0, 20 days));
        uint64 start = uint64(block.timestamp);
        vm.startPrank(admin);
        if (length > 7 days) vm.expectRevert(abi.encodeWithSelector(IGoverned.PauseTooLong.selector, length, 7 days));
        settlement.pauseClaims(length);
        if (length > 7 days) return;
        vm.warp(start + wait);
        if (wait < 2 * length) {
            vm.expectRevert(abi.encodeWithSelector(IGoverned.PauseTooEarly.selector, start + 2 * length));
        }
        settlement.pauseClaims(1);
    }

    // ---- construction ----------------------------------------------------------------------------------------------

    function deploy(address token, uint64 unbonding) internal {
        new Settlement(
            address(manager),
            Settlement.Parameters(escrow, assets, challenges, token, treasury, 0, DELAY, MIN_WINDOW, NOTICE, unbonding)
        );
    }

    function test_AStakeOutlastsEveryChallenge() public {
        uint64 least = settlement.MAX_CHALLENGE_WINDOW() + 48 hours;
        vm.expectRevert(abi.encodeWithSelector(ISettlement.UnbondingTooShort.selector, least, least));
        deploy(address(open), least);
        deploy(address(open), least + 1);
        vm.expectRevert(abi.encodeWithSelector(IGoverned.InvalidToken.selector, bob));
        deploy(bob, least + 1);
    }
}
