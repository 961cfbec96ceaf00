// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Multicall3} from "../src/Multicall3.sol";
import {IMulticall3} from "../src/interfaces/IMulticall3.sol";
import {World} from "./World.sol";

contract Multicall3Test is World {
    Multicall3 internal constant multicall = Multicall3(0xcA11bde05977b3631167028862bE2a173976CA11);

    function setUp() public override {
        super.setUp();
        vm.etch(address(multicall), type(Multicall3).runtimeCode);
    }

    function test_OneCallReadsMany() public {
        IMulticall3.Call3[] memory calls = new IMulticall3.Call3[](3);
        calls[0] = IMulticall3.Call3(address(open), false, abi.encodeCall(open.balanceOf, (payer)));
        calls[1] = IMulticall3.Call3(address(open), true, "no such function");
        calls[2] = IMulticall3.Call3(address(multicall), false, abi.encodeCall(multicall.getEthBalance, (payer)));

        IMulticall3.Result[] memory results = multicall.aggregate3(calls);

        equal(abi.decode(results[0].returnData, (uint256)), 1_000_000 ether, "balance");
        check(!results[1].success, "a failure is reported");
        equal(abi.decode(results[2].returnData, (uint256)), payer.balance, "ether");
        calls[1].allowFailure = false;
        vm.expectRevert(abi.encodeWithSelector(IMulticall3.CallFailed.selector, 1, ""));
        multicall.aggregate3(calls);
    }

    function test_TryAggregateReportsOrRequiresSuccess() public {
        IMulticall3.Call[] memory calls = new IMulticall3.Call[](1);
        calls[0] = IMulticall3.Call(address(open), "no such function");

        check(!multicall.tryAggregate(false, calls)[0].success, "reported");
        vm.expectRevert(abi.encodeWithSelector(IMulticall3.CallFailed.selector, 0, ""));
        multicall.tryAggregate(true, calls);
    }

    function test_ItReturnsTheBlock() public view {
        equal(multicall.getBlockNumber(), block.number, "number");
        equal(multicall.getCurrentBlockTimestamp(), block.timestamp, "time");
        equal(multicall.getChainId(), block.chainid, "chain");
    }
}
