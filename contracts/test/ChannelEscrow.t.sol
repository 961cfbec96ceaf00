// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {IChannelEscrowErrors as Errors} from "../src/interfaces/IChannelEscrowErrors.sol";
import {IDepositCollector} from "../src/interfaces/IDepositCollector.sol";
import {EscrowWorld} from "./EscrowWorld.sol";

/// @dev A wallet contract that accepts one digest.
contract Wallet is IERC1271 {
    bytes32 private immutable _accepted;

    constructor(bytes32 accepted) {
        _accepted = accepted;
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash == _accepted ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @dev A collector that collects nothing.
contract EmptyCollector is IDepositCollector {
    function collect(address, address, uint256, bytes32, bytes calldata) external {}
}

contract ChannelEscrowTest is EscrowWorld {
    // ---- deposit ---------------------------------------------------------------------------------------------------

    function test_ADepositFundsTheChannelItWasSignedFor() public {
        vm.expectEmit();
        emit IChannelEscrow.ChannelCreated(id, config);
        vm.expectEmit();
        emit IChannelEscrow.Deposited(id, address(this), 100 ether, 100 ether);
        deposit(config, 100 ether);
        deposit(config, 20 ether);

        expectChannel(120 ether, 0);
        equal(open.balanceOf(address(escrow)), 120 ether, "escrow's tokens");
    }

    function test_ADepositForAnotherChannelIsRefused() public {
        bytes memory data = depositData(config, 100 ether, 1);
        config.salt = keccak256("another");

        vm.expectRevert();
        escrow.deposit(config, 100 ether, address(collector), data);
    }

    function test_ADepositIsTakenOnce() public {
        bytes memory data = depositData(config, 100 ether, 1);
        escrow.deposit(config, 100 ether, address(collector), data);

        vm.expectRevert();
        escrow.deposit(config, 100 ether, address(collector), data);
    }

    function test_ACollectorThatBringsNothingCreditsNothing() public {
        EmptyCollector empty = new EmptyCollector();

        vm.expectRevert(abi.encodeWithSelector(Errors.DepositCollectionFailed.selector, address(empty), 1, 0));
        escrow.deposit(config, 1, address(empty), "");
    }

    function test_OnlyTheEscrowMayCollect() public {
        bytes memory data = depositData(config, 100 ether, 1);

        vm.expectRevert(abi.encodeWithSelector(IDepositCollector.OnlyEscrow.selector, address(this), address(escrow)));
        collector.collect(payer, address(open), 100 ether, id, data);
    }

    function test_ChannelsOutsideTheRulesTakeNoDeposit() public {
        bytes4 delay = Errors.WithdrawDelayOutOfRange.selector;
        refuseDeposit(0, abi.encodeWithSelector(Errors.ZeroDeposit.selector, id));
        config.withdrawDelay = 15 minutes - 1;
        refuseDeposit(1, abi.encodeWithSelector(delay, 15 minutes - 1, 15 minutes, 30 days));
        config.withdrawDelay = 30 days + 1;
        refuseDeposit(1, abi.encodeWithSelector(delay, 30 days + 1, 15 minutes, 30 days));
        config.receiverAuthorizer = address(0);
        refuseDeposit(1, abi.encodeWithSelector(Errors.InvalidReceiverAuthorizer.selector, address(0)));
        config = channelOf(address(0));
        refuseDeposit(1, abi.encodeWithSelector(Errors.InvalidReceiver.selector, address(0)));
        config = channelOf(receiver);
        config.token = address(0);
        refuseDeposit(1, abi.encodeWithSelector(Errors.InvalidToken.selector, address(0)));
        config = channelOf(receiver);
        config.payer = address(0);
        refuseDeposit(1, abi.encodeWithSelector(Errors.InvalidPayer.selector, address(0)));
    }

    function refuseDeposit(uint128 amount, bytes memory reason) internal {
        vm.expectRevert(reason);
        escrow.deposit(config, amount, address(collector), "");
    }

    // ---- claim and settle ------------------------------------------------------------------------------------------

    function test_AVoucherIsClaimedCumulativelyAndSettled() public {
        deposit(config, 100 ether);
        claimed(30 ether, 25 ether);
        claimed(60 ether, 60 ether);

        expectChannel(100 ether, 60 ether);
        vm.expectEmit();
        emit IChannelEscrow.Settled(receiver, address(open), address(this), 60 ether);
        escrow.settle(receiver, address(open));
        escrow.settle(receiver, address(open));
        equal(open.balanceOf(receiver), 60 ether, "receiver's tokens");
        (uint128 totalClaimed, uint128 totalSettled) = escrow.receivers(receiver, address(open));
        equal(totalClaimed, totalSettled, "nothing left to settle");
    }

    function test_AnOlderClaimChangesNothing() public {
        deposit(config, 100 ether);
        claimed(60 ether, 60 ether);
        claimed(60 ether, 60 ether);
        claimed(30 ether, 30 ether);

        expectChannel(100 ether, 60 ether);
    }

    function test_AClaimStaysWithinVoucherAndBalance() public {
        deposit(config, 100 ether);

        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 10 ether, 10 ether + 1, payerKey);
        vm.prank(receiver);
        vm.expectRevert(abi.encodeWithSelector(Errors.ClaimExceedsCeiling.selector, id, 10 ether + 1, 10 ether));
        escrow.claim(claims);

        claims = voucherClaim(config, 200 ether, 100 ether + 1, payerKey);
        vm.prank(receiver);
        vm.expectRevert(abi.encodeWithSelector(Errors.ClaimExceedsBalance.selector, id, 100 ether + 1, 100 ether));
        escrow.claim(claims);
    }

    function test_OnlyTheReceiverSideClaims() public {
        deposit(config, 100 ether);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 1 ether, 1 ether, payerKey);

        bytes4 reason = Errors.NotAuthorizedToClaim.selector;
        vm.expectRevert(abi.encodeWithSelector(reason, address(this), receiver, receiver));
        escrow.claim(claims);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(reason, payer, receiver, receiver));
        escrow.claim(claims);
        vm.prank(receiver);
        vm.expectRevert(Errors.EmptyBatch.selector);
        escrow.claim(new IChannelEscrow.VoucherClaim[](0));
    }

    function test_AVoucherOfAnotherKeyIsRefused() public {
        deposit(config, 100 ether);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 1 ether, 1 ether, receiverKey);

        bytes memory refusal =
            abi.encodeWithSelector(Errors.InvalidSignature.selector, payer, escrow.getVoucherDigest(id, 1 ether));
        vm.prank(receiver);
        vm.expectRevert(refusal);
        escrow.claim(claims);
        claims[0].signature = "";
        vm.prank(receiver);
        vm.expectRevert(refusal);
        escrow.claim(claims);
    }

    function test_ASessionKeySignsAndThePayerDoesNot() public {
        config.payerAuthorizer = bob;
        id = escrow.getChannelId(config);
        deposit(config, 100 ether);
        IChannelEscrow.VoucherClaim[] memory byPayer = voucherClaim(config, 1 ether, 1 ether, payerKey);
        IChannelEscrow.VoucherClaim[] memory bySession = voucherClaim(config, 1 ether, 1 ether, 0xB2);

        bytes32 digest = escrow.getVoucherDigest(id, 1 ether);
        vm.prank(receiver);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidSignature.selector, bob, digest));
        escrow.claim(byPayer);
        vm.prank(receiver);
        escrow.claim(bySession);
        expectChannel(100 ether, 1 ether);
    }

    function test_WithoutAnAuthorizerThePayerSignsByKeyOrAsAWallet() public {
        config.payerAuthorizer = address(0);
        id = escrow.getChannelId(config);
        deposit(config, 100 ether);
        claimed(1 ether, 1 ether);
        expectChannel(100 ether, 1 ether);

        vm.etch(payer, address(new Wallet(escrow.getVoucherDigest(id, 2 ether))).code);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 2 ether, 2 ether, payerKey);
        claims[0].signature = "as the wallet says";
        vm.prank(receiver);
        escrow.claim(claims);
        expectChannel(100 ether, 2 ether);
        claims = voucherClaim(config, 3 ether, 3 ether, payerKey);
        bytes32 digest = escrow.getVoucherDigest(id, 3 ether);
        vm.prank(receiver);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidSignature.selector, payer, digest));
        escrow.claim(claims);
    }

    function test_AnybodyRelaysASignedBatch() public {
        deposit(config, 100 ether);
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 3 ether, 2 ether, payerKey);
        bytes memory signed = signature(receiverKey, escrow.getClaimBatchDigest(claims));

        escrow.claimWithSignature(claims, signed);

        expectChannel(100 ether, 2 ether);
        claims[0].totalClaimed = 3 ether;
        bytes32 digest = escrow.getClaimBatchDigest(claims);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidSignature.selector, receiver, digest));
        escrow.claimWithSignature(claims, signed);
        vm.expectRevert(Errors.EmptyBatch.selector);
        escrow.claimWithSignature(new IChannelEscrow.VoucherClaim[](0), signed);
    }

    function test_ASignedBatchCoversOneAuthorizerOnly() public {
        IChannelEscrow.ChannelConfig memory other = channelOf(bob);
        deposit(config, 100 ether);
        deposit(other, 100 ether);
        IChannelEscrow.VoucherClaim[] memory claims = new IChannelEscrow.VoucherClaim[](2);
        claims[0] = voucherClaim(config, 1 ether, 1 ether, payerKey)[0];
        claims[1] = voucherClaim(other, 1 ether, 1 ether, payerKey)[0];
        bytes memory signed = signature(receiverKey, escrow.getClaimBatchDigest(claims));

        vm.expectRevert(abi.encodeWithSelector(Errors.MixedReceiverAuthorizers.selector, 1, bob, receiver));
        escrow.claimWithSignature(claims, signed);
    }
}
