// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ChannelEscrow} from "../src/ChannelEscrow.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {IChannelEscrowErrors as Errors} from "../src/interfaces/IChannelEscrowErrors.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// @dev How money leaves a channel without being claimed: refunds, withdrawals, and both together.
contract ChannelEscrowExitsTest is EscrowWorld {
    // ---- refund ----------------------------------------------------------------------------------------------------

    function test_ARefundReturnsTheUnclaimedBalanceAtOnce() public {
        deposit(config, 100 ether);
        claimed(40 ether, 40 ether);
        uint256 before = open.balanceOf(payer);

        vm.prank(receiver);
        escrow.refund(config, 500 ether);

        expectChannel(40 ether, 40 ether);
        equal(open.balanceOf(payer) - before, 60 ether, "refunded");
    }

    function test_OnlyTheReceiverSideRefunds() public {
        deposit(config, 100 ether);

        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotAuthorizedToRefund.selector, payer, receiver, receiver));
        escrow.refund(config, 1);
        vm.prank(receiver);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroRefund.selector, id));
        escrow.refund(config, 0);
    }

    function test_ASignedRefundIsUsedOnce() public {
        deposit(config, 100 ether);
        bytes memory signed = signature(receiverKey, escrow.getRefundDigest(id, 0, 30 ether));

        escrow.refundWithSignature(config, 30 ether, 0, signed);

        expectChannel(70 ether, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidRefundNonce.selector, id, 0, 1));
        escrow.refundWithSignature(config, 30 ether, 0, signed);
        bytes32 digest = escrow.getRefundDigest(id, 1, 30 ether);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidSignature.selector, receiver, digest));
        escrow.refundWithSignature(config, 30 ether, 1, signed);
    }

    function test_ADirectRefundUsesUpANonceEvenIfItMovesNothing() public {
        deposit(config, 100 ether);
        claimed(100 ether, 100 ether);

        vm.prank(receiver);
        escrow.refund(config, 1);

        equal(escrow.refundNonce(id), 1, "nonce");
        expectChannel(100 ether, 100 ether);
    }

    function test_ARefundLowersAPendingWithdrawal() public {
        deposit(config, 100 ether);
        vm.prank(payer);
        escrow.initiateWithdraw(config, 50 ether);

        vm.prank(receiver);
        escrow.refund(config, 20 ether);
        (uint128 amount, uint40 initiatedAt) = escrow.pendingWithdrawals(id);
        equal(amount, 30 ether, "pending");
        check(initiatedAt != 0, "still pending");

        vm.prank(receiver);
        escrow.refund(config, 30 ether);
        (amount, initiatedAt) = escrow.pendingWithdrawals(id);
        equal(initiatedAt, 0, "cancelled");
    }

    function test_AnEmptiedChannelClosesAndOpensAgain() public {
        deposit(config, 100 ether);
        vm.expectEmit();
        emit IChannelEscrow.ChannelClosed(id, config);
        vm.prank(receiver);
        escrow.refund(config, 100 ether);

        vm.warp(block.timestamp + 1);
        vm.expectEmit();
        emit IChannelEscrow.ChannelCreated(id, config);
        deposit(config, 1 ether);
    }

    // ---- timed withdrawal ------------------------------------------------------------------------------------------

    function test_ThePayerTakesBackUnclaimedBalanceAfterTheDelay() public {
        deposit(config, 100 ether);
        uint256 before = open.balanceOf(payer);
        vm.expectEmit();
        emit IChannelEscrow.WithdrawInitiated(id, 80 ether, uint40(block.timestamp + 1 days));
        vm.prank(payer);
        escrow.initiateWithdraw(config, 80 ether);

        vm.warp(block.timestamp + 1 days - 1);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawDelayNotElapsed.selector, id, block.timestamp + 1));
        escrow.finalizeWithdraw(config);
        claimed(50 ether, 50 ether); // the receiver is in time: 50 are left
        vm.warp(block.timestamp + 1);
        vm.prank(payer);
        escrow.finalizeWithdraw(config);

        expectChannel(50 ether, 50 ether);
        equal(open.balanceOf(payer) - before, 50 ether, "withdrawn");
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalNotPending.selector, id));
        escrow.finalizeWithdraw(config);
    }

    function test_OnlyThePayerSideWithdrawsAndOneAtATime() public {
        deposit(config, 100 ether);
        bytes memory refusal = abi.encodeWithSelector(Errors.NotAuthorizedToWithdraw.selector, receiver, payer, payer);

        vm.prank(receiver);
        vm.expectRevert(refusal);
        escrow.initiateWithdraw(config, 1);
        vm.startPrank(payer);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroWithdrawal.selector, id));
        escrow.initiateWithdraw(config, 0);
        bytes4 tooMuch = Errors.WithdrawAmountExceedsAvailable.selector;
        vm.expectRevert(abi.encodeWithSelector(tooMuch, id, 100 ether + 1, 100 ether));
        escrow.initiateWithdraw(config, 100 ether + 1);
        escrow.initiateWithdraw(config, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.WithdrawalAlreadyPending.selector, id, 1, block.timestamp));
        escrow.initiateWithdraw(config, 1);
        vm.stopPrank();
        vm.prank(receiver);
        vm.expectRevert(refusal);
        escrow.finalizeWithdraw(config);
    }

    function test_ASessionKeyCanEndTheChannelButNotTakeTheMoney() public {
        config.payerAuthorizer = bob;
        deposit(config, 100 ether);
        uint256 before = open.balanceOf(payer);

        vm.prank(bob);
        escrow.initiateWithdraw(config, 100 ether);
        vm.warp(block.timestamp + 1 days);
        vm.prank(bob);
        escrow.finalizeWithdraw(config);

        equal(open.balanceOf(payer) - before, 100 ether, "the payer's");
        equal(open.balanceOf(bob), 0, "the session key's");
    }

    // ---- digests ---------------------------------------------------------------------------------------------------

    function test_SignaturesAreBoundToChainAndContract() public {
        bytes32 here = escrow.getChannelId(config);
        vm.chainId(1);
        check(escrow.getChannelId(config) != here, "bound to the chain");
        vm.chainId(31337);
        check(new ChannelEscrow().getChannelId(config) != here, "bound to the contract");
    }

    function test_AMulticallClaimsAndRefundsInOneGo() public {
        deposit(config, 100 ether);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 40 ether, 40 ether, payerKey);
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(
            escrow.claimWithSignature, (claims, signature(receiverKey, escrow.getClaimBatchDigest(claims)))
        );
        calls[1] = abi.encodeCall(
            escrow.refundWithSignature,
            (config, 60 ether, 0, signature(receiverKey, escrow.getRefundDigest(id, 0, 60 ether)))
        );

        escrow.multicall(calls);

        expectChannel(40 ether, 40 ether);
    }

    function testFuzz_PayerAndReceiverAlwaysShareTheDepositExactly(uint128 amount, uint128 total, uint128 back) public {
        amount = uint128(bound(amount, 1, 1_000_000 ether));
        total = uint128(bound(total, 0, amount));
        back = uint128(bound(back, 1, type(uint128).max));
        deposit(config, amount);
        if (total != 0) claimed(total, total);
        vm.prank(receiver);
        escrow.refund(config, back);
        escrow.settle(receiver, address(open));

        (uint128 balance,) = escrow.channels(id);
        equal(open.balanceOf(receiver), total, "receiver's");
        equal(open.balanceOf(address(escrow)), balance - total, "escrow's");
        equal(1_000_000 ether - open.balanceOf(payer), balance, "conserved");
    }
}
