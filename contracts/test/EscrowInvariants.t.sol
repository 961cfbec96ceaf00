// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {Invariant} from "./Invariant.sol";
import {World} from "./World.sol";

/// @dev Honest and dishonest calls of payer, receiver and third parties in three channels of two receivers.
contract EscrowMoves is World {
    IChannelEscrow.ChannelConfig[] internal configs;
    mapping(uint256 => uint128) public highest; // the largest claim per channel so far

    function setUp() public override {
        super.setUp();
        for (uint256 i = 0; i < 3; ++i) {
            configs.push(channelOf(i < 2 ? alice : bob));
            configs[i].salt = bytes32(i);
        }
    }

    function fundChannel(uint256 which, uint128 amount) external {
        vm.warp(block.timestamp + 1);
        deposit(configs[which % 3], uint128(bound(amount, 1, 1_000 ether)));
    }

    function claimVoucher(uint256 which, uint128 total) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        (uint128 balance,) = state(which % 3);
        total = uint128(bound(total, 0, balance));
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, balance, total, payerKey);
        vm.prank(config.receiver);
        escrow.claim(claims);
        if (total > highest[which % 3]) highest[which % 3] = total;
    }

    function giveBack(uint256 which, uint128 amount) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        vm.prank(config.receiver);
        escrow.refund(config, uint128(bound(amount, 1, type(uint128).max)));
    }

    function startWithdrawal(uint256 which, uint128 amount) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        (uint128 balance, uint128 total) = state(which % 3);
        (, uint40 initiatedAt) = escrow.pendingWithdrawals(escrow.getChannelId(config));
        if (initiatedAt != 0 || balance == total) return;
        vm.prank(payer);
        escrow.initiateWithdraw(config, uint128(bound(amount, 1, balance - total)));
    }

    function endWithdrawal(uint256 which) external {
        IChannelEscrow.ChannelConfig memory config = configs[which % 3];
        (, uint40 initiatedAt) = escrow.pendingWithdrawals(escrow.getChannelId(config));
        if (initiatedAt == 0) return;
        vm.warp(block.timestamp + 1 days);
        vm.prank(payer);
        escrow.finalizeWithdraw(config);
    }

    function settle(uint256 which) external {
        escrow.settle(configs[which % 3].receiver, address(open));
    }

    function state(uint256 which) public view returns (uint128 balance, uint128 total) {
        return escrow.channels(escrow.getChannelId(configs[which]));
    }

    function held() external view returns (uint256) {
        return open.balanceOf(address(escrow));
    }

    function settled() external view returns (uint256 sum) {
        (, uint128 first) = escrow.receivers(alice, address(open));
        (, uint128 second) = escrow.receivers(bob, address(open));
        return uint256(first) + second;
    }

    function received() external view returns (uint256) {
        return open.balanceOf(alice) + open.balanceOf(bob);
    }
}

contract EscrowInvariantTest is Invariant {
    EscrowMoves internal channels;

    function setUp() public {
        channels = new EscrowMoves();
        channels.setUp();
        moves = address(channels);
        selectors.push(EscrowMoves.fundChannel.selector);
        selectors.push(EscrowMoves.claimVoucher.selector);
        selectors.push(EscrowMoves.giveBack.selector);
        selectors.push(EscrowMoves.startWithdrawal.selector);
        selectors.push(EscrowMoves.endWithdrawal.selector);
        selectors.push(EscrowMoves.settle.selector);
    }

    function invariant_EveryTokenInTheEscrowBelongsToSomebody() public view {
        uint256 balances;
        for (uint256 i = 0; i < 3; ++i) {
            (uint128 balance, uint128 total) = channels.state(i);
            balances += balance;
            check(total <= balance, "claimed beyond the balance");
            equal(total, channels.highest(i), "claims only grow");
        }
        equal(channels.held(), balances - channels.settled(), "conserved");
        equal(channels.received(), channels.settled(), "what was settled arrived");
    }
}
