// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Errors} from "@openzeppelin/contracts/utils/Errors.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IBonds} from "../src/interfaces/IBonds.sol";
import {Leaf} from "../src/interfaces/IChallenges.sol";
import {IChallengesErrors} from "../src/interfaces/IChallengesErrors.sol";
import {IJudge, UsageReceipt} from "../src/interfaces/IJudge.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Bench} from "./Bench.sol";
import {Trees} from "./Trees.sol";

/// @notice Bonds and their payments. Batches of many receipts are challenged in tests/contracts.
contract ChallengesTest is Bench {
    uint256 private constant _MIN_BOND = 0.001 ether;

    bytes private _again; // a call to make when coins arrive
    bool private _refuse;

    receive() external payable override {
        if (_refuse) revert("no coins, please");
        if (_again.length == 0) return;
        (bool done, bytes memory answer) = address(court).call(_again);
        check(!done, "the call within a call was accepted");
        equal(
            bytes32(bytes4(answer)),
            bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector),
            "why it was refused"
        );
        _again = "";
    }

    function posted() internal returns (BatchHeader memory made) {
        made = header();
        post(made);
    }

    function justify(BatchHeader memory made) internal {
        court.justify(made, made, leaf(), receipt, abi.encode(evidence()));
    }

    function earnedKeyItem(uint8 kind, bytes32 id) internal pure returns (bytes32) {
        return StateTree.earnedKey(kind, id);
    }

    // ---- bonds -----------------------------------------------------------------------------------------------------

    function test_TheBondIsTwiceTheAnswerAtTheBaseFee() public {
        BatchHeader memory made = posted();

        vm.fee(0);
        equal(court.bondOf(0, made.node, 1), _MIN_BOND, "least bond of a leaf");
        equal(court.bondOf(1, made.node, 1), _MIN_BOND, "least bond of a payee");
        vm.fee(20 gwei);
        equal(court.bondOf(0, made.node, 1), 2 * 1_100_000 * 20 gwei, "bond of a leaf");
        equal(court.bondOf(1, made.node, 1), 2 * 100_000 * 20 gwei, "bond of a payee");
        vm.fee(20 gwei + 1);
        equal(court.bondOf(0, made.node, 1) % 1 gwei, 0, "whole gwei");
        check(court.bondOf(0, made.node, 1) >= 2 * 1_100_000 * (20 gwei + 1), "rounded up");
    }

    function test_TheAnswererReceivesTheBond() public {
        BatchHeader memory made = posted();
        vm.fee(30 gwei);
        uint256 bond = court.bondOf(0, made.node, 1);
        court.demandLeaf{value: bond}(made, 0);
        (address author, uint64 openedAt, uint256 held) = court.demandOf(made.node, 1, 0, 0);
        equal(author, address(this), "author");
        equal(openedAt, block.timestamp, "opened at");
        equal(held, bond, "bond");
        vm.fee(0); // what the base fee does later changes no bond

        uint256 before = address(this).balance;
        justify(made);

        equal(address(this).balance - before, bond, "payment");
        (author, openedAt, held) = court.demandOf(made.node, 1, 0, 0);
        check(author == address(0) && openedAt != 0 && held == 0, "the answer is remembered");
        vm.expectPartialRevert(IBonds.AlreadyDemanded.selector);
        court.demandLeaf{value: bond}(made, 0);
    }

    function test_NobodyIsCalledTwiceAtOnce() public {
        BatchHeader memory made = posted();
        _again = abi.encodeCall(court.demandPayee, (made, TREASURY, 0));
        court.demandLeaf{value: 1 ether}(made, 0);
        equal(_again.length, 0, "what was sent beyond the bond came back");
        _again = abi.encodeCall(court.withdraw, (payable(address(this))));

        justify(made);

        equal(_again.length, 0, "the bond was paid");
        equal(address(court).balance, 0, "coins in the contract");
    }

    function test_AnAuthorWhoRefusesCoinsHarmsOnlyItself() public {
        BatchHeader memory made = posted();
        _refuse = true;
        vm.expectRevert("no coins, please");
        court.demandLeaf{value: 1 ether}(made, 0);
        court.demandLeaf{value: _MIN_BOND}(made, 0);
        vm.warp(block.timestamp + 1 days);

        court.expire(made.node, 1, 0, 0);

        equal(court.returnedTo(address(this)), _MIN_BOND, "returned");
        vm.expectRevert("no coins, please");
        court.withdraw(payable(address(this)));
        equal(court.withdraw(payable(bob)), _MIN_BOND, "withdrawn elsewhere");
        equal(bob.balance, _MIN_BOND, "received");
        vm.expectPartialRevert(IBonds.NothingToWithdraw.selector);
        court.withdraw(payable(bob));
    }

    function test_AnAnswererWhoRefusesCoinsAnswersNothing() public {
        BatchHeader memory made = posted();
        court.demandLeaf{value: _MIN_BOND}(made, 0);
        Leaf memory one = leaf();
        bytes memory shown = abi.encode(evidence());
        _refuse = true;

        vm.expectRevert("no coins, please");
        court.justify(made, made, one, receipt, shown);
    }

    // ---- answers ---------------------------------------------------------------------------------------------------

    function test_OnlyTheDemandedLeafIsPaidFor() public {
        BatchHeader memory made = posted();
        Leaf memory one = leaf();
        bytes memory shown = abi.encode(evidence());
        vm.expectPartialRevert(IBonds.NoDemand.selector);
        court.justify(made, made, one, receipt, shown);

        court.demandLeaf{value: _MIN_BOND}(made, 0);
        UsageReceipt memory other = receipt;
        other.fee += 1;
        vm.expectPartialRevert(IChallengesErrors.WrongReceipt.selector);
        court.justify(made, made, one, other, shown);
        one.rootAfter = "other";
        vm.expectPartialRevert(IChallengesErrors.NotInBatch.selector);
        court.justify(made, made, one, receipt, shown);
        made.closedAt -= 1;
        one = leaf();
        vm.expectPartialRevert(IChallengesErrors.UnknownHeader.selector);
        court.justify(made, made, one, receipt, shown);
    }

    function test_AReceiptOfAnUnknownAttributionIsNeverJustified() public {
        receipt.attributionVersion = 2;
        BatchHeader memory made = posted();
        court.demandLeaf{value: _MIN_BOND}(made, 0);
        Leaf memory one = leaf();
        bytes memory shown = abi.encode(evidence());

        vm.expectRevert(abi.encodeWithSelector(IChallengesErrors.UnknownAttribution.selector, 2));
        court.justify(made, made, one, receipt, shown);
    }

    function test_TheHeaderBeforeIsChecked() public {
        BatchHeader memory before = posted();
        BatchHeader memory next = nextHeader(vault, "state", 1 ether);
        next.count = 1;
        Leaf memory one = Leaf(0, this.hashOf(receipt), "a", "b", new bytes32[](0));
        next.receiptsRoot = hashOf(one);
        post(next);

        vm.expectPartialRevert(IChallengesErrors.WrongPrevious.selector);
        court.justify(next, next, one, receipt, "");
        vm.expectRevert(); // the judge is reached, and finds no evidence
        court.justify(next, before, one, receipt, "");
    }

    function test_APayeeAndItsAbsenceAreShown() public {
        BatchHeader memory made = posted();
        Trees.Leaf[] memory leaves = first(tree.length);
        court.demandPayee{value: 1 ether}(made, TREASURY, 0);
        court.demandPayee{value: 1 ether}(made, ADDRESS, word(bob));
        bytes memory absent = Trees.stateWitness(leaves, StateTree.earnedKey(ADDRESS, word(bob)));
        bytes memory wrong = Trees.stateWitness(first(4), StateTree.earnedKey(ADDRESS, word(bob)));
        equal(court.openDemands(made.node, 1), 2, "open demands");

        vm.expectPartialRevert(IChallengesErrors.WrongState.selector);
        court.showPayee(made, ADDRESS, word(bob), wrong);
        court.showPayee(made, ADDRESS, word(bob), absent);
        court.showPayee(made, TREASURY, 0, Trees.stateWitness(leaves, StateTree.earnedKey(TREASURY, 0)));

        equal(court.openDemands(made.node, 1), 0, "open demands");
        vm.warp(block.timestamp + DELAY);
        fund(vault, 1 ether);
        equal(settlement.activate(made.node), 1, "active epoch");
    }

    // ---- deaths ----------------------------------------------------------------------------------------------------

    function test_AClosedLedgerGivesBondsBack() public {
        BatchHeader memory made = posted();
        court.demandLeaf{value: _MIN_BOND}(made, 0);
        (bytes32 commitment,, uint64 activeFrom,) = settlement.header(made.node, 1);
        vm.expectPartialRevert(IBonds.HeaderAlive.selector);
        court.reclaim(made.node, 1, commitment, activeFrom, 0, 0);

        vm.prank(owner);
        settlement.close(made.node);
        court.reclaim(made.node, 1, commitment, activeFrom, 0, 0);

        equal(court.returnedTo(address(this)), _MIN_BOND, "returned");
        vm.expectPartialRevert(IBonds.NoDemand.selector);
        court.reclaim(made.node, 1, commitment, activeFrom, 0, 0);
    }

    function test_ExpiryNeedsADemandAndItsTime() public {
        BatchHeader memory made = posted();
        vm.expectPartialRevert(IBonds.NoDemand.selector);
        court.expire(made.node, 1, 0, 0);
        court.demandLeaf{value: _MIN_BOND}(made, 0);
        vm.warp(block.timestamp + 1 days - 1);
        vm.expectPartialRevert(IBonds.StillAnswerable.selector);
        court.expire(made.node, 1, 0, 0);
        vm.warp(block.timestamp + 1);

        vm.prank(bob); // anybody may, and the author is rewarded
        court.expire(made.node, 1, 0, 0);

        equal(registry.rewardOf(address(open), address(this)), BOND / 2, "reward");
        equal(settlement.commitmentOf(made.node, 1), 0, "the header is dead");
    }

    function test_TheTotalOfAHeaderIsThatOfItsState() public {
        BatchHeader memory made = header();
        made.cumTotal += 1;
        post(made);
        bytes32 root = Trees.stateTreeRoot(first(tree.length));

        vm.expectPartialRevert(IChallengesErrors.WrongState.selector);
        court.proveWrongTotal(made, root, made.cumTotal);
        court.proveWrongTotal(made, root, receipt.fee);

        equal(settlement.commitmentOf(made.node, 1), 0, "the header is dead");
    }

    function test_AnHonestTotalProvesNothing() public {
        BatchHeader memory made = posted();
        bytes32 root = Trees.stateTreeRoot(first(tree.length));

        vm.expectPartialRevert(IChallengesErrors.NoContradiction.selector);
        court.proveWrongTotal(made, root, receipt.fee);
    }

    // ---- judges ----------------------------------------------------------------------------------------------------

    function test_OnlyGovernanceAddsJudges() public {
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, alice));
        court.addJudge(2, judge);
        vm.prank(admin);
        court.addJudge(2, judge);
        equal(address(court.judgeOf(2)), address(0), "before its time");
        vm.warp(block.timestamp + NOTICE);
        equal(address(court.judgeOf(2)), address(judge), "in its time");
        vm.prank(admin);
        vm.expectPartialRevert(IChallengesErrors.JudgeExists.selector);
        court.addJudge(2, IJudge(alice));
        vm.prank(admin);
        vm.expectPartialRevert(IChallengesErrors.InvalidJudge.selector);
        court.addJudge(3, IJudge(alice));
        equal(address(court.judgeOf(3)), address(0), "no judge");
    }
}
