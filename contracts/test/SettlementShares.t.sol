// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ISettlement, ShareClaim} from "../src/interfaces/ISettlement.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

contract SettlementSharesTest is World {
    bytes32 internal datanetId;
    address[] internal people;
    uint64[] internal weights;

    function setUp() public override {
        super.setUp();
        datanetId = keccak256(abi.encode(address(this), bytes32("skin")));
        assets.createDatanet("skin", "");
    }

    function contributors(uint64[4] memory given) internal returns (uint64 sum) {
        delete people;
        delete weights;
        for (uint160 i = 0; i < 4; ++i) {
            people.push(address(0x1000 + i));
            weights.push(given[i]);
            sum += given[i];
        }
    }

    function row() internal view returns (bytes32[] memory leaves) {
        leaves = new bytes32[](people.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i] = Trees.contributorLeaf(people[i], weights[i]);
        }
    }

    function publish(uint64 totalWeight) internal returns (uint32) {
        return
            assets.publishDatanetVersion(
                datanetId, "content", Trees.listRoot(row()), totalWeight, uint32(people.length)
            );
    }

    function payee(uint32 version) internal view returns (bytes32) {
        return keccak256(abi.encode(datanetId, version));
    }

    /// @dev The Datanet earned `amount`, alice the rest of `total`.
    function tree(uint32 version, uint256 amount, uint256 total) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](2);
        leaves[0] = earned(DATANET, payee(version), amount);
        leaves[1] = earned(alice, total - amount);
    }

    /// @dev Publishes the contributors as version 1, which earned 100 of the 150 of an active epoch.
    function activeTree(uint64 totalWeight) internal returns (Trees.Leaf[] memory leaves) {
        publish(totalWeight);
        leaves = tree(1, 100, 150);
        fund(vault, 150);
        postActive(vault, leaves, 150);
    }

    function shareOf(uint64 epoch, Trees.Leaf[] memory leaves, uint32 version, uint32 index)
        internal
        view
        returns (ShareClaim memory)
    {
        return ShareClaim(
            address(vault),
            epoch,
            tips[address(vault)][epoch].headerHash,
            datanetId,
            version,
            uint128(leaves[0].value),
            Trees.stateProof(leaves, 0),
            people[index],
            weights[index],
            index,
            Trees.listProof(row(), index)
        );
    }

    function test_ContributorsShareByWeightAndDustStays() public {
        Trees.Leaf[] memory leaves = activeTree(contributors([uint64(1), 2, 3, 1]));
        vm.expectEmit();
        emit ISettlement.ShareClaimed(address(vault), datanetId, people[0], 1, people[0], 1, 14, 100);

        for (uint32 i = 0; i < 4; ++i) {
            claimShare(shareOf(1, leaves, 1, i));
        }

        equal(open.balanceOf(people[0]), 14, "1/7"); // 100·1/7 = 14.28…
        equal(open.balanceOf(people[1]), 28, "2/7");
        equal(open.balanceOf(people[2]), 42, "3/7");
        equal(open.balanceOf(people[3]), 14, "1/7");
        equal(settlement.sharePaid(address(vault), datanetId, 1, people[2]), 42, "sharePaid");
        equal(settlement.claimed(address(vault), DATANET, payee(1)), 98, "paid in all");
    }

    function test_ALaterEpochPaysTheGrowth() public {
        publish(contributors([uint64(1), 2, 3, 1]));
        Trees.Leaf[] memory first = tree(1, 100, 150);
        Trees.Leaf[] memory second = tree(1, 180, 250);
        fund(vault, 250);
        postActive(vault, first, 150);
        claimShare(shareOf(1, first, 1, 2));
        postActive(vault, second, 250);

        equal(claimShare(shareOf(2, second, 1, 2)), 35, "77 less 42");
        equal(claimShare(shareOf(2, second, 1, 2)), 0, "once");
        equal(claimShare(shareOf(1, first, 1, 2)), 0, "stale");
        equal(claimShare(shareOf(2, second, 1, 1)), 51, "all at once");
    }

    function skipped(ShareClaim memory entry, bytes4 reason) internal {
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(entry.node, payee(entry.version), entry.epoch, reason);
        equal(claimShare(entry), 0, "paid");
    }

    function test_AFalseWeightOrStrangerIsSkipped() public {
        Trees.Leaf[] memory leaves = activeTree(contributors([uint64(1), 2, 3, 1]));

        ShareClaim memory entry = shareOf(1, leaves, 1, 2);
        entry.weight = 4;
        skipped(entry, ISettlement.InvalidWeight.selector);
        entry = shareOf(1, leaves, 1, 2);
        entry.contributor = bob;
        skipped(entry, ISettlement.InvalidWeight.selector);
        entry = shareOf(1, leaves, 1, 2);
        entry.version = 2;
        skipped(entry, ISettlement.InvalidWeight.selector);
        entry = shareOf(1, leaves, 1, 2);
        entry.cumulative = 101;
        skipped(entry, ISettlement.InvalidProof.selector);
        entry = shareOf(1, leaves, 1, 2);
        entry.proof = "";
        skipped(entry, ISettlement.InvalidProof.selector);
    }

    function test_AFalseShareDoesNotHoldUpTheOthers() public {
        Trees.Leaf[] memory leaves = activeTree(contributors([uint64(1), 2, 3, 1]));
        ShareClaim[] memory entries = new ShareClaim[](3);
        entries[0] = shareOf(1, leaves, 1, 1);
        entries[0].weightProof = new bytes32[](0);
        entries[1] = shareOf(1, leaves, 1, 0);
        entries[1].headerHash = "other";
        entries[2] = shareOf(1, leaves, 1, 2);

        equal(settlement.claimShare(entries), 42, "paid");
    }

    function test_AWeightAboveTheStatedTotalIsSkipped() public {
        contributors([uint64(1), 2, 3, 1]);
        Trees.Leaf[] memory leaves = activeTree(2);

        skipped(shareOf(1, leaves, 1, 2), ISettlement.InvalidWeight.selector);
    }

    function test_SharesBeyondTheDatanetsEarningsAreSkippedForThatReason() public {
        contributors([uint64(1), 2, 3, 1]);
        Trees.Leaf[] memory leaves = activeTree(3);
        equal(claimShare(shareOf(1, leaves, 1, 2)), 100, "3/3");

        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(vault), payee(1), 1, ISettlement.SharesExceedEarnings.selector);
        equal(claimShare(shareOf(1, leaves, 1, 1)), 0, "nothing is left");
    }

    function test_AnInactiveEpochPaysNoShare() public {
        publish(contributors([uint64(1), 2, 3, 1]));
        Trees.Leaf[] memory leaves = tree(1, 100, 150);
        fund(vault, 150);
        post(vault, leaves, 150);
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(vault), payee(1), 1, ISettlement.NotActive.selector);

        claimShare(shareOf(1, leaves, 1, 0));
    }

    /// @dev A steward publishes weights that add up to more than the total it states.
    function testFuzz_AForgedWeightDrainsOnlyItsOwnDatanet(uint64[4] memory given, uint64 stated) public {
        for (uint256 i = 0; i < 4; ++i) {
            given[i] = uint64(bound(given[i], 1, 1 << 60));
        }
        contributors(given);
        uint64 total = uint64(bound(stated, 1, 1 << 60));
        publish(total);
        Trees.Leaf[] memory leaves = tree(1, 100 ether, 150 ether);
        fund(vault, 150 ether);
        postActive(vault, leaves, 150 ether);

        uint256 paid;
        for (uint32 i = 0; i < 4; ++i) {
            uint256 amount = claimShare(shareOf(1, leaves, 1, i));
            check(weights[i] <= total || amount == 0, "a weight above the total was taken");
            paid += amount;
        }

        check(paid <= 100 ether, "more than the Datanet earned");
        equal(settlement.claimed(address(vault), DATANET, payee(1)), paid, "booked");
        equal(claim(claimOf(vault, 1, leaves, 1, alice)), 50 ether, "alice's part is whole");
    }

    function test_AShareGoesToTheChosenPayout() public {
        Trees.Leaf[] memory leaves = activeTree(contributors([uint64(1), 2, 3, 1]));
        vm.prank(people[2]);
        settlement.setPayout(bob);

        claimShare(shareOf(1, leaves, 1, 2));

        equal(open.balanceOf(bob), 42, "payout");
    }
}
