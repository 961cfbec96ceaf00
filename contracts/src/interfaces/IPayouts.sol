// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Where payees receive their claims.
/// @notice Only the payee decides, by a call or by a signature.
interface IPayouts {
    /// @notice A payee chose where it receives its claims.
    /// @param payee The payee.
    /// @param to The chosen account; the zero address means the payee itself.
    event PayoutChanged(address indexed payee, address to);

    /// @notice The signed change is no longer valid.
    /// @param deadline The last time at which it was valid, in unix seconds.
    error ExpiredSignature(uint64 deadline);

    /// @notice The signature is not that of the account whose consent is required.
    /// @param signer The account that must have signed.
    /// @param digest The EIP-712 digest that it must have signed.
    error InvalidSignature(address signer, bytes32 digest);

    /// @notice Chooses where the caller receives its claims.
    /// @dev Uses up a nonce, so that no older signed change can undo it.
    /// @param to The account; the zero address means the caller itself.
    /// @custom:access Anyone, for itself.
    /// @custom:reverts Never.
    function setPayout(address to) external;

    /// @notice Chooses where a payee receives its claims, with the payee's signature.
    /// @param payee The payee: a key, or a contract that verifies signatures by ERC-1271.
    /// @param to The account; the zero address means the payee itself.
    /// @param nonce The payee's next nonce.
    /// @param deadline The last time at which the signature is valid, in unix seconds.
    /// @param signature The payee's signature over the EIP-712 struct `PayoutChange`.
    /// @custom:access Anyone.
    /// @custom:reverts ExpiredSignature The deadline has passed.
    /// @custom:reverts InvalidSignature The signature is not the payee's.
    /// @custom:reverts InvalidAccountNonce `nonce` is not the payee's next.
    function setPayoutFor(address payee, address to, uint256 nonce, uint64 deadline, bytes calldata signature) external;

    /// @notice The account that receives a payee's claims.
    /// @param payee The payee.
    /// @return The chosen account, or the payee itself.
    function payoutOf(address payee) external view returns (address);
}
