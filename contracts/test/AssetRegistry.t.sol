// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetRegistry} from "../src/AssetRegistry.sol";
import {DatanetLink, DatanetVersion, Terms} from "../src/interfaces/IAssetRegistry.sol";
import {Windows} from "../src/libraries/Windows.sol";
import {World} from "./World.sol";

contract AssetRegistryTest is World {
    bytes32 internal skin;
    bytes32 internal heart;
    bytes32 internal adapterKey;

    function setUp() public override {
        super.setUp();
        vm.startPrank(alice);
        skin = assets.createDatanet("skin", "skin.example");
        heart = assets.createDatanet("heart", "heart.example");
        if (heart < skin) (skin, heart) = (heart, skin); // links are listed in ascending order
        assets.publishDatanetVersion(skin, "content", "contributors", 100, 4);
        assets.publishDatanetVersion(heart, "content", "contributors", 100, 4);
        bytes32 adapterId = assets.createAdapter("adapter", "adapter.example");
        adapterKey = assets.publishAdapterVersion(adapterId, "weights", "base");
        vm.stopPrank();
    }

    function termsOf(uint32 royaltyPpm) internal view returns (Terms memory terms) {
        terms.adapterKey = adapterKey;
        terms.owner = alice;
        terms.royaltyPpm = royaltyPpm;
        terms.dataPpm = 500_000;
        terms.evidencePpm = 500_000;
        terms.manifestDigest = "manifest";
        terms.datanets = new DatanetLink[](2);
        terms.datanets[0] = DatanetLink(skin, 1, 400_000);
        terms.datanets[1] = DatanetLink(heart, 1, 600_000);
    }

    function register(Terms memory terms, uint64 from) internal returns (bytes32) {
        vm.prank(alice);
        return assets.registerTerms(terms, from);
    }

    function refused(Terms memory terms, bytes4 reason) internal {
        vm.prank(alice);
        vm.expectPartialRevert(reason);
        assets.registerTerms(terms, 0);
    }

    // ---- Datanets and adapters -------------------------------------------------------------------------------------

    function test_IdsFollowFromTheirCreator() public {
        vm.prank(bob);
        bytes32 other = assets.createDatanet("skin", "");

        equal(other, keccak256(abi.encode(bob, bytes32("skin"))), "id");
        check(other != skin, "nobody takes another's id");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.AlreadyExists.selector, other));
        assets.createDatanet("skin", "");
    }

    function test_VersionsCountFromOneAndStayAsPublished() public {
        vm.prank(alice);
        equal(assets.publishDatanetVersion(skin, "more", "others", 7, 2), 2, "version");

        equal(assets.latestDatanetVersion(skin), 2, "latest");
        DatanetVersion memory first = assets.datanetVersion(skin, 1);
        equal(first.contributorsRoot, "contributors", "version 1");
        equal(assets.datanetVersion(skin, 2).totalWeight, 7, "version 2");
        equal(assets.datanetVersion(skin, 3).contributorCount, 0, "no version 3");
    }

    function test_OnlyTheStewardPublishesAndOnlyWholeVersions() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.NotSteward.selector, bob));
        assets.publishDatanetVersion(skin, "content", "contributors", 1, 1);
        vm.startPrank(alice);
        vm.expectRevert(AssetRegistry.InvalidVersion.selector);
        assets.publishDatanetVersion(skin, "content", 0, 1, 1);
        vm.expectRevert(AssetRegistry.InvalidVersion.selector);
        assets.publishDatanetVersion(skin, "content", "contributors", 0, 1);
        vm.expectRevert(AssetRegistry.InvalidVersion.selector);
        assets.publishDatanetVersion(skin, "content", "contributors", 1, 0);
    }

    function test_AnAdapterVersionIsNamedByWhatItIs() public {
        bytes32 adapterId = assets.adapterVersion(adapterKey).adapterId;
        equal(
            adapterKey, keccak256(abi.encode(adapterId, uint32(1), bytes32("weights"), bytes32("base"))), "adapterKey"
        );
        vm.prank(alice);
        bytes32 next = assets.publishAdapterVersion(adapterId, "weights", "base");
        check(next != adapterKey && assets.adapterVersion(next).version == 2, "version 2 of the same weights");

        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.NotOwner.selector, bob));
        assets.publishAdapterVersion(adapterId, "weights", "base");
        vm.prank(alice);
        vm.expectRevert(AssetRegistry.InvalidVersion.selector);
        assets.publishAdapterVersion(adapterId, 0, "base");
    }

    // ---- terms -----------------------------------------------------------------------------------------------------

    function test_TermsHoldAtOnceAndSuccessorsAfterNotice() public {
        uint64 start = uint64(block.timestamp);
        bytes32 first = register(termsOf(200_000), 0);
        bytes32 second = register(termsOf(100_000), 0);

        equal(assets.termsHashAt(adapterKey, start - 1), 0, "before");
        equal(assets.termsHashAt(adapterKey, start + NOTICE - 1), first, "first");
        equal(assets.termsHashAt(adapterKey, start + NOTICE), second, "second");
        (Terms memory stored, uint64 from, uint64 until) = assets.terms(first);
        equal(keccak256(abi.encode(stored)), keccak256(abi.encode(termsOf(200_000))), "preimage");
        equal(from, start, "from");
        equal(until, start + NOTICE, "until");
        vm.prank(alice);
        vm.expectPartialRevert(Windows.WindowTooEarly.selector);
        assets.registerTerms(termsOf(0), start + 1);
    }

    function test_TermsCanReturn() public {
        uint64 start = uint64(block.timestamp);
        bytes32 first = register(termsOf(200_000), 0);
        register(termsOf(100_000), 0);
        equal(register(termsOf(200_000), 0), first, "same terms");

        (Terms memory stored, uint64 from,) = assets.terms(first);
        equal(stored.datanets.length, 2, "stored once");
        equal(from, start + NOTICE + 1, "newest window");
    }

    function test_OnlyTheAdaptersOwnerSetsTermsAndInItsOwnName() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(AssetRegistry.NotOwner.selector, bob));
        assets.registerTerms(termsOf(0), 0);
        Terms memory terms = termsOf(0);
        terms.owner = bob;
        refused(terms, AssetRegistry.NotOwner.selector);
        terms = termsOf(0);
        terms.adapterKey = "unknown";
        refused(terms, AssetRegistry.UnknownAdapter.selector);
    }

    function test_PartsNeverExceedTheWhole() public {
        refused(termsOf(300_001), AssetRegistry.InvalidShares.selector); // 200,000 are kept for the treasury
        Terms memory terms = termsOf(300_000);
        terms.evidencePpm = 1_000_001;
        refused(terms, AssetRegistry.InvalidShares.selector);
        terms = termsOf(0);
        terms.datanets[1].ppm = 600_001;
        refused(terms, AssetRegistry.InvalidShares.selector);
        terms = termsOf(0);
        terms.datanets[0].ppm = 0;
        terms.datanets[1].ppm = 1_000_000;
        refused(terms, AssetRegistry.InvalidShares.selector);
        terms = termsOf(type(uint32).max);
        terms.dataPpm = type(uint32).max;
        refused(terms, AssetRegistry.InvalidShares.selector);
        register(termsOf(300_000), 0);
    }

    function test_LinksAreSortedUniqueAndPublished() public {
        Terms memory terms = termsOf(0);
        (terms.datanets[0], terms.datanets[1]) = (terms.datanets[1], terms.datanets[0]);
        refused(terms, AssetRegistry.UnsortedLinks.selector);
        terms = termsOf(0);
        terms.datanets[1] = terms.datanets[0];
        refused(terms, AssetRegistry.UnsortedLinks.selector);
        terms = termsOf(0);
        terms.datanets[1].version = 2;
        refused(terms, AssetRegistry.UnknownDatanetVersion.selector);
        terms.datanets[1].version = 0;
        refused(terms, AssetRegistry.UnknownDatanetVersion.selector);
    }

    function test_TwoVersionsOfOneDatanetAreTwoLinks() public {
        vm.prank(alice);
        assets.publishDatanetVersion(skin, "more", "others", 7, 2);
        Terms memory terms = termsOf(0);
        terms.datanets[1] = DatanetLink(skin, 2, 600_000);

        register(terms, 0);
    }

    function test_AtMostSixteenLinksAndNoneOnlyWithoutADataPart() public {
        Terms memory terms = termsOf(0);
        terms.datanets = new DatanetLink[](17);
        for (uint32 i = 0; i < 17; ++i) {
            vm.prank(alice);
            assets.publishDatanetVersion(skin, "content", "contributors", 1, 1);
            terms.datanets[i] = DatanetLink(skin, i + 1, i == 0 ? 1_000_000 - 16 : 1);
        }
        refused(terms, AssetRegistry.InvalidShares.selector);

        terms.datanets = new DatanetLink[](0);
        refused(terms, AssetRegistry.InvalidShares.selector);
        terms.dataPpm = 0;
        register(terms, 0);
    }

    function test_UnknownTermsHaveNoWindow() public view {
        (, uint64 from, uint64 until) = assets.terms("nothing");
        equal(from + until, 0, "window");
    }
}
