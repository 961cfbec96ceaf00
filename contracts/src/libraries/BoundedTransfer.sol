// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

/// @title A token transfer that cannot harm its caller: it neither reverts, nor uses more gas than it is given.
library BoundedTransfer {
    /// @dev Sends tokens. Of what the token returns only the first word is read, so a long answer costs nothing.
    /// @param token The token.
    /// @param to The account that receives the tokens.
    /// @param amount The amount, in token base units.
    /// @param gasLimit The most gas that the token may use.
    /// @return success Whether the token holds code, did not revert, and returned true or nothing.
    function tryTransfer(IERC20 token, address to, uint256 amount, uint256 gasLimit) internal returns (bool success) {
        bytes4 selector = IERC20.transfer.selector;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, selector)
            mstore(add(free, 0x04), and(to, 0xffffffffffffffffffffffffffffffffffffffff))
            mstore(add(free, 0x24), amount)
            success := call(gasLimit, token, 0, free, 0x44, 0x00, 0x20)
            switch returndatasize()
            case 0 { success := and(success, gt(extcodesize(token), 0)) }
            default { success := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0x00), 1))) }
        }
    }
}
