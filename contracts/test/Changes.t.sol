// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DatanetLink, Terms} from "../src/interfaces/IAssetRegistry.sol";
import {IJudgeErrors} from "../src/interfaces/IJudgeErrors.sol";
import {PriceList} from "../src/interfaces/INodeRegistry.sol";
import {Changes} from "../src/judge/Changes.sol";
import {Check} from "./Check.sol";

/// @notice The split of a fee. The registries accept no parts above the whole, so no receipt reaches that rule.
contract ChangesTest is Check {
    using Changes for Changes.Map;

    function split(uint256 fee, PriceList calldata list, Terms[] calldata terms)
        external
        pure
        returns (uint256 count, uint256 total)
    {
        Changes.Map memory changes = Changes.allocate(4);
        changes.addLines(fee, list, terms);
        for (uint256 i = 0; i < changes.count; ++i) {
            total += changes.growths[i];
        }
        count = changes.count;
    }

    function parts(uint32 treasuryPpm, uint32 royaltyPpm, uint32 dataPpm)
        private
        pure
        returns (PriceList memory list, Terms[] memory terms)
    {
        list.treasuryPpm = treasuryPpm;
        list.operatorPayee = address(1);
        terms = new Terms[](1);
        terms[0].owner = address(2);
        terms[0].royaltyPpm = royaltyPpm;
        terms[0].dataPpm = dataPpm;
        terms[0].datanets = new DatanetLink[](1);
        terms[0].datanets[0] = DatanetLink("skin", 1, 1_000_000);
    }

    function testFuzz_LinesAddUpToTheFee(uint128 fee, uint32 treasuryPpm, uint32 royaltyPpm, uint32 dataPpm)
        public
        view
    {
        treasuryPpm = uint32(bound(treasuryPpm, 0, 1_000_000));
        royaltyPpm = uint32(bound(royaltyPpm, 0, 1_000_000 - treasuryPpm));
        dataPpm = uint32(bound(dataPpm, 0, 1_000_000 - treasuryPpm - royaltyPpm));
        (PriceList memory list, Terms[] memory terms) = parts(treasuryPpm, royaltyPpm, dataPpm);

        (uint256 count, uint256 total) = this.split(fee, list, terms);

        equal(count, 4, "treasury, owner, Datanet and operator");
        equal(total, fee, "total");
    }

    function test_PartsAboveTheFeeAreNoSplit() public {
        (PriceList memory list, Terms[] memory terms) = parts(200_000, 400_000, 400_001);

        vm.expectRevert(abi.encodeWithSelector(IJudgeErrors.SplitAboveFee.selector, 1_000_001, 1_000_000));
        this.split(1_000_000, list, terms);
    }
}
