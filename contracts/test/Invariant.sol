// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Check} from "./Check.sol";

/// @dev A test of invariants: forge calls the `selectors` of `moves` in any order.
abstract contract Invariant is Check {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address internal moves;
    bytes4[] internal selectors;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = moves;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(moves, selectors);
    }
}
