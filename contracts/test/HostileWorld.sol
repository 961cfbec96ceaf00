// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ReentrantToken} from "./HostileTokens.sol";
import {Trees} from "./Trees.sol";
import {World} from "./World.sol";

/// @dev The steps that tests of hostile tokens share.
abstract contract HostileWorld is World {
    function two(uint256 forAlice, uint256 forBob) internal view returns (Trees.Leaf[] memory leaves) {
        leaves = new Trees.Leaf[](2);
        leaves[0] = earned(alice, forAlice);
        leaves[1] = earned(bob, forBob);
    }

    function expectReentrancyRefused(ReentrantToken token) internal view {
        check(!token.reentered(), "re-entered");
        bytes4 reason = bytes4(token.answer());
        equal(bytes32(reason), bytes32(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector), "reason");
    }
}
