// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DatanetLink, Terms} from "../src/interfaces/IAssetRegistry.sol";
import {IJudge} from "../src/interfaces/IJudge.sol";
import {Context, InferenceRequest} from "../src/interfaces/IJudge.sol";
import {IJudgeErrors} from "../src/interfaces/IJudgeErrors.sol";
import {IStateTreeErrors} from "../src/interfaces/IStateTreeErrors.sol";
import {Evidence} from "../src/judge/Evidence.sol";
import {Bench} from "./Bench.sol";
import {Trees} from "./Trees.sol";

/// @notice Each rule of the ledger, broken once. Random receipts are compared with Python in tests/contracts.
contract JudgeTest is Bench {
    function confirm(Context memory place, Evidence memory shown) internal view {
        judge.judge(place, receipt, abi.encode(shown));
    }

    function refused(bytes4 fault) internal {
        refused(fault, evidence());
    }

    function refused(bytes4 fault, Evidence memory shown) internal {
        refused(fault, context(), shown);
    }

    function refused(bytes4 fault, Context memory place, Evidence memory shown) internal {
        vm.expectPartialRevert(fault);
        confirm(place, shown);
    }

    /// @dev Signs the request again after a change of it, and names it in the receipt.
    function agree() internal {
        receipt.requestDigest = digestOf(this.hashOf(request));
    }

    function test_AnHonestReceiptIsConfirmed() public view {
        confirm(context(), evidence());
    }

    function test_AVoucherOfExactlyTheChargeIsConsentToo() public {
        receipt.voucherMax = receipt.fee;
        receipt.requestDigest = escrow.getVoucherDigest(receipt.channelId, receipt.fee);
        Evidence memory shown = evidence();
        shown.requests = new InferenceRequest[](0);

        confirm(context(), shown);
    }

    function test_AnOwnerWhoIsTheOperatorHasOneLine() public {
        vm.prank(owner);
        registry.registerPriceList(address(vault), terms.adapterKey, 2 ether, 1 ether, 8 ether, 1e13, address(this), 0);
        (list.adapterKey, list.operatorPayee) = (terms.adapterKey, address(this));
        served = uint64(block.timestamp);
        receipt.priceHash = registry.priceHashAt(address(vault), terms.adapterKey, served);
        (receipt.startedAt, receipt.finishedAt, request.priceHash) = (served, served, receipt.priceHash);
        agree();
        tree[2].value += tree[4].value;
        tree.pop();

        confirm(context(), evidence());
    }

    function test_T1() public {
        receipt.node = alice;
        refused(IJudgeErrors.WrongNode.selector);
        receipt.node = address(vault);
        receipt.seq = 2;
        refused(IJudgeErrors.WrongSeq.selector);
        receipt.seq = 1;
        receipt.status = 2;
        refused(IJudgeErrors.NotCharged.selector);
        (receipt.status, receipt.fee) = (0, 0);
        refused(IJudgeErrors.NotCharged.selector);
    }

    function test_T2() public {
        Evidence memory shown = evidence();
        shown.config.salt = "other";
        refused(IJudgeErrors.WrongChannel.selector, shown);
        receipt.channelId = escrow.getChannelId(channelOf(alice));
        shown = evidence();
        shown.config = channelOf(alice);
        refused(IJudgeErrors.ForeignChannel.selector, shown);
        shown.config = channelOf(address(vault));
        shown.config.payerAuthorizer = address(0);
        receipt.channelId = escrow.getChannelId(shown.config);
        refused(IJudgeErrors.NoPayerAuthorizer.selector, shown);
        receipt.channelId = escrow.getChannelId(channelOf(address(vault)));
        shown = evidence();
        shown.voucherSignature[40] ^= 0x01;
        refused(IJudgeErrors.WrongVoucherSigner.selector, shown);
        shown.voucherSignature = "";
        refused(IJudgeErrors.WrongVoucherSigner.selector, shown);
    }

    function test_T3Prices() public {
        Evidence memory shown = evidence();
        shown.priceList.minFee += 1;
        refused(IJudgeErrors.WrongPriceList.selector, shown);
        shown = evidence();
        shown.priceList.node = alice;
        bytes32 kept = receipt.priceHash;
        receipt.priceHash = keccak256(abi.encode(priceListType(), shown.priceList));
        refused(IJudgeErrors.ForeignPriceList.selector, shown);
        receipt.priceHash = kept;
        receipt.fee += 1;
        refused(IJudgeErrors.WrongFee.selector);
        receipt.fee -= 1;
        receipt.startedAt = 1;
        refused(IJudgeErrors.PriceListNotInForce.selector);
    }

    function priceListType() internal pure returns (bytes32) {
        return keccak256(
            "PriceList(address node,bytes32 adapterKey,uint96 promptPerM,uint96 cachedPerM,uint96 outputPerM,uint96 minFee,address operatorPayee,uint32 treasuryPpm)"
        );
    }

    function test_T3Terms() public {
        Evidence memory shown = evidence();
        shown.terms = new Terms[](0);
        refused(IJudgeErrors.WrongTerms.selector, shown);
        bytes32 kept = receipt.termsHash;
        receipt.termsHash = 0;
        refused(IJudgeErrors.TermsMissing.selector, shown);
        refused(IJudgeErrors.WrongTerms.selector);
        receipt.termsHash = kept;
        receipt.adapterKey = "other";
        refused(IJudgeErrors.ForeignTerms.selector);
        receipt.adapterKey = terms.adapterKey;
        terms.royaltyPpm += 1;
        assets.registerTerms(terms, 0);
        shown = evidence();
        receipt.termsHash = assets.termsHashAt(terms.adapterKey, uint64(block.timestamp) + 1 days);
        refused(IJudgeErrors.TermsNotInForce.selector, shown);
    }

    function test_T4() public {
        receipt.cumBefore = 1;
        refused(IJudgeErrors.WrongCharge.selector);
        receipt.cumBefore = 0;
        receipt.voucherMax = receipt.fee - 1;
        refused(IJudgeErrors.AboveVoucher.selector);
    }

    function test_T5() public {
        receipt.attributionVersion = 2;
        refused(IJudgeErrors.UnknownAttribution.selector);
        receipt.attributionVersion = 1;
        receipt.sharesHash = "shares";
        refused(IJudgeErrors.UnexpectedShares.selector);
    }

    function test_T6() public {
        Context memory place = context();
        place.rootAfter = "other";
        refused(IJudgeErrors.WrongStateAfter.selector, place, evidence());
        (tree[1].value, tree[2].value) = (tree[1].value + 1, tree[2].value - 1);
        refused(IJudgeErrors.WrongStateAfter.selector, context(), evidence0());
        Evidence memory shown = evidence0();
        shown.cumTotal = type(uint128).max;
        place = context();
        place.rootBefore = keccak256(abi.encodePacked(uint8(4), bytes32(0), uint256(type(uint128).max)));
        refused(IJudgeErrors.TotalTooLarge.selector, place, shown);
    }

    /// @dev Honest evidence of the lines, whatever the operator booked.
    function evidence0() internal returns (Evidence memory shown) {
        Trees.Leaf[] memory booked = first(tree.length);
        (tree[1].value, tree[2].value) = (0.00033 ether, 0.00066 ether);
        shown = evidence();
        (tree[1].value, tree[2].value) = (booked[1].value, booked[2].value);
    }

    function test_T7() public {
        Context memory place = context();
        place.prevClosedAt = receipt.finishedAt + 1;
        refused(IJudgeErrors.FinishedOutsideBatch.selector, place, evidence());
        place = context();
        place.closedAt = receipt.finishedAt - 1;
        refused(IJudgeErrors.FinishedOutsideBatch.selector, place, evidence());
        receipt.finishedAt = receipt.startedAt - 1;
        refused(IJudgeErrors.WrongDuration.selector);
        vm.warp(block.timestamp + 1 days);
        receipt.finishedAt = receipt.startedAt + 1 hours + 1;
        refused(IJudgeErrors.WrongDuration.selector);
        receipt.finishedAt -= 1;
        confirm(context(), evidence());
    }

    function test_T9() public {
        Evidence memory shown = evidence();
        shown.requests = new InferenceRequest[](0);
        refused(IJudgeErrors.WrongRequest.selector, shown);
        shown = evidence();
        shown.requests[0].nonce += 1;
        refused(IJudgeErrors.WrongRequest.selector, shown);
        shown = evidence();
        shown.requestSignature = shown.voucherSignature;
        refused(IJudgeErrors.WrongRequestSigner.selector, shown);
        request.maxFee = receipt.fee - 1;
        agree();
        refused(IJudgeErrors.FeeAboveMaximum.selector);
        (request.maxFee, request.adapterKey) = (receipt.fee, 0);
        agree();
        refused(IJudgeErrors.RequestDisagrees.selector);
    }

    function test_EvidenceThatDoesNotFitReverts() public {
        Evidence memory shown = evidence();
        shown.treeRoot = "other";
        refused(IJudgeErrors.WrongStateBefore.selector, shown);
        shown = evidence();
        shown.witnesses[0] = Trees.stateWitness(first(2), tree[0].key);
        refused(IJudgeErrors.WrongWitness.selector, shown);
        shown = evidence();
        shown.witnesses[3] = Trees.stateWitness(first(2), tree[3].key);
        refused(IJudgeErrors.WrongWitness.selector, shown);
        shown.witnesses = new bytes[](0);
        refused(IJudgeErrors.WrongWitnessCount.selector, shown);
        shown = evidence();
        bytes[] memory more = new bytes[](6);
        for (uint256 i = 0; i < 5; ++i) {
            more[i] = shown.witnesses[i];
        }
        shown.witnesses = more;
        refused(IJudgeErrors.WrongWitnessCount.selector, shown);
        bytes[] memory fewer = new bytes[](4);
        for (uint256 i = 0; i < 4; ++i) {
            fewer[i] = more[i];
        }
        shown.witnesses = fewer;
        refused(IJudgeErrors.WrongWitnessCount.selector, shown);
        shown = evidence();
        shown.terms = new Terms[](2);
        refused(IJudgeErrors.AmbiguousEvidence.selector, shown);
        shown = evidence();
        shown.requests = new InferenceRequest[](2);
        refused(IJudgeErrors.AmbiguousEvidence.selector, shown);
    }

    function testFuzz_EvidenceOfRandomBytesReverts(bytes memory junk) public {
        vm.expectRevert();
        judge.judge(context(), receipt, junk);
    }
}
