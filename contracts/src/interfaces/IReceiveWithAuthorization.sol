// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The overload of ERC-3009's `receiveWithAuthorization` that takes a packed signature, as USDC 2.2 has it.
interface IReceiveWithAuthorization {
    /// @notice Moves tokens to the caller by the signature of their holder. Each nonce of a holder is used once.
    /// @param from The holder.
    /// @param to The account that receives the tokens; must be the caller.
    /// @param value The amount, in token base units.
    /// @param validAfter The authorisation is valid after this time, in unix seconds.
    /// @param validBefore The authorisation is valid before this time, in unix seconds.
    /// @param nonce Any value that the holder has not used.
    /// @param signature r ‖ s ‖ v of the holder's key, or whatever the contract `from` accepts by ERC-1271.
    /// @custom:access The account `to`.
    /// @custom:reverts ERC3009InvalidSignature The signature is not the holder's.
    /// @custom:reverts ERC20InvalidReceiver The caller is not `to`.
    /// @custom:reverts ERC3009InvalidAuthorizationTime The current time is not within the authorisation's.
    /// @custom:reverts ERC3009UsedAuthorization The nonce was used or cancelled.
    /// @custom:reverts ERC20InsufficientBalance The holder has less than `value`.
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
