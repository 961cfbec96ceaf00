// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IChannelEscrow} from "../src/interfaces/IChannelEscrow.sol";
import {World} from "./World.sol";

/// @dev A world with one channel whose receiver is a key that the test holds.
abstract contract EscrowWorld is World {
    uint256 internal constant receiverKey = 0xCAFE;
    address internal receiver = vm.addr(receiverKey);
    IChannelEscrow.ChannelConfig internal config;
    bytes32 internal id;

    function setUp() public override {
        super.setUp();
        config = channelOf(receiver);
        id = escrow.getChannelId(config);
    }

    function claimed(uint128 max, uint128 total) internal {
        IChannelEscrow.VoucherClaim[] memory claims = voucherClaim(config, max, total, payerKey);
        vm.prank(receiver);
        escrow.claim(claims);
    }

    function expectChannel(uint128 balance, uint128 total) internal view {
        (uint128 gotBalance, uint128 gotTotal) = escrow.channels(id);
        equal(gotBalance, balance, "balance");
        equal(gotTotal, total, "totalClaimed");
    }
}
