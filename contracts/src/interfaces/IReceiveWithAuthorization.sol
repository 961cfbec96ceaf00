// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The overload of ERC-3009's `receiveWithAuthorization` that takes packed signatures, as USDC 2.2 has it.
interface IReceiveWithAuthorization {
    /// @notice Moves `value` from `from` to the caller, who must be `to`, once per `nonce`.
    /// @param signature r ‖ s ‖ v of an account's key, or whatever the contract `from` accepts by ERC-1271.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external;
}
