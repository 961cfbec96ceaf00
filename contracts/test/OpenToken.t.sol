// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

import {World} from "./World.sol";

contract OpenTokenTest is World {
    bytes32 private constant _TYPE = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );

    function authorisation(uint256 key, address to, uint256 value, bytes32 nonce) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(abi.encode(_TYPE, vm.addr(key), to, value, 0, block.timestamp + 1 hours, nonce));
        return signature(key, keccak256(abi.encodePacked("\x19\x01", open.DOMAIN_SEPARATOR(), structHash)));
    }

    function receiveAs(address caller, address to, uint256 value, bytes32 nonce, bytes memory signed) internal {
        vm.prank(caller);
        open.receiveWithAuthorization(payer, to, value, 0, block.timestamp + 1 hours, nonce, signed);
    }

    function test_ItIsOpenWithEighteenDecimalsAndAFixedSupply() public view {
        equal(keccak256(bytes(open.name())), keccak256("OPEN"), "name");
        equal(keccak256(bytes(open.symbol())), keccak256("OPEN"), "symbol");
        equal(open.decimals(), 18, "decimals");
        equal(open.totalSupply(), 2_000_000 ether, "supply");
        (, string memory name, string memory version,,,,) = open.eip712Domain();
        equal(keccak256(abi.encode(name, version)), keccak256(abi.encode("OPEN", "1")), "domain");
    }

    function testFuzz_AnAuthorisationMovesTokensOnceForAnyNonce(bytes32 nonce, uint256 value) public {
        value = bound(value, 0, open.balanceOf(payer));
        bytes memory signed = authorisation(payerKey, bob, value, nonce);

        receiveAs(bob, bob, value, nonce, signed);

        equal(open.balanceOf(bob), value, "received");
        check(open.authorizationState(payer, nonce), "used");
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, nonce));
        receiveAs(bob, bob, value, nonce, signed);
    }

    function test_OnlyTheNamedReceiverUsesAnAuthorisation() public {
        bytes memory signed = authorisation(payerKey, bob, 1, 0);

        vm.expectPartialRevert(IERC20Errors.ERC20InvalidReceiver.selector);
        receiveAs(alice, bob, 1, 0, signed);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        receiveAs(alice, alice, 1, 0, signed);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        receiveAs(bob, bob, 2, 0, signed);
        bytes memory foreign = authorisation(operatorKey, bob, 1, 0);
        vm.expectRevert(ERC3009.ERC3009InvalidSignature.selector);
        receiveAs(bob, bob, 1, 0, foreign);
    }

    function test_VotesFollowTokens() public {
        vm.prank(bob);
        open.delegate(bob);
        vm.prank(payer);
        open.transfer(bob, 5 ether);

        equal(open.getVotes(bob), 5 ether, "votes");
    }

    function test_VotesCountByTimeAndEverySignatureOnce() public {
        equal(keccak256(bytes(open.CLOCK_MODE())), keccak256("mode=timestamp"), "the clock of ERC-6372");
        equal(open.clock(), block.timestamp, "now");
        uint256 deadline = block.timestamp + 1;
        bytes32 typeHash =
            keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 structHash = keccak256(abi.encode(typeHash, payer, bob, 5, open.nonces(payer), deadline));
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(payerKey, keccak256(abi.encodePacked("\x19\x01", open.DOMAIN_SEPARATOR(), structHash)));
        open.permit(payer, bob, 5, deadline, v, r, s);

        equal(open.allowance(payer, bob), 5, "allowance");
        equal(open.nonces(payer), 1, "used");
        vm.expectRevert();
        open.permit(payer, bob, 5, deadline, v, r, s);
    }
}
