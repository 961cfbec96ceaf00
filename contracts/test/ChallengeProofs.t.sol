// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Leaf} from "../src/interfaces/IChallenges.sol";
import {IChallengesErrors} from "../src/interfaces/IChallengesErrors.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {UsageReceipt} from "../src/interfaces/IJudge.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {Bench} from "./Bench.sol";
import {Trees} from "./Trees.sol";

/// @notice Each proof once, and each reason why one is refused. Mutated batches are challenged in tests/contracts.
contract ChallengeProofsTest is Bench {
    bytes32 private constant _EMPTY_TREE = 0;

    /// @dev A batch of three leaves whose state roots chain, unless a test changes one of them.
    function chain() internal pure returns (Leaf[] memory leaves) {
        leaves = new Leaf[](3);
        bytes32[4] memory roots =
            [StateTree.stateRoot(0, 0), bytes32("one"), bytes32("two"), StateTree.stateRoot(_EMPTY_TREE, 9)];
        for (uint32 i = 0; i < 3; ++i) {
            leaves[i] = Leaf(i, keccak256(abi.encode(i)), roots[i], roots[i + 1], new bytes32[](0));
        }
    }

    /// @dev Posts the batch of these leaves and completes their paths.
    function postLeaves(Leaf[] memory leaves) internal returns (BatchHeader memory made) {
        bytes32[] memory hashes = new bytes32[](leaves.length);
        for (uint256 i = 0; i < leaves.length; ++i) {
            hashes[i] = hashOf(leaves[i]);
        }
        for (uint256 i = 0; i < leaves.length; ++i) {
            leaves[i].siblings = Trees.listProof(hashes, i);
        }
        (,,,, uint128 total,,) = settlement.ledger(address(vault));
        made = nextHeader(vault, StateTree.stateRoot(_EMPTY_TREE, total + 9), total + 9);
        made.count = uint32(leaves.length);
        made.receiptsRoot = Trees.listRoot(hashes);
        post(made);
    }

    function refused(bytes4 reason) internal {
        vm.expectPartialRevert(reason);
    }

    function dead(BatchHeader memory made) internal view {
        equal(settlement.commitmentOf(made.node, made.epoch), 0, "the header is dead");
        equal(registry.rewardOf(address(open), address(this)), BOND / 2, "reward");
    }

    // ---- broken link and end ---------------------------------------------------------------------------------------

    function test_TwoNeighboursThatDoNotChainAreAContradiction() public {
        Leaf[] memory leaves = chain();
        leaves[1].rootBefore = "other";
        BatchHeader memory made = postLeaves(leaves);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveBrokenLink(made, leaves[1], leaves[2]);
        refused(IChallengesErrors.NoContradiction.selector);
        court.proveBrokenLink(made, leaves[0], leaves[2]);
        leaves[0].rootAfter = "false";
        refused(IChallengesErrors.NotInBatch.selector);
        court.proveBrokenLink(made, leaves[0], leaves[1]);
        leaves[0].rootAfter = "one";
        court.proveBrokenLink(made, leaves[0], leaves[1]);
        dead(made);
    }

    function test_TheFirstLeafStartsWhereTheHeaderDoes() public {
        Leaf[] memory leaves = chain();
        leaves[0].rootBefore = "other";
        BatchHeader memory made = postLeaves(leaves);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveBrokenEnd(made, leaves[1]);
        refused(IChallengesErrors.NoContradiction.selector);
        court.proveBrokenEnd(made, leaves[2]);
        court.proveBrokenEnd(made, leaves[0]);
        dead(made);
    }

    function test_TheLastLeafEndsWhereTheHeaderDoes() public {
        Leaf[] memory leaves = chain();
        leaves[2].rootAfter = "other";
        BatchHeader memory made = postLeaves(leaves);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveBrokenEnd(made, leaves[0]);
        court.proveBrokenEnd(made, leaves[2]);
        dead(made);
    }

    // ---- double billing --------------------------------------------------------------------------------------------

    /// @dev A batch whose leaves are these receipts, with chained roots.
    function postReceipts(UsageReceipt[] memory receipts)
        internal
        returns (BatchHeader memory made, Leaf[] memory leaves)
    {
        leaves = new Leaf[](receipts.length);
        for (uint32 i = 0; i < receipts.length; ++i) {
            leaves[i] = Leaf(i, this.hashOf(receipts[i]), "root", "root", new bytes32[](0));
        }
        made = postLeaves(leaves);
    }

    function two() internal view returns (UsageReceipt[] memory receipts) {
        receipts = new UsageReceipt[](2);
        (receipts[0], receipts[1]) = (receipt, receipt);
        receipts[1].seq = 2;
    }

    function test_OneRequestIsBilledOnce() public {
        UsageReceipt[] memory receipts = two();
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(receipts);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveDoubleBilling(made, leaves[0], receipts[0], made, leaves[0], receipts[0]);
        refused(IChallengesErrors.WrongReceipt.selector);
        court.proveDoubleBilling(made, leaves[0], receipts[0], made, leaves[1], receipts[0]);
        court.proveDoubleBilling(made, leaves[0], receipts[0], made, leaves[1], receipts[1]);
        dead(made);
    }

    function test_TwoRequestsAreNoDoubleBilling() public {
        UsageReceipt[] memory receipts = two();
        receipts[1].requestDigest = "other";
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(receipts);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveDoubleBilling(made, leaves[0], receipts[0], made, leaves[1], receipts[1]);
    }

    function test_ARequestOfAFinalBatchIsNotBilledAgain() public {
        UsageReceipt[] memory receipts = two();
        (BatchHeader memory before, Leaf[] memory earlier) = postReceipts(receipts);
        vm.warp(block.timestamp + DELAY);
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(receipts);

        court.proveDoubleBilling(before, earlier[0], receipts[0], made, leaves[0], receipts[0]);
        dead(made);
        check(settlement.commitmentOf(made.node, 1) != 0, "the final header stays");
    }

    function test_ReceiptsOfTwoNodesAreNoDoubleBilling() public {
        UsageReceipt[] memory receipts = two();
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(receipts);
        vault = registerNode(bob, address(open), operator);
        (BatchHeader memory other, Leaf[] memory others) = postReceipts(receipts);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveDoubleBilling(made, leaves[0], receipts[0], other, others[1], receipts[1]);
    }

    // ---- equivocation ----------------------------------------------------------------------------------------------

    function signed(UsageReceipt memory one, uint256 key) internal view returns (bytes memory) {
        return signature(key, digestOf(this.hashOf(one)));
    }

    function test_ASecondReceiptOfAPlaceIsAContradiction() public {
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(two());
        UsageReceipt memory other = receipt;
        bytes memory own = signed(other, operatorKey);

        refused(IChallengesErrors.NoContradiction.selector); // the receipt of the leaf itself
        court.proveEquivocation(made, leaves[0], other, own);
        other.fee += 1;
        bytes memory stranger = signed(other, payerKey);
        refused(IChallengesErrors.WrongOperatorSigner.selector);
        court.proveEquivocation(made, leaves[0], other, stranger);
        refused(IChallengesErrors.WrongOperatorSigner.selector);
        court.proveEquivocation(made, leaves[0], other, "no signature");
        bytes memory second = signed(other, operatorKey);
        refused(IChallengesErrors.NoContradiction.selector); // another place
        court.proveEquivocation(made, leaves[1], other, second);
        court.proveEquivocation(made, leaves[0], other, second);
        dead(made);
    }

    function test_AReceiptOfAnotherNodeOrWithoutANumberIsNoEquivocation() public {
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(two());
        UsageReceipt memory other = receipt;
        other.node = alice;
        bytes memory foreign = signed(other, operatorKey);
        refused(IChallengesErrors.NoContradiction.selector);
        court.proveEquivocation(made, leaves[0], other, foreign);
        (other.node, other.seq) = (address(vault), 0);
        bytes memory unbilled = signed(other, operatorKey);
        refused(IChallengesErrors.NoContradiction.selector);
        court.proveEquivocation(made, leaves[0], other, unbilled);
    }

    function test_AKeyThatWasRotatedOutSpeaksOnlyForItsOwnTime() public {
        vm.prank(owner);
        registry.rotateOperator(address(vault), alice);
        vm.warp(block.timestamp + 1);
        (BatchHeader memory made, Leaf[] memory leaves) = postReceipts(two());
        UsageReceipt memory other = receipt;
        other.finishedAt = uint64(block.timestamp);
        bytes memory leaked = signed(other, operatorKey);

        refused(IChallengesErrors.WrongOperatorSigner.selector);
        court.proveEquivocation(made, leaves[0], other, leaked);
        other.finishedAt -= 1; // before the rotation
        bytes memory own = signed(other, operatorKey);
        court.proveEquivocation(made, leaves[0], other, own);
        dead(made);
    }

    // ---- over-claim ------------------------------------------------------------------------------------------------

    function collect(uint128 amount) internal returns (IChannelEscrow.ChannelConfig memory config) {
        config = channelOf(address(vault));
        deposit(config, 1 ether);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, amount, amount, payerKey);
        vm.prank(operator);
        vault.claimVouchers(claims);
    }

    function witnessOf(IChannelEscrow.ChannelConfig memory config, uint256 count) internal view returns (bytes memory) {
        return Trees.stateWitness(first(count), StateTree.chargedKey(escrow.getChannelId(config)));
    }

    function test_AVaultThatClaimsMoreThanItChargedContradictsItself() public {
        IChannelEscrow.ChannelConfig memory config = collect(receipt.fee + 1);
        BatchHeader memory made = header();
        post(made);
        bytes memory wrong = witnessOf(config, 0);
        bytes memory witness = witnessOf(config, tree.length);

        refused(IChallengesErrors.WrongState.selector);
        court.proveOverClaim(made, config, wrong);
        court.proveOverClaim(made, config, witness);
        dead(made);
    }

    function test_WhatWasChargedMayBeClaimed() public {
        IChannelEscrow.ChannelConfig memory config = collect(receipt.fee);
        BatchHeader memory made = header();
        post(made);
        bytes memory witness = witnessOf(config, tree.length);

        refused(IChallengesErrors.NoContradiction.selector);
        court.proveOverClaim(made, config, witness);
    }

    function test_OnlyChannelsThatPayTheVaultInItsTokenCount() public {
        BatchHeader memory made = header();
        post(made);
        IChannelEscrow.ChannelConfig[5] memory configs;
        for (uint256 i = 0; i < 5; ++i) {
            configs[i] = channelOf(address(vault));
        }
        configs[0].receiver = alice;
        configs[1].receiverAuthorizer = alice;
        configs[2].payerAuthorizer = address(0);
        configs[3].token = alice;
        for (uint256 i = 0; i < 4; ++i) {
            refused(IChallengesErrors.ForeignChannel.selector);
            court.proveOverClaim(made, configs[i], "");
        }
    }

    function test_OnlyTheNewestHeaderOfALivingLedgerIsCompared() public {
        IChannelEscrow.ChannelConfig memory config = channelOf(address(vault));
        BatchHeader memory made = header();
        post(made);
        BatchHeader memory next = nextHeader(vault, "state", 1 ether);
        post(next);
        refused(IChallengesErrors.NotNewest.selector);
        court.proveOverClaim(made, config, "");

        vm.warp(block.timestamp + DELAY);
        vm.prank(owner);
        settlement.close(address(vault));
        refused(IChallengesErrors.ClosedLedger.selector);
        court.proveOverClaim(next, config, "");
    }
}
