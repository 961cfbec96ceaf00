// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDeaths} from "../src/interfaces/IDeaths.sol";
import {ILedgerErrors} from "../src/interfaces/ILedgerErrors.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {ISettlement} from "../src/interfaces/ISettlement.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

contract DeathsTest is World {
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

    function hold(uint64 epoch) internal {
        vm.prank(challenges);
        settlement.hold(address(vault), epoch);
    }

    function release(uint64 epoch) internal {
        vm.prank(challenges);
        settlement.release(address(vault), epoch);
    }

    function notOpen(uint64 epoch) internal {
        vm.expectRevert(abi.encodeWithSelector(IDeaths.HeaderNotOpen.selector, address(vault), epoch));
    }

    function lastEpoch() internal view returns (uint64 epoch) {
        (epoch,,,,,,) = settlement.ledger(address(vault));
    }

    // ---- demands ---------------------------------------------------------------------------------------------------

    function test_OnlyTheChallengesHoldReleaseAndKill() public {
        post(next(5));
        bytes memory refusal = abi.encodeWithSelector(IDeaths.NotChallenges.selector, admin);
        vm.startPrank(admin);
        vm.expectRevert(refusal);
        settlement.hold(address(vault), 1);
        vm.expectRevert(refusal);
        settlement.release(address(vault), 1);
        vm.expectRevert(refusal);
        settlement.kill(address(vault), 1, admin);
    }

    function test_AnOpenDemandHoldsUpActivationOfItsHeaderAndTheNext() public {
        fund(vault, 10);
        post(next(5));
        post(next(7));
        vm.expectEmit();
        emit IDeaths.HeaderHeld(address(vault), 1, 1);
        hold(1);
        vm.warp(block.timestamp + DELAY);

        equal(settlement.activate(address(vault)), 0, "held up");
        check(settlement.isOpen(address(vault), 1), "open beyond its window");
        check(!settlement.isOpen(address(vault), 2), "the next header is final");
        vm.expectEmit();
        emit IDeaths.HeaderReleased(address(vault), 1, 0);
        release(1);
        equal(settlement.activate(address(vault)), 2, "both");
    }

    function test_ADemandNeedsARunningWindow() public {
        notOpen(0);
        hold(0);
        notOpen(1);
        hold(1);
        post(next(5));
        hold(1);
        vm.warp(block.timestamp + DELAY);
        notOpen(1);
        hold(1);
    }

    function test_AHeaderHasAFewDemandsAtATime() public {
        post(next(5));
        for (uint256 i = 0; i < 4; ++i) {
            hold(1);
        }
        vm.expectRevert(abi.encodeWithSelector(IDeaths.TooManyDemands.selector, address(vault), 1, 4));
        hold(1);
        release(1);
        hold(1);
        (,,, uint8 demands) = settlement.header(address(vault), 1);
        equal(demands, 4, "demands");
    }

    function test_OnlyAnOpenDemandIsReleased() public {
        bytes memory refusal = abi.encodeWithSelector(IDeaths.NoOpenDemand.selector, address(vault), 1);
        vm.expectRevert(refusal);
        release(1);
        post(next(5));
        vm.expectRevert(refusal);
        release(1);
    }

    // ---- deaths ----------------------------------------------------------------------------------------------------

    function test_ADeathReturnsTheTipToTheHeaderBefore() public {
        post(next(5));
        bytes32 tip = settlement.commitmentOf(address(vault), 1);
        uint64 closedAt = uint64(block.timestamp);
        vm.warp(block.timestamp + 10);
        post(next(7));
        bytes32 dead = settlement.commitmentOf(address(vault), 2);
        vm.warp(block.timestamp + 10);
        post(next(9));
        vm.expectEmit();
        emit IDeaths.HeaderDied(address(vault), 2, dead, challenger);
        vm.expectEmit();
        emit IDeaths.LedgerClosed(address(vault), uint64(block.timestamp));
        kill(2);

        (uint64 last, uint64 active, uint64 seq, bytes32 commitment, uint128 total,, uint64 closed) =
            settlement.ledger(address(vault));
        equal(last, 1, "lastEpoch");
        equal(active, 0, "activeEpoch");
        equal(seq, 11, "nextSeq");
        equal(commitment, tip, "commitment");
        equal(total, 5, "lastCumTotal");
        equal(closed, closedAt, "lastClosedAt");
        equal(settlement.diedAt(address(vault)), block.timestamp, "diedAt");
        equal(settlement.commitmentOf(address(vault), 2), 0, "dead");
        equal(settlement.commitmentOf(address(vault), 3), 0, "its descendant too");
        equal(settlement.activeFrom(address(vault), 3), 0, "without a window");
        check(!settlement.isOpen(address(vault), 2), "a dead header is not open");
        notOpen(2);
        kill(2);
    }

    function test_TheFirstHeaderCanDie() public {
        post(next(5));
        hold(1);
        kill(1);

        equal(lastEpoch(), 0, "lastEpoch");
        bond(vault, 100);
        post(next(6));
        (,,, uint8 demands) = settlement.header(address(vault), 1);
        equal(demands, 0, "the demands of the dead header are gone");
    }

    function test_ReceiptsFromBeforeTheDeathArePostedAgainAndNothingNewer() public {
        post(next(5));
        kill(1);
        uint64 diedAt = uint64(block.timestamp);
        vm.warp(diedAt + 5);
        bond(vault, 100);
        BatchHeader memory header = next(4);
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(ILedgerErrors.ClosedAfterDeath.selector, diedAt + 5, diedAt));
        settlement.post(header);

        header.closedAt = diedAt;
        post(header);
        kill(1);

        equal(settlement.diedAt(address(vault)), diedAt, "the first death stays");
    }

    function test_AFinalHeaderCannotDie() public {
        post(next(5));
        vm.warp(block.timestamp + DELAY - 1);
        check(settlement.isOpen(address(vault), 1), "the last second of its window");
        vm.warp(block.timestamp + 1);

        notOpen(1);
        kill(1);
        notOpen(0);
        kill(0);
    }

    function test_AHeaderUnderADemandDiesAfterItsWindow() public {
        fund(vault, 10);
        post(next(5));
        post(next(7));
        hold(2);
        vm.warp(block.timestamp + DELAY);
        settlement.activate(address(vault));
        kill(2);

        equal(lastEpoch(), 1, "lastEpoch");
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(vault), word(alice), 2, ISettlement.NotActive.selector);
        equal(claim(claimOf(vault, 2, some(7), 0, alice)), 0, "nothing from a dead header");
        equal(claim(claimOf(vault, 1, some(5), 0, alice)), 5, "the active one pays");
    }

    function test_AProofOfADeadHeaderIsWorthNothingAtItsSuccessor() public {
        fund(vault, 10);
        post(next(9));
        bytes32 dead = tips[address(vault)][1].headerHash;
        kill(1);
        bond(vault, 100);
        postActive(vault, some(5), 5);

        Trees.Leaf[] memory leaves = some(9);
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(vault), word(alice), 1, ISettlement.InvalidProof.selector);
        equal(claim(claimOf(vault, 1, leaves, 0, alice)), 0, "the dead tree");
        check(dead != tips[address(vault)][1].headerHash, "another header");
        equal(claim(claimOf(vault, 1, some(5), 0, alice)), 5, "the honest tree");
    }

    // ---- close -----------------------------------------------------------------------------------------------------

    function test_TheOwnerClosesWithoutASlash() public {
        fund(vault, 10);
        post(next(5));
        post(next(7));
        hold(2);
        vm.warp(block.timestamp + DELAY);
        post(next(9));
        vm.expectEmit();
        emit IDeaths.HeaderDied(address(vault), 2, settlement.commitmentOf(address(vault), 2), address(0));
        vm.prank(owner);
        settlement.close(address(vault));

        equal(lastEpoch(), 1, "the final header stays");
        equal(settlement.activate(address(vault)), 1, "and becomes active");
        (uint256 bonded,,) = registry.stakeOf(address(vault));
        equal(bonded, BOND, "no slash");
    }

    function test_ALedgerWithoutOpenHeadersIsClosedToo() public {
        vm.prank(owner);
        settlement.close(address(vault));
        uint64 diedAt = uint64(block.timestamp);

        equal(settlement.diedAt(address(vault)), diedAt, "diedAt");
        vm.warp(diedAt + 1);
        vm.prank(owner);
        settlement.close(address(vault));
        equal(settlement.diedAt(address(vault)), diedAt, "once");
    }

    function test_OnlyTheOwnerCloses() public {
        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(IDeaths.NotNodeOwner.selector, address(vault), operator, owner));
        settlement.close(address(vault));
    }
}
