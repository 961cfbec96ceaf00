// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {IPayouts} from "../src/interfaces/IPayouts.sol";
import {Wallet} from "./ChannelEscrow.t.sol";
import {World} from "./World.sol";

contract PayoutsTest is World {
    function digestOf(address payee, address to, uint256 nonce, uint64 deadline) internal view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("OpenLoRA"),
                keccak256("1"),
                block.chainid,
                address(settlement)
            )
        );
        bytes32 typeHash = keccak256("PayoutChange(address payee,address to,uint256 nonce,uint64 deadline)");
        return
            keccak256(abi.encodePacked("\x19\x01", domain, keccak256(abi.encode(typeHash, payee, to, nonce, deadline))));
    }

    function test_APayeeIsPaidWhereItWants() public {
        equal(settlement.payoutOf(alice), alice, "to itself by default");
        vm.expectEmit();
        emit IPayouts.PayoutChanged(alice, bob);
        vm.prank(alice);
        settlement.setPayout(bob);
        equal(settlement.payoutOf(alice), bob, "to the chosen one");
        vm.prank(alice);
        settlement.setPayout(address(0));
        equal(settlement.payoutOf(alice), alice, "and back");
    }

    function test_ASignedChangeIsAppliedOnceInTime() public {
        uint64 deadline = uint64(block.timestamp) + 60;
        bytes memory signed = signature(0xA1, digestOf(alice, bob, 0, deadline));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.ExpiredSignature.selector, deadline));
        settlement.setPayoutFor(alice, bob, 0, deadline, signed);
        vm.warp(deadline);
        bytes32 wrong = digestOf(alice, owner, 0, deadline);
        vm.expectRevert(abi.encodeWithSelector(IPayouts.InvalidSignature.selector, alice, wrong));
        settlement.setPayoutFor(alice, owner, 0, deadline, signed);

        settlement.setPayoutFor(alice, bob, 0, deadline, signed);

        equal(settlement.payoutOf(alice), bob, "payout");
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, alice, 1));
        settlement.setPayoutFor(alice, bob, 0, deadline, signed);
    }

    function test_ACallOverridesAnOlderSignature() public {
        bytes memory signed = signature(0xA1, digestOf(alice, bob, 0, type(uint64).max));
        vm.prank(alice);
        settlement.setPayout(owner);

        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, alice, 1));
        settlement.setPayoutFor(alice, bob, 0, type(uint64).max, signed);
    }

    function test_AWalletContractSignsToo() public {
        address wallet = address(0x3A11E7);
        vm.etch(wallet, address(new Wallet(digestOf(wallet, bob, 0, type(uint64).max))).code);

        settlement.setPayoutFor(wallet, bob, 0, type(uint64).max, "");

        equal(settlement.payoutOf(wallet), bob, "payout");
    }
}
