// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {Claim, ISettlement} from "../src/interfaces/ISettlement.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

contract SettlementClaimTest is World {
    function skipped(Claim memory entry, bytes4 reason) internal {
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(entry.node, entry.id, entry.epoch, reason);
        equal(claim(entry), 0, "paid");
    }

    function treasuryClaim(uint128 cumulative, bytes memory proof) internal view returns (Claim memory) {
        return Claim(address(vault), 1, tips[address(vault)][1].headerHash, TREASURY, 0, cumulative, proof);
    }

    function three(uint256 forAlice, uint256 forBob, uint256 forTreasury)
        internal
        view
        returns (Trees.Leaf[] memory leaves)
    {
        leaves = new Trees.Leaf[](3);
        leaves[0] = earned(alice, forAlice);
        leaves[1] = earned(bob, forBob);
        leaves[2] = earned(TREASURY, 0, forTreasury);
    }

    function test_EveryPayeeGetsWhatTheTreeSays() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        postActive(vault, leaves, 100);
        Claim[] memory claims = new Claim[](3);
        claims[0] = claimOf(vault, 1, leaves, 0, alice);
        claims[1] = claimOf(vault, 1, leaves, 1, bob);
        claims[2] = treasuryClaim(20, Trees.stateProof(leaves, 2));
        vm.expectEmit();
        emit ISettlement.Claimed(address(vault), ADDRESS, word(alice), alice, 1, 50, 50);

        equal(settlement.claim(claims), 100, "paid");

        equal(open.balanceOf(alice), 50, "alice");
        equal(open.balanceOf(bob), 30, "bob");
        equal(open.balanceOf(treasury), 20, "treasury");
        equal(settlement.claimedTotal(address(vault)), 100, "claimedTotal");
        equal(settlement.claimed(address(vault), ADDRESS, word(alice)), 50, "claimed");
    }

    function test_ASecondClaimPaysOnlyTheDifference() public {
        Trees.Leaf[] memory first = three(50, 30, 20);
        Trees.Leaf[] memory second = three(80, 30, 40);
        fund(vault, 150);
        postActive(vault, first, 100);
        claim(claimOf(vault, 1, first, 0, alice));
        skipped(claimOf(vault, 1, first, 0, alice), ISettlement.NothingToClaim.selector);
        postActive(vault, second, 150);

        equal(claim(claimOf(vault, 2, second, 0, alice)), 30, "the difference");

        skipped(claimOf(vault, 1, first, 0, alice), ISettlement.NothingToClaim.selector);
        equal(claim(claimOf(vault, 1, first, 1, bob)), 30, "an older active epoch proves as well");
        equal(open.balanceOf(alice), 80, "alice");
    }

    function test_AClaimActivatesWhatIsDue() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        post(vault, leaves, 100);
        skipped(claimOf(vault, 1, leaves, 0, alice), ISettlement.NotActive.selector);
        vm.warp(block.timestamp + DELAY);

        equal(claim(claimOf(vault, 1, leaves, 0, alice)), 50, "paid");
    }

    function test_AnUnpostedEpochIsNotActive() public {
        skipped(claimOf(vault, 1, three(1, 1, 1), 0, alice), ISettlement.NotActive.selector);
    }

    function test_OneStaleEntryDoesNotHoldUpTheOthers() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        postActive(vault, leaves, 100);
        NodeVault other = registerNode(bob, address(open), operator);
        Claim[] memory claims = new Claim[](3);
        claims[0] = claimOf(vault, 9, leaves, 0, alice);
        claims[1] = claimOf(other, 1, leaves, 0, alice);
        claims[2] = claimOf(vault, 1, leaves, 1, bob);

        equal(settlement.claim(claims), 30, "paid");
    }

    function test_AFalseProofIsSkipped() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        postActive(vault, leaves, 100);

        Claim memory entry = claimOf(vault, 1, leaves, 0, alice);
        entry.cumulative = 51;
        skipped(entry, ISettlement.InvalidProof.selector);
        skipped(claimOf(vault, 1, leaves, 0, bob), ISettlement.InvalidProof.selector);
        skipped(claimOf(vault, 0, leaves, 0, alice), ISettlement.InvalidProof.selector);
        entry = claimOf(vault, 1, leaves, 0, alice);
        entry.proof = "";
        skipped(entry, ISettlement.InvalidProof.selector);
        entry = claimOf(vault, 1, leaves, 0, alice);
        entry.headerHash = "other";
        skipped(entry, ISettlement.InvalidProof.selector);
    }

    function test_OnlyAddressesAndTheTreasuryClaimDirectly() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        postActive(vault, leaves, 100);
        Claim memory entry = claimOf(vault, 1, leaves, 0, alice);
        bytes4 reason = ISettlement.InvalidPayee.selector;

        entry.payeeKind = DATANET;
        skipped(entry, reason);
        entry.payeeKind = 3;
        skipped(entry, reason);
        entry.payeeKind = TREASURY;
        skipped(entry, reason);
        entry.payeeKind = ADDRESS;
        entry.id = 0;
        skipped(entry, reason);
        entry.id = bytes32(uint256(type(uint160).max) + 1);
        skipped(entry, reason);
    }

    function test_NoFalseEntryCostsTheOthersTheirTurn() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        postActive(vault, leaves, 100);
        Claim[] memory claims = new Claim[](4);
        claims[0] = claimOf(vault, 1, leaves, 0, alice);
        claims[0].proof = hex"00";
        claims[1] = claimOf(vault, 1, leaves, 0, alice);
        claims[1].payeeKind = DATANET;
        claims[2] = claimOf(vault, 1, leaves, 0, alice);
        claims[2].cumulative = 0;
        claims[3] = claimOf(vault, 1, leaves, 1, bob);

        equal(settlement.claim(claims), 30, "paid");
    }

    function test_TheTreasuryOfTheDayIsPaid() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        fund(vault, 100);
        postActive(vault, leaves, 100);
        vm.prank(admin);
        settlement.setTreasury(bob);

        claim(treasuryClaim(20, Trees.stateProof(leaves, 2)));

        equal(open.balanceOf(bob), 20, "the new treasury");
    }

    // ---- whatever a tree says --------------------------------------------------------------------------------------

    function testFuzz_AForgedRootDrainsOnlyItsOwnNodesCredit(uint128 stolen, uint128 total, uint128 own) public {
        own = uint128(bound(own, 1, 1_000 ether));
        total = uint128(bound(total, 1, own));
        stolen = uint128(bound(stolen, 1, type(uint128).max));
        NodeVault victim = registerNode(bob, address(open), operator);
        fund(victim, 5_000 ether);
        fund(vault, own);
        // The tree owes alice `stolen`, although the total of its header is `total`.
        Trees.Leaf[] memory leaves = new Trees.Leaf[](2);
        leaves[0] = earned(alice, stolen);
        leaves[1] = earned(bob, 1);
        postActive(vault, leaves, total);

        claim(claimOf(vault, 1, leaves, 0, alice));

        equal(open.balanceOf(alice), stolen <= total ? stolen : 0, "never above the active total");
        check(open.balanceOf(address(settlement)) >= 5_000 ether, "the other node's credit is whole");
        equal(settlement.credited(address(victim)), 5_000 ether, "credited");
    }

    function test_PayeesOfAnOverdrawnTreeAreServedWhileItLasts() public {
        Trees.Leaf[] memory leaves = three(80, 80, 80);
        fund(vault, 200);
        postActive(vault, leaves, 200);

        claim(claimOf(vault, 1, leaves, 0, alice));
        claim(claimOf(vault, 1, leaves, 1, bob));
        Claim memory last = treasuryClaim(80, Trees.stateProof(leaves, 2));
        skipped(last, ISettlement.InsufficientCredit.selector);

        equal(settlement.claimed(address(vault), TREASURY, 0), 0, "the entitlement is not used up");
    }

    function test_AProofOfOneNodeIsWorthNothingAtAnother() public {
        Trees.Leaf[] memory leaves = three(50, 30, 20);
        NodeVault other = registerNode(bob, address(open), operator);
        fund(other, 100);
        postActive(other, three(1, 1, 98), 100);
        fund(vault, 100);
        postActive(vault, leaves, 100);

        skipped(claimOf(other, 1, leaves, 0, alice), ISettlement.InvalidProof.selector);
    }
}
