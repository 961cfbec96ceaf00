// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {NodeVault} from "../src/NodeVault.sol";
import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {IChannelEscrowErrors} from "../src/interfaces/IChannelEscrowErrors.sol";
import {INodeVault} from "../src/interfaces/INodeVault.sol";
import {World} from "./World.sol";

contract NodeVaultTest is World {
    IChannelEscrow.ChannelConfig internal config;

    function setUp() public override {
        super.setUp();
        config = channelOf(address(vault));
        deposit(config, 100 ether);
    }

    function test_WhatTheOperatorClaimsIsSweptIntoSettlement() public {
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 30 ether, 25 ether, payerKey);
        vm.prank(operator);
        vault.claimVouchers(claims);

        equal(vault.sweep(), 25 ether, "swept");

        equal(open.balanceOf(address(vault)), 0, "vault's tokens");
        equal(open.balanceOf(address(settlement)), 25 ether, "settlement's tokens");
        equal(settlement.credited(address(vault)), 25 ether, "credited");
        equal(vault.sweep(), 0, "nothing more");
    }

    function test_OnlyTheCurrentOperatorActsForTheVault() public {
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 30 ether, 25 ether, payerKey);
        bytes memory refusal = abi.encodeWithSelector(INodeVault.NotOperator.selector, address(vault), owner, operator);
        vm.startPrank(owner);
        vm.expectRevert(refusal);
        vault.claimVouchers(claims);
        vm.expectRevert(refusal);
        vault.refundChannel(config, 1);
        registry.rotateOperator(address(vault), bob);
        vm.stopPrank();
        vm.warp(block.timestamp + 1);

        vm.prank(operator);
        vm.expectRevert(abi.encodeWithSelector(INodeVault.NotOperator.selector, address(vault), operator, bob));
        vault.claimVouchers(claims);
        vm.prank(bob);
        vault.claimVouchers(claims);
    }

    function test_TheOperatorRefundsAChannel() public {
        uint256 before = open.balanceOf(payer);

        vm.prank(operator);
        vault.refundChannel(config, 40 ether);

        equal(open.balanceOf(payer) - before, 40 ether, "refunded");
    }

    function test_TheOperatorsSignatureIsTheVaultsForTheEscrow() public {
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, 30 ether, 25 ether, payerKey);
        bytes memory signed = signature(operatorKey, escrow.getClaimBatchDigest(claims));

        escrow.claimWithSignature(claims, signed);

        (, uint128 totalClaimed) = escrow.channels(escrow.getChannelId(config));
        equal(totalClaimed, 25 ether, "claimed by a relay");
        bytes32 digest = escrow.getRefundDigest(escrow.getChannelId(config), 0, 1);
        bytes memory foreign = signature(payerKey, digest);
        vm.expectRevert(abi.encodeWithSelector(IChannelEscrowErrors.InvalidSignature.selector, address(vault), digest));
        escrow.refundWithSignature(config, 1, 0, foreign);
    }

    function testFuzz_OnlyTheEscrowAcceptsASignatureAsTheVaults(address asker, bytes32 digest) public {
        vm.assume(asker != address(escrow));
        bytes memory signed = signature(operatorKey, digest);

        vm.prank(asker);
        equal(bytes32(vault.isValidSignature(digest, signed)), bytes32(bytes4(0xffffffff)), "refusal");
        vm.prank(address(escrow));
        equal(
            bytes32(vault.isValidSignature(digest, signed)), bytes32(IERC1271.isValidSignature.selector), "acceptance"
        );
    }

    function test_TheOperatorCannotSpendTheVaultsTokensByPermitOrAuthorisation() public {
        vm.prank(payer);
        open.transfer(address(vault), 10 ether);
        bytes32 typeHash = keccak256(
            "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
        );
        uint256 validBefore = block.timestamp + 1;
        bytes32 structHash =
            keccak256(abi.encode(typeHash, address(vault), operator, 10 ether, 0, validBefore, bytes32(0)));
        bytes32 digest = keccak256(abi.encodePacked("\x19\x01", open.DOMAIN_SEPARATOR(), structHash));
        bytes memory signed = signature(operatorKey, digest);

        vm.prank(operator);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        open.receiveWithAuthorization(address(vault), operator, 10 ether, 0, validBefore, 0, signed);
    }

    function test_TheVaultsCodeAloneIsNoNode() public {
        NodeVault implementation = NodeVault(registry.vaultImplementation());

        vm.expectRevert();
        implementation.sweep();
        vm.expectRevert(
            abi.encodeWithSelector(INodeVault.NotOperator.selector, address(implementation), address(this), address(0))
        );
        implementation.claimVouchers(new IChannelEscrow.VoucherClaim[](0));
    }

    function test_ACloneHasNothingToInitialise() public view {
        // ERC-1167: 45 bytes that delegate every call; the registry holds owner and token under its address.
        equal(address(vault).code.length, 45, "code");
    }
}
