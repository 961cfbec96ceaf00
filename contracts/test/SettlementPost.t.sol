// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {ILedgerErrors} from "../src/interfaces/ILedgerErrors.sol";
import {BatchHeader, ILedgers} from "../src/interfaces/ILedgers.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {StructHash} from "../src/libraries/StructHash.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

contract SettlementPostTest is World {
    function some(uint256 amount) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](1);
        leaves[0] = earned(alice, amount);
    }

    function next(uint128 cumTotal) internal view returns (BatchHeader memory) {
        return nextHeader(vault, rootOf(some(cumTotal), cumTotal), cumTotal);
    }

    function refused(BatchHeader memory header, bytes memory reason) internal {
        vm.prank(operator);
        vm.expectRevert(reason);
        settlement.post(header);
    }

    function commitmentTo(BatchHeader memory header) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256(abi.encode(StructHash.BATCH_HEADER, header)), header.stateRoot));
    }

    function activeEpoch(NodeVault node) internal view returns (uint64 epoch) {
        (, epoch,,,,,) = settlement.ledger(address(node));
    }

    // ---- post ------------------------------------------------------------------------------------------------------

    function test_AFreshLedgerIsBeforeEpochOne() public view {
        (uint64 last,, uint64 nextSeq, bytes32 commitment,,,) = settlement.ledger(address(vault));

        equal(last, 0, "lastEpoch");
        equal(nextSeq, 1, "nextSeq");
        bytes32 empty = keccak256(abi.encode(bytes32(0), StateTree.stateRoot(0, 0)));
        equal(commitment, empty, "no header, and the root of the empty ledger");
    }

    function test_AHeaderIsStoredByItsCommitment() public {
        BatchHeader memory header = next(5);
        bytes32 expected = keccak256(abi.encode(StructHash.BATCH_HEADER, header));
        uint64 from = uint64(block.timestamp) + DELAY;
        vm.expectEmit();
        emit ILedgers.BatchPosted(address(vault), 1, expected, header, from);

        equal(post(header), expected, "hash");

        bytes32 commitment = keccak256(abi.encode(expected, header.stateRoot));
        equal(settlement.commitmentOf(address(vault), 1), commitment, "commitmentOf");
        equal(settlement.activeFrom(address(vault), 1), from, "activeFrom");
        (uint64 last,, uint64 nextSeq, bytes32 lastCommitment, uint128 total,, uint64 closedAt) =
            settlement.ledger(address(vault));
        equal(last, 1, "lastEpoch");
        equal(nextSeq, 11, "nextSeq");
        equal(lastCommitment, commitment, "lastCommitment");
        equal(total, 5, "lastCumTotal");
        equal(closedAt, header.closedAt, "lastClosedAt");
    }

    function test_OneViewReturnsWhatIsKeptOfAHeader() public {
        BatchHeader memory header = next(5);
        bytes32 hash = post(header);

        (bytes32 commitment, uint128 total, uint64 from, uint8 demands) = settlement.header(address(vault), 1);

        equal(commitment, keccak256(abi.encode(hash, header.stateRoot)), "commitment");
        equal(total, 5, "cumTotal");
        equal(from, block.timestamp + DELAY, "activeFrom");
        equal(demands, 0, "demands");
        (commitment, total, from,) = settlement.header(address(vault), 2);
        check(commitment == 0 && total == 0 && from == 0, "an unposted epoch has zeros");
    }

    function test_TheSameHeaderAgainChangesNothing() public {
        BatchHeader memory first = next(5);
        bytes32 hash = post(first);
        BatchHeader memory second = next(7);
        post(second);
        vm.warp(block.timestamp + 1);

        equal(post(first), hash, "the hash again");

        (uint64 last,, uint64 nextSeq,,,,) = settlement.ledger(address(vault));
        equal(last, 2, "lastEpoch");
        equal(nextSeq, 21, "nextSeq");
        equal(settlement.activeFrom(address(vault), 1), block.timestamp - 1 + DELAY, "the clock is not restarted");
    }

    function test_AnotherHeaderForAPostedEpochIsRefused() public {
        BatchHeader memory header = next(5);
        bytes32 posted = commitmentTo(header);
        post(header);
        header.receiptsRoot = "other";
        bytes32 given = commitmentTo(header);

        refused(
            header, abi.encodeWithSelector(ILedgerErrors.ConflictingHeader.selector, address(vault), 1, given, posted)
        );
    }

    function test_OnlyTheKeyThatIsValidNowPosts() public {
        BatchHeader memory header = next(5);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(ILedgerErrors.NotOperator.selector, address(vault), owner, operator));
        settlement.post(header);
        vm.prank(owner);
        registry.rotateOperator(address(vault), bob);
        vm.warp(block.timestamp + 1);

        refused(header, abi.encodeWithSelector(ILedgerErrors.NotOperator.selector, address(vault), operator, bob));
        vm.prank(bob);
        settlement.post(header);
    }

    function testFuzz_NobodyPostsForANodeThatIsNotRegistered(address node, address caller) public {
        vm.assume(node != address(vault) && caller != address(0));
        BatchHeader memory header = next(5);
        header.node = node;

        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(ILedgerErrors.NotOperator.selector, node, caller, address(0)));
        settlement.post(header);
    }

    function test_EpochsAndSequencesHaveNoGaps() public {
        post(next(5));
        BatchHeader memory header = next(7);
        header.epoch = 3;
        refused(header, abi.encodeWithSelector(ILedgerErrors.UnexpectedEpoch.selector, 3, 2));
        header.epoch = 0;
        refused(header, abi.encodeWithSelector(ILedgerErrors.UnexpectedEpoch.selector, 0, 2));
        header = next(7);
        header.fromSeq = 12;
        refused(header, abi.encodeWithSelector(ILedgerErrors.UnexpectedSeq.selector, 12, 11));
        header = next(7);
        header.count = 0;
        refused(header, abi.encodeWithSelector(ILedgerErrors.EmptyBatch.selector, 2));
    }

    function test_HeadersFormOneChain() public {
        post(next(5));
        BatchHeader memory header = next(7);
        bytes32 expected = settlement.commitmentOf(address(vault), 1);
        header.prevHeaderHash = "other";
        bytes32 given = keccak256(abi.encode(header.prevHeaderHash, header.prevStateRoot));
        refused(header, abi.encodeWithSelector(ILedgerErrors.WrongPrevious.selector, given, expected));
        header = next(7);
        header.prevStateRoot = "other";
        given = keccak256(abi.encode(header.prevHeaderHash, header.prevStateRoot));
        refused(header, abi.encodeWithSelector(ILedgerErrors.WrongPrevious.selector, given, expected));
    }

    function test_TotalsAndTimesNeverGoBack() public {
        post(next(5));
        vm.warp(block.timestamp + 10);
        refused(next(4), abi.encodeWithSelector(ILedgerErrors.TotalNotIncreasing.selector, 4, 5));
        refused(next(5), abi.encodeWithSelector(ILedgerErrors.TotalNotIncreasing.selector, 5, 5));
        BatchHeader memory header = next(6);
        uint64 current = uint64(block.timestamp);
        header.closedAt = current + 1;
        refused(header, abi.encodeWithSelector(ILedgerErrors.ClosedInFuture.selector, current + 1, current));
        header.closedAt = current - 11;
        refused(header, abi.encodeWithSelector(ILedgerErrors.ClosedBeforePrevious.selector, current - 11, current - 10));
        header.closedAt = current - 10;
        post(header);
    }

    // ---- credit and activate ---------------------------------------------------------------------------------------

    function test_OnlyVaultsAreCredited() public {
        vm.expectRevert(abi.encodeWithSelector(ILedgerErrors.NotANode.selector, address(this)));
        settlement.credit(1);
    }

    function test_AHeaderActivatesWhenItsWindowHasPassedAndItIsCredited() public {
        post(next(5 ether));
        fund(vault, 5 ether - 1);
        vm.warp(block.timestamp + DELAY - 1);
        equal(settlement.activate(address(vault)), 0, "too early");
        vm.warp(block.timestamp + 1);
        equal(settlement.activate(address(vault)), 0, "not fully credited");

        fund(vault, 1);
        vm.expectEmit();
        emit ILedgers.BatchActivated(address(vault), 1, 5 ether);
        equal(settlement.activate(address(vault)), 1, "active");
    }

    function test_EpochsActivateInOrder() public {
        fund(vault, 7);
        post(next(5));
        vm.warp(block.timestamp + DELAY);
        post(next(7));
        post(next(9));

        equal(settlement.activate(address(vault)), 1, "the second's window is open");
        vm.warp(block.timestamp + DELAY);
        equal(settlement.activate(address(vault)), 2, "the third is not credited");
        (,,,,, uint128 activeTotal,) = settlement.ledger(address(vault));
        equal(activeTotal, 7, "activeCumTotal");
    }

    function test_OneCallActivatesABoundedNumberOfEpochs() public {
        for (uint128 i = 1; i <= 70; ++i) {
            post(next(i));
        }
        fund(vault, 70);
        vm.warp(block.timestamp + DELAY);

        equal(settlement.activate(address(vault)), 64, "bounded");
        equal(settlement.activate(address(vault)), 70, "continues");
    }

    function test_OneNodesCreditActivatesNoOther() public {
        NodeVault other = registerNode(bob, address(open), operator);
        post(other, some(5), 5);
        fund(vault, 100);
        vm.warp(block.timestamp + DELAY);

        settlement.activate(address(other));

        equal(activeEpoch(other), 0, "without credit of its own");
    }
}
