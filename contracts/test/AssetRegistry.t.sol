// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssetRegistry} from "../src/AssetRegistry.sol";
import {DatanetLink, DatanetVersion, Terms} from "../src/interfaces/IAssetRegistry.sol";
import {IAssetRegistryErrors as Errors} from "../src/interfaces/IAssetRegistryErrors.sol";
import {IWindowErrors} from "../src/interfaces/IWindowErrors.sol";
import {World} from "./World.sol";

contract AssetRegistryTest is World {
    bytes32 internal skin;
    bytes32 internal heart;
    bytes32 internal adapterId;
    bytes32 internal adapterKey;

    function setUp() public override {
        super.setUp();
        vm.startPrank(alice);
        skin = assets.createDatanet("skin", "skin.example");
        heart = assets.createDatanet("heart", "heart.example");
        if (heart < skin) (skin, heart) = (heart, skin); // links are listed in ascending order
        assets.publishDatanetVersion(skin, "content", "contributors", 100, 4);
        assets.publishDatanetVersion(heart, "content", "contributors", 100, 4);
        adapterId = assets.createAdapter("adapter", "adapter.example");
        assets.commitAdapterVersion(commitmentTo(adapterId, "weights"));
        vm.warp(block.timestamp + 1 minutes);
        adapterKey = assets.publishAdapterVersion(adapterId, "weights", "base", "salt");
        vm.stopPrank();
    }

    function commitmentTo(bytes32 id, bytes32 digest) internal pure returns (bytes32) {
        return keccak256(abi.encode(id, digest, bytes32("base"), bytes32("salt")));
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

    function refused(Terms memory terms, bytes memory reason) internal {
        vm.prank(alice);
        vm.expectRevert(reason);
        assets.registerTerms(terms, 0);
    }

    // ---- Datanets and adapters -------------------------------------------------------------------------------------

    function test_IdsFollowFromTheirCreator() public {
        vm.prank(bob);
        bytes32 other = assets.createDatanet("skin", "");

        equal(other, keccak256(abi.encode(bob, bytes32("skin"))), "id");
        equal(assets.stewardOf(other), bob, "steward");
        equal(assets.ownerOf(adapterId), alice, "owner");
        equal(assets.ownerOf(other), address(0), "a Datanet is no adapter");
        check(other != skin, "nobody takes another's id");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(Errors.DatanetAlreadyExists.selector, other));
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
        vm.expectRevert(abi.encodeWithSelector(Errors.NotSteward.selector, skin, bob, alice));
        assets.publishDatanetVersion(skin, "content", "contributors", 1, 1);
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroContributorsRoot.selector, skin));
        assets.publishDatanetVersion(skin, "content", 0, 1, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroTotalWeight.selector, skin));
        assets.publishDatanetVersion(skin, "content", "contributors", 0, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroContributorCount.selector, skin));
        assets.publishDatanetVersion(skin, "content", "contributors", 1, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotSteward.selector, bytes32("none"), alice, address(0)));
        assets.publishDatanetVersion("none", "content", "contributors", 1, 1);
    }

    function test_AnAdapterVersionIsNamedByWhatItIs() public {
        equal(assets.adapterVersion(adapterKey).adapterId, adapterId, "adapterId");
        equal(
            adapterKey, keccak256(abi.encode(adapterId, uint32(1), bytes32("weights"), bytes32("base"))), "adapterKey"
        );
        vm.prank(alice);
        bytes32 next = assets.publishAdapterVersion(adapterId, "weights", "base", 0);
        check(next != adapterKey && assets.adapterVersion(next).version == 2, "version 2 of the same weights");

        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotOwner.selector, adapterId, bob, alice));
        assets.publishAdapterVersion(adapterId, "weights", "base", 0);
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroAdapterDigest.selector, adapterId));
        assets.publishAdapterVersion(adapterId, 0, "base", 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroBaseDigest.selector, adapterId));
        assets.publishAdapterVersion(adapterId, "weights", 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.AdapterAlreadyExists.selector, adapterId));
        assets.createAdapter("adapter", "");
    }

    // ---- commit and reveal -----------------------------------------------------------------------------------------

    function test_WhoeverReadsADigestInAPublicationComesTooLate() public {
        vm.startPrank(bob);
        bytes32 copy = assets.createAdapter("copy", "");
        bytes32 commitment = commitmentTo(copy, "fresh");
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCommitted.selector, commitment));
        assets.publishAdapterVersion(copy, "fresh", "base", "salt");
        assets.commitAdapterVersion(commitment);
        uint64 earliest = uint64(block.timestamp) + 1 minutes;
        vm.warp(earliest - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.RevealTooEarly.selector, commitment, earliest));
        assets.publishAdapterVersion(copy, "fresh", "base", "salt");
        vm.warp(earliest);
        assets.publishAdapterVersion(copy, "fresh", "base", "salt");

        equal(assets.digestOwnerOf("fresh"), bob, "after the delay the digest is free to take");
    }

    function test_ADigestHasOneOwnerForEveryBaseModel() public {
        equal(assets.digestOwnerOf("weights"), alice, "the first who published it");
        vm.startPrank(bob);
        bytes32 copy = assets.createAdapter("copy", "");
        assets.commitAdapterVersion(keccak256(abi.encode(copy, bytes32("weights"), bytes32("other"), bytes32("salt"))));
        vm.warp(block.timestamp + 1 minutes);
        vm.expectRevert(abi.encodeWithSelector(Errors.DigestAlreadyPublished.selector, bytes32("weights"), alice));
        assets.publishAdapterVersion(copy, "weights", "other", "salt");
    }

    function test_ACommitmentIsMadeOnceAndACopyOfItIsOfNoUse() public {
        bytes32 commitment = commitmentTo(adapterId, "fresh");
        vm.prank(bob);
        assets.commitAdapterVersion(commitment);
        uint64 made = uint64(block.timestamp);
        vm.warp(made + 1 minutes);
        vm.prank(alice);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyCommitted.selector, commitment));
        assets.commitAdapterVersion(commitment);

        equal(assets.committedAt(commitment), made, "the first commitment counts, whoever made it");
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotOwner.selector, adapterId, bob, alice));
        assets.publishAdapterVersion(adapterId, "fresh", "base", "salt");
        vm.prank(alice);
        assets.publishAdapterVersion(adapterId, "fresh", "base", "salt");
        equal(assets.digestOwnerOf("fresh"), alice, "the owner of the adapter");
    }

    function test_ARevealNeedsADelay() public {
        vm.expectRevert(Errors.ZeroRevealDelay.selector);
        new AssetRegistry(NOTICE, 0);
    }

    // ---- terms -----------------------------------------------------------------------------------------------------

    function test_TermsHoldAtOnceAndSuccessorsAfterNotice() public {
        uint64 start = uint64(block.timestamp);
        bytes32 first = register(termsOf(200_000), 0);
        bytes32 second = register(termsOf(100_000), 0);

        equal(assets.termsHashAt(adapterKey, start - 1), 0, "before");
        equal(assets.termsHashAt(adapterKey, start + NOTICE - 1), first, "first");
        equal(assets.termsHashAt(adapterKey, start + NOTICE), second, "second");
        Terms memory stored = assets.terms(first);
        equal(keccak256(abi.encode(stored)), keccak256(abi.encode(termsOf(200_000))), "preimage");
        vm.startPrank(alice);
        vm.expectRevert(abi.encodeWithSelector(IWindowErrors.WindowTooEarly.selector, start + 1, start + NOTICE + 1));
        assets.registerTerms(termsOf(0), start + 1);
        uint64 latest = start + 90 days;
        vm.expectRevert(abi.encodeWithSelector(IWindowErrors.WindowTooLate.selector, latest + 1, latest));
        assets.registerTerms(termsOf(0), latest + 1);
        bytes32 third = assets.registerTerms(termsOf(0), latest);
        equal(assets.termsHashAt(adapterKey, latest), third, "90 days ahead");
    }

    function test_TermsCanReturn() public {
        uint64 start = uint64(block.timestamp);
        bytes32 first = register(termsOf(200_000), 0);
        register(termsOf(100_000), 0);
        equal(register(termsOf(200_000), 0), first, "same terms");

        equal(assets.terms(first).datanets.length, 2, "stored once");
        equal(assets.termsHashAt(adapterKey, start), first, "the old window stays");
        equal(assets.termsHashAt(adapterKey, start + NOTICE + 1), first, "and the new one is valid too");
    }

    function test_OnlyTheAdaptersOwnerSetsTermsAndInItsOwnName() public {
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotOwner.selector, adapterId, bob, alice));
        assets.registerTerms(termsOf(0), 0);
        Terms memory terms = termsOf(0);
        terms.owner = bob;
        refused(terms, abi.encodeWithSelector(Errors.WrongTermsOwner.selector, bob, alice));
        terms = termsOf(0);
        terms.adapterKey = "unknown";
        refused(terms, abi.encodeWithSelector(Errors.UnknownAdapter.selector, bytes32("unknown")));
    }

    function test_PartsNeverExceedTheWhole() public {
        // 200,000 are kept for the treasury
        refused(termsOf(300_001), abi.encodeWithSelector(Errors.FeePartsTooHigh.selector, 300_001, 500_000, 800_000));
        Terms memory terms = termsOf(300_000);
        terms.evidencePpm = 1_000_001;
        refused(terms, abi.encodeWithSelector(Errors.EvidencePpmTooHigh.selector, 1_000_001, 1_000_000));
        terms = termsOf(0);
        terms.datanets[1].ppm = 600_001;
        refused(terms, abi.encodeWithSelector(Errors.LinkPpmMismatch.selector, 1_000_001, 1_000_000));
        terms = termsOf(0);
        terms.datanets[0].ppm = 0;
        terms.datanets[1].ppm = 1_000_000;
        refused(terms, abi.encodeWithSelector(Errors.ZeroLinkPpm.selector, skin, 1));
        terms = termsOf(type(uint32).max);
        terms.dataPpm = type(uint32).max;
        uint32 most = type(uint32).max;
        refused(terms, abi.encodeWithSelector(Errors.FeePartsTooHigh.selector, most, most, 800_000));
        register(termsOf(300_000), 0);
    }

    function test_LinksAreSortedUniqueAndPublished() public {
        Terms memory terms = termsOf(0);
        (terms.datanets[0], terms.datanets[1]) = (terms.datanets[1], terms.datanets[0]);
        refused(terms, abi.encodeWithSelector(Errors.UnsortedLinks.selector, 1));
        terms = termsOf(0);
        terms.datanets[1] = terms.datanets[0];
        refused(terms, abi.encodeWithSelector(Errors.UnsortedLinks.selector, 1));
        terms = termsOf(0);
        terms.datanets[1].version = 2;
        refused(terms, abi.encodeWithSelector(Errors.UnknownDatanetVersion.selector, heart, 2, 1));
        terms.datanets[1].version = 0;
        refused(terms, abi.encodeWithSelector(Errors.UnknownDatanetVersion.selector, heart, 0, 1));
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
        refused(terms, abi.encodeWithSelector(Errors.TooManyLinks.selector, 17, 16));

        terms.datanets = new DatanetLink[](0);
        refused(terms, abi.encodeWithSelector(Errors.DataPartWithoutLinks.selector, 500_000));
        terms.dataPpm = 0;
        register(terms, 0);
    }

    function test_UnknownTermsAreEmpty() public view {
        equal(assets.terms("nothing").owner, address(0), "owner");
    }
}
