// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {NodeVault} from "../src/NodeVault.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {IChannelEscrowErrors} from "../src/interfaces/IChannelEscrowErrors.sol";
import {IDepositCollector} from "../src/interfaces/IDepositCollector.sol";
import {Claim, ISettlement, ShareClaim} from "../src/interfaces/ISettlement.sol";
import {BlockingToken, BurningToken, FeeToken, LyingToken, ReentrantToken, SilentToken} from "./HostileTokens.sol";
import {HostileWorld} from "./HostileWorld.sol";
import {Trees} from "./Trees.sol";

/// @dev Takes the payer's allowance, and the token may call back into the escrow meanwhile.
contract AllowanceCollector is IDepositCollector {
    function collect(address payer, address token, uint256 amount, bytes32, bytes calldata) external {
        ReentrantToken(token).transferFrom(payer, msg.sender, amount);
    }
}

contract HostileTokensTest is HostileWorld {
    function test_AFeeOnTransferTokenIsCreditedByWhatArrives() public {
        FeeToken token = new FeeToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        vm.prank(payer);
        token.transfer(address(node), 1_000); // 990 arrive
        node.sweep(); // of which 9 are kept: 981

        equal(settlement.credited(address(node)), 981, "credited");
        post(node, two(990, 1), 990);
        vm.warp(block.timestamp + DELAY);
        equal(settlement.activate(address(node)), 0, "never more than arrived");
    }

    function test_ABlockedPayeeDoesNotHoldUpTheOthers() public {
        BlockingToken token = new BlockingToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        fund(node, 200);
        fund(vault, 100);
        Trees.Leaf[] memory leaves = two(150, 50);
        post(node, leaves, 200);
        postActive(vault, two(60, 40), 100);
        token.setAnswersFalse(alice, true);
        token.setReverts(bob, true);
        Claim[] memory claims = new Claim[](3);
        claims[0] = claimOf(node, 1, leaves, 0, alice);
        claims[1] = claimOf(node, 1, leaves, 1, bob);
        claims[2] = claimOf(vault, 1, two(60, 40), 0, alice);
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(node), word(alice), 1, ISettlement.TransferFailed.selector);

        equal(settlement.claim(claims), 60, "the other node's payee is paid");

        equal(settlement.claimedTotal(address(node)), 0, "nothing is booked");
        token.setAnswersFalse(alice, false);
        equal(claim(claims[0]), 150, "unblocked later");
        vm.prank(bob);
        settlement.setPayout(alice);
        equal(claim(claims[1]), 50, "or paid elsewhere");
    }

    function test_ABlockedContributorLosesNothing() public {
        BlockingToken token = new BlockingToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        fund(node, 200);
        bytes32 datanetId = assets.createDatanet("skin", "");
        assets.publishDatanetVersion(datanetId, "content", Trees.contributorLeaf(alice, 1), 1, 1);
        bytes32 payee = keccak256(abi.encode(datanetId, uint32(1)));
        Trees.Leaf[] memory leaves = two(50, 50);
        leaves[0] = earned(DATANET, payee, 150);
        postActive(node, leaves, 200);
        bytes memory proof = Trees.stateProof(leaves, 0);
        ShareClaim memory entry = ShareClaim(
            address(node), 1, tips[address(node)][1].headerHash, datanetId, 1, 150, proof, alice, 1, 0, new bytes32[](0)
        );
        token.setReverts(alice, true);
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(node), payee, 1, ISettlement.TransferFailed.selector);

        equal(claimShare(entry), 0, "not paid");

        equal(settlement.sharePaid(address(node), datanetId, 1, alice), 0, "not booked as paid");
        equal(settlement.claimed(address(node), DATANET, payee), 0, "nor the Datanet's");
        token.setReverts(alice, false);
        equal(claimShare(entry), 150, "unblocked later");
    }

    function test_AReentrantTokenCannotBeClaimedTwice() public {
        ReentrantToken token = new ReentrantToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        fund(node, 200);
        Trees.Leaf[] memory leaves = two(150, 50);
        postActive(node, leaves, 200);
        Claim[] memory again = new Claim[](1);
        again[0] = claimOf(node, 1, leaves, 0, alice);
        token.arm(address(settlement), abi.encodeCall(ISettlement.claim, (again)));

        equal(claim(again[0]), 150, "paid once");

        expectReentrancyRefused(token);
        equal(token.balanceOf(alice), 150, "alice");
    }

    function test_AReentrantTokenCannotBeCreditedTwice() public {
        ReentrantToken token = new ReentrantToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        NodeVault twin = registerNode(alice, address(token), operator);
        bond(twin, 2_000, payer);
        vm.startPrank(payer);
        token.transfer(address(node), 100);
        token.transfer(address(twin), 100);
        vm.stopPrank();
        // While `node` is swept, the hook sweeps its twin: both balances would count for `node`.
        token.arm(address(twin), abi.encodeCall(NodeVault.sweep, ()));

        node.sweep();

        expectReentrancyRefused(token);
        equal(settlement.credited(address(node)), 100, "its own");
        twin.sweep();
        equal(settlement.credited(address(twin)), 100, "the twin's");
    }

    function test_AReentrantTokenCannotDepositTwice() public {
        ReentrantToken token = new ReentrantToken(payer, 10_000);
        AllowanceCollector taker = new AllowanceCollector();
        IChannelEscrow.ChannelConfig memory config = channelOf(bob);
        config.token = address(token);
        vm.prank(payer);
        token.approve(address(taker), 1_000);
        token.arm(address(escrow), abi.encodeCall(IChannelEscrow.deposit, (config, 100, address(taker), "")));

        escrow.deposit(config, 100, address(taker), "");

        expectReentrancyRefused(token);
        (uint128 balance,) = escrow.channels(escrow.getChannelId(config));
        equal(balance, 100, "balance");
    }

    function test_AFeeOnTransferTokenIsNoDeposit() public {
        FeeToken token = new FeeToken(payer, 10_000);
        AllowanceCollector taker = new AllowanceCollector();
        IChannelEscrow.ChannelConfig memory config = channelOf(bob);
        config.token = address(token);
        vm.prank(payer);
        token.approve(address(taker), 1_000);

        vm.expectRevert(
            abi.encodeWithSelector(IChannelEscrowErrors.DepositCollectionFailed.selector, address(taker), 100, 99)
        );
        escrow.deposit(config, 100, address(taker), "");
    }

    function test_ATokenThatLiesHarmsOnlyItsOwnNodes() public {
        LyingToken token = new LyingToken(payer, 10_000);
        NodeVault liar = registerNode(bob, address(token), operator);
        bond(liar, 2_000, payer);
        fund(vault, 100);
        vm.prank(payer);
        token.transfer(address(liar), 1);
        vm.expectRevert();
        liar.sweep();

        Trees.Leaf[] memory leaves = two(60, 40);
        postActive(vault, leaves, 100);
        equal(claim(claimOf(vault, 1, leaves, 0, alice)), 60, "others continue");
    }

    // ---- gas -------------------------------------------------------------------------------------------------------

    function test_ATokenThatBurnsItsGasDoesNotHoldUpTheOthers() public {
        BurningToken token = new BurningToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        fund(node, 200);
        fund(vault, 100);
        Trees.Leaf[] memory leaves = two(150, 50);
        post(node, leaves, 200);
        postActive(vault, two(60, 40), 100);
        Claim[] memory claims = new Claim[](4);
        claims[0] = claimOf(node, 1, leaves, 0, alice);
        claims[1] = claimOf(node, 1, leaves, 0, alice);
        claims[2] = claimOf(node, 1, leaves, 1, bob);
        claims[3] = claimOf(vault, 1, two(60, 40), 0, alice);
        token.arm(alice, false);
        vm.expectEmit();
        emit ISettlement.ClaimSkipped(address(node), word(alice), 1, ISettlement.TransferFailed.selector);

        uint256 before = gasleft();
        equal(settlement.claim(claims), 110, "the others are paid");

        check(before - gasleft() < 1_200_000, "each refusal costs at most TRANSFER_GAS");
        token.arm(alice, true);
        before = gasleft();
        equal(claim(claims[0]), 0, "zeros are no true");
        check(before - gasleft() < 200_000, "a long answer is not copied");
        equal(settlement.claimedTotal(address(node)), 50, "nothing else is booked");
        token.arm(address(0), false);
        equal(claim(claims[0]), 150, "paid once it stops");
    }

    function test_ATokenWithoutCodePaysNobody() public {
        BlockingToken token = new BlockingToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        bond(node, 2_000, payer);
        fund(node, 200);
        postActive(node, two(150, 50), 200);
        Claim memory entry = claimOf(node, 1, two(150, 50), 0, alice);
        bytes memory code = address(token).code;
        vm.etch(address(token), "");

        equal(claim(entry), 0, "an account without code accepts every call");

        vm.etch(address(token), code);
        equal(claim(entry), 150, "not booked as paid");
    }

    function test_ATokenThatReturnsNothingPays() public {
        SilentToken token = new SilentToken(payer, 10_000);
        NodeVault node = registerNode(bob, address(token), operator);
        vm.startPrank(payer);
        token.approve(address(registry), 2_000);
        registry.stake(address(node), 2_000);
        token.transfer(address(node), 200);
        vm.stopPrank();
        node.sweep();
        postActive(node, two(150, 50), 200);

        equal(claim(claimOf(node, 1, two(150, 50), 0, alice)), 150, "paid");
        equal(token.balanceOf(alice), 150, "alice");
    }
}
