// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Challenges} from "../src/Challenges.sol";
import {Judge} from "../src/Judge.sol";
import {DatanetLink, Terms} from "../src/interfaces/IAssetRegistry.sol";
import {Leaf} from "../src/interfaces/IChallenges.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {Context, InferenceRequest, UsageReceipt} from "../src/interfaces/IJudge.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {PriceList} from "../src/interfaces/INodeRegistry.sol";
import {Evidence} from "../src/judge/Evidence.sol";
import {ReceiptHash} from "../src/libraries/ReceiptHash.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {StructHash} from "../src/libraries/StructHash.sol";
import {TaggedHash} from "../src/libraries/TaggedHash.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @dev The world with its judge and its challenges, and the first receipt of the node with everything it refers to.
abstract contract Bench is World {
    using TaggedHash for uint8;

    Judge internal judge;
    Challenges internal court;

    PriceList internal list;
    Terms internal terms;
    UsageReceipt internal receipt;
    InferenceRequest internal request;
    Trees.Leaf[] internal tree; // the state after the receipt, in the order in which its keys are touched
    uint64 internal served; // when the request started, unix seconds

    receive() external payable virtual {}

    function setUp() public virtual override {
        challenges = vm.computeCreateAddress(address(this), vm.getNonce(address(this)) + 5);
        super.setUp();
        judge = new Judge(registry, assets, escrow);
        court = new Challenges(address(manager), settlement, escrow, judge, NOTICE);
        equal(address(court), challenges, "the address that Settlement knows");
        vm.deal(address(this), 100 ether);
        served = uint64(block.timestamp) + 1 hours;
        registerPrices();
        registerTerms();
        vm.warp(served + 10);
        serve();
    }

    function registerPrices() private {
        vm.prank(owner);
        registry.registerPriceList(address(vault), 0, 2 ether, 1 ether, 8 ether, 1e13, alice, 0);
        list = PriceList(address(vault), 0, 2 ether, 1 ether, 8 ether, 1e13, alice, 100_000);
    }

    function registerTerms() private {
        bytes32 datanetId = assets.createDatanet("skin", "");
        assets.publishDatanetVersion(datanetId, "content", "contributors", 10, 2);
        bytes32 adapterId = assets.createAdapter("adapter", "");
        assets.commitAdapterVersion(keccak256(abi.encode(adapterId, bytes32("digest"), bytes32("base"), bytes32("s"))));
        vm.warp(block.timestamp + 1 minutes);
        terms.adapterKey = assets.publishAdapterVersion(adapterId, "digest", "base", "s");
        terms.owner = address(this);
        terms.royaltyPpm = 200_000;
        terms.dataPpm = 500_000;
        terms.manifestDigest = "manifest";
        terms.datanets.push(DatanetLink(datanetId, 1, 1_000_000));
        assets.registerTerms(terms, 0);
    }

    /// @dev 1,000 prompt tokens, 500 cached and 100 generated cost 0.0033 OPEN.
    function serve() private {
        receipt.node = address(vault);
        receipt.seq = 1;
        receipt.channelId = escrow.getChannelId(channelOf(address(vault)));
        receipt.adapterKey = terms.adapterKey;
        receipt.priceHash = registry.priceHashAt(address(vault), 0, served);
        receipt.termsHash = assets.termsHashAt(terms.adapterKey, served);
        receipt.attributionVersion = 1;
        (receipt.tokensIn, receipt.tokensCached, receipt.tokensOut) = (1000, 500, 100);
        receipt.fee = 0.0033 ether;
        receipt.voucherMax = 1 ether;
        (receipt.startedAt, receipt.finishedAt) = (served, served + 5);
        request = InferenceRequest(
            address(vault), receipt.channelId, terms.adapterKey, "body", 1 ether, receipt.priceHash, 7, served + 300
        );
        receipt.requestDigest = digestOf(this.hashOf(request));

        bytes32 datanet = keccak256(abi.encode(terms.datanets[0].datanetId, uint32(1)));
        tree.push(Trees.Leaf(StateTree.chargedKey(receipt.channelId), 0.0033 ether));
        tree.push(earned(TREASURY, 0, 0.00033 ether));
        tree.push(earned(address(this), 0.00066 ether));
        tree.push(earned(DATANET, datanet, 0.00165 ether));
        tree.push(earned(alice, 0.00066 ether));
    }

    // ---- what the operator shows -----------------------------------------------------------------------------------

    function evidence() internal view returns (Evidence memory shown) {
        shown.config = channelOf(address(vault));
        shown.voucherSignature = signature(payerKey, escrow.getVoucherDigest(receipt.channelId, receipt.voucherMax));
        shown.priceList = list;
        shown.terms = new Terms[](1);
        shown.terms[0] = terms;
        shown.requests = new InferenceRequest[](1);
        shown.requests[0] = request;
        shown.requestSignature = signature(payerKey, digestOf(this.hashOf(request)));
        shown.witnesses = new bytes[](tree.length);
        for (uint256 i = 0; i < tree.length; ++i) {
            shown.witnesses[i] = Trees.stateWitness(first(i), tree[i].key);
        }
    }

    /// @dev The first leaves of the state after the receipt.
    function first(uint256 count) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](count);
        for (uint256 i = 0; i < count; ++i) {
            leaves[i] = tree[i];
        }
    }

    function context() internal view returns (Context memory) {
        return Context(
            address(vault),
            address(open),
            ReceiptHash.domainSeparator(address(settlement)),
            1,
            StateTree.stateRoot(0, 0),
            rootOf(first(tree.length), receipt.fee),
            0,
            uint64(block.timestamp)
        );
    }

    function leaf() internal view returns (Leaf memory) {
        Context memory place = context();
        return Leaf(0, this.hashOf(receipt), place.rootBefore, place.rootAfter, new bytes32[](0));
    }

    /// @dev The header of the receipt alone.
    function header() internal view returns (BatchHeader memory made) {
        return headerOf(leaf());
    }

    function headerOf(Leaf memory only) internal view returns (BatchHeader memory made) {
        made = BatchHeader(
            address(vault),
            1,
            1,
            1,
            0,
            StateTree.stateRoot(0, 0),
            only.rootAfter,
            receipt.fee,
            hashOf(only),
            uint64(block.timestamp)
        );
    }

    function hashOf(Leaf memory one) internal pure returns (bytes32) {
        return TaggedHash.RECEIPT_LEAF.hash(one.receiptHash, one.rootBefore, one.rootAfter);
    }

    // ---- hashes of the libraries, which take calldata ----------------------------------------------------------------

    function hashOf(UsageReceipt calldata value) external pure returns (bytes32) {
        return ReceiptHash.hash(value);
    }

    function hashOf(InferenceRequest calldata value) external pure returns (bytes32) {
        return ReceiptHash.hash(value);
    }

    function digestOf(bytes32 structHash) internal view returns (bytes32) {
        bytes32 domain = ReceiptHash.domainSeparator(address(settlement));
        return keccak256(abi.encodePacked("\x19\x01", domain, structHash));
    }
}
