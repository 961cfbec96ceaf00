// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {OpenToken} from "../src/OpenToken.sol";
import {INodeRegistry, PriceList} from "../src/interfaces/INodeRegistry.sol";
import {INodes} from "../src/interfaces/INodes.sol";
import {IStakes} from "../src/interfaces/IStakes.sol";
import {IWindowErrors} from "../src/interfaces/IWindowErrors.sol";
import {World} from "./World.sol";

contract NodeRegistryTest is World {
    function priced(bytes32 adapterKey, uint96 outputPerM, uint64 from) internal returns (bytes32) {
        vm.prank(owner);
        return registry.registerPriceList(address(vault), adapterKey, 2, 1, outputPerM, 1, owner, from);
    }

    // ---- nodes and keys --------------------------------------------------------------------------------------------

    function test_AVaultIsWhereItWasPredicted() public {
        address expected = registry.vaultOf(alice, address(open), 0);
        vm.expectEmit();
        emit INodes.NodeRegistered(expected, alice, address(open), 0, bob, "https://node.example");

        NodeVault made = registerNode(alice, address(open), bob);

        equal(address(made), expected, "vault");
        equal(registry.ownerOf(expected), alice, "owner");
        equal(made.token(), address(open), "token");
        equal(registry.operatorOf(expected), bob, "operator");
        check(registry.isNode(expected) && !registry.isNode(alice), "isNode");
    }

    function test_OneVaultPerOwnerTokenAndIndex() public {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INodes.AlreadyRegistered.selector, address(vault)));
        registry.register(address(open), 0, operator, "");
        vm.prank(owner);
        address second = registry.register(address(open), 1, operator, "");
        equal(second, registry.vaultOf(owner, address(open), 1), "another index, another vault");

        OpenToken other = new OpenToken(payer, 1);
        check(address(registerNode(owner, address(other), operator)) != address(vault), "another token, another vault");
    }

    function test_ATokenIsOnTheListAndANodeHasAKey() public {
        OpenToken other = new OpenToken(payer, 1);
        vm.expectRevert(abi.encodeWithSelector(INodes.TokenNotAccepted.selector, address(other)));
        registry.register(address(other), 0, operator, "");
        vm.expectRevert(abi.encodeWithSelector(INodes.InvalidOperator.selector, address(0)));
        registry.register(address(open), 0, address(0), "");
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INodes.InvalidOperator.selector, address(0)));
        registry.rotateOperator(address(vault), address(0));
    }

    function test_ANewKeyLeavesThePastToTheOldOne() public {
        uint64 registered = uint64(block.timestamp);
        vm.warp(registered + 100);
        vm.prank(owner);
        registry.rotateOperator(address(vault), bob);

        equal(registry.operatorOf(address(vault)), operator, "still the old key's second");
        vm.warp(registered + 101);
        equal(registry.operatorOf(address(vault)), bob, "now the new one");
        equal(registry.operatorAt(address(vault), registered + 100), operator, "the past is kept");
        equal(registry.operatorAt(address(vault), registered - 1), address(0), "before the node");
    }

    function test_OnlyTheOwnerGoverns() public {
        bytes memory refusal = abi.encodeWithSelector(INodes.NotOwner.selector, address(vault), operator, owner);
        vm.startPrank(operator);
        vm.expectRevert(refusal);
        registry.rotateOperator(address(vault), operator);
        vm.expectRevert(refusal);
        registry.registerPriceList(address(vault), 0, 1, 1, 1, 1, operator, 0);
        vm.expectRevert(refusal);
        registry.startUnbonding(address(vault), 0);
        vm.expectRevert(refusal);
        registry.withdrawUnbonded(address(vault), operator);
    }

    // ---- prices ----------------------------------------------------------------------------------------------------

    function test_TheFirstPriceListHoldsAtOnceAndASuccessorAfterNotice() public {
        uint64 start = uint64(block.timestamp);
        bytes32 first = priced(0, 8, start + 1 days);
        vm.warp(start + 50);
        bytes32 second = priced(0, 9, 0);

        equal(registry.priceHashAt(address(vault), 0, start - 1), 0, "before the first");
        equal(registry.priceHashAt(address(vault), 0, start), first, "at once");
        equal(registry.priceHashAt(address(vault), 0, start + 50 + NOTICE - 1), first, "during the notice");
        equal(registry.priceHashAt(address(vault), 0, start + 50 + NOTICE), second, "after it");
        equal(registry.priceHashAt(address(vault), 0, type(uint64).max), second, "without an end");
    }

    function test_ASuccessorCannotCutTheNoticeShort() public {
        priced(0, 8, 0);
        uint64 earliest = uint64(block.timestamp) + NOTICE;

        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IWindowErrors.WindowTooEarly.selector, earliest - 1, earliest));
        registry.registerPriceList(address(vault), 0, 2, 1, 9, 1, owner, earliest - 1);
        bytes32 later = priced(0, 9, earliest + 7);
        equal(registry.priceHashAt(address(vault), 0, earliest + 7), later, "as requested");
    }

    function test_SuccessorsQueueUpInOrder() public {
        priced(0, 8, 0);
        uint64 requested = uint64(block.timestamp) + 2 * NOTICE;
        priced(0, 9, requested);
        bytes32 last = priced(0, 10, 0);

        equal(registry.priceHashAt(address(vault), 0, requested + 1), last, "right after the queued one");
    }

    function test_AReturnToOldPricesIsANewWindowOfTheSameList() public {
        uint64 start = uint64(block.timestamp);
        bytes32 first = priced(0, 8, 0);
        bytes32 second = priced(0, 9, 0);
        vm.warp(start + 2 * NOTICE);
        bytes32 again = priced(0, 8, 0);

        equal(again, first, "same list");
        equal(registry.priceHashAt(address(vault), 0, start + 3 * NOTICE), first, "newest window");
        equal(registry.priceHashAt(address(vault), 0, start), first, "its first window stays");
        equal(registry.priceHashAt(address(vault), 0, start + 3 * NOTICE - 1), second, "and the one between");
    }

    function test_APriceListCopiesTheTreasurysPartAndKeepsIt() public {
        bytes32 first = priced(0, 8, 0);
        vm.prank(admin);
        settlement.setTreasuryPpm(50_000);
        bytes32 early = priced("early", 8, 0);
        vm.warp(block.timestamp + NOTICE);
        bytes32 second = priced("adapter", 8, 0);

        PriceList memory list = registry.priceList(first);
        equal(list.treasuryPpm, 100_000, "as registered");
        equal(registry.priceList(early).treasuryPpm, 100_000, "as valid at its start");
        list = registry.priceList(second);
        equal(list.treasuryPpm, 50_000, "as registered later");
        equal(list.adapterKey, "adapter", "adapterKey");
        equal(list.node, address(vault), "node");
    }

    function test_ASuccessorTakesTheTreasurysPartOfItsStart() public {
        priced(0, 8, 0);
        vm.prank(admin);
        settlement.setTreasuryPpm(50_000);

        bytes32 second = priced(0, 9, uint64(block.timestamp) + NOTICE);

        equal(registry.priceList(second).treasuryPpm, 50_000, "of the moment it becomes valid");
    }

    function test_AStartInMillisecondsIsRefused() public {
        priced(0, 8, 0);
        uint64 latest = uint64(block.timestamp) + 90 days;

        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IWindowErrors.WindowTooLate.selector, 1_800_000_000_000, latest));
        registry.registerPriceList(address(vault), 0, 2, 1, 9, 1, owner, 1_800_000_000_000);
        bytes32 last = priced(0, 9, latest);
        equal(registry.priceHashAt(address(vault), 0, latest), last, "90 days ahead");
    }

    function test_AnUnknownListIsEmpty() public view {
        equal(registry.priceList("nothing").node, address(0), "node");
    }

    function test_APriceListNamesWhoIsPaid() public {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(INodeRegistry.InvalidPayee.selector, address(0)));
        registry.registerPriceList(address(vault), 0, 1, 1, 1, 1, address(0), 0);
    }

    // ---- stake -----------------------------------------------------------------------------------------------------

    function test_StakeLeavesOnlyAfterTheUnbondingDelay() public {
        vm.prank(owner);
        registry.startUnbonding(address(vault), 60 ether);
        uint64 unlockAt = uint64(block.timestamp) + UNBONDING;

        vm.warp(unlockAt - 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IStakes.StillBonded.selector, address(vault), unlockAt));
        registry.withdrawUnbonded(address(vault), bob);
        vm.warp(unlockAt);
        vm.prank(owner);
        registry.withdrawUnbonded(address(vault), bob);

        equal(open.balanceOf(bob), 60 ether, "withdrawn");
        (uint256 bonded, uint256 unbonding,) = registry.stakeOf(address(vault));
        equal(bonded, BOND - 60 ether, "bonded");
        equal(unbonding, 0, "unbonding");
    }

    function test_ASecondUnbondingRestartsTheDelay() public {
        vm.prank(owner);
        registry.startUnbonding(address(vault), 60 ether);
        vm.warp(block.timestamp + UNBONDING);
        vm.prank(owner);
        registry.startUnbonding(address(vault), 1);

        vm.prank(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IStakes.StillBonded.selector, address(vault), block.timestamp + UNBONDING)
        );
        registry.withdrawUnbonded(address(vault), bob);
    }

    function test_NobodyUnbondsMoreThanIsBonded() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IStakes.InsufficientStake.selector, BOND + 1, BOND));
        registry.startUnbonding(address(vault), BOND + 1);
        vm.expectRevert(abi.encodeWithSelector(IStakes.NothingUnbonding.selector, address(vault)));
        registry.withdrawUnbonded(address(vault), bob);
    }

    function test_OnlyNodesHaveStake() public {
        vm.expectRevert(abi.encodeWithSelector(INodes.NotANode.selector, bob));
        registry.stake(bob, 1);
    }
}
