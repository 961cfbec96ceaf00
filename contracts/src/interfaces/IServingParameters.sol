// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The serving parameters that holders recommend to nodes.
/// @notice The document is JSON outside the chain: nodes may read it, and no contract interprets it.
interface IServingParameters {
    /// @notice A document became the recommended one.
    /// @param number How many documents there are now; the first has number 1.
    /// @param digest sha256 of the document's bytes.
    /// @param uri Where the document can be read.
    event DocumentPublished(uint256 indexed number, bytes32 digest, string uri);

    /// @notice A document cannot have the digest 0.
    /// @dev The caller knows all there is: the digest was 0.
    error ZeroDigest();

    /// @notice Recommends a document from now on.
    /// @param digest sha256 of the document's bytes.
    /// @param uri Where the document can be read.
    /// @custom:access Governance, by the access manager.
    /// @custom:reverts AccessManagedUnauthorized The caller may not call this function.
    /// @custom:reverts ZeroDigest `digest` is 0.
    function publish(bytes32 digest, string calldata uri) external;

    /// @notice How many documents were published.
    /// @return The number of the newest document; 0 before the first.
    function count() external view returns (uint256);

    /// @notice The sha256 of the newest document's bytes.
    /// @return The digest; 0 before the first document.
    function digest() external view returns (bytes32);

    /// @notice Where the newest document can be read.
    /// @return The URI; empty before the first document.
    function uri() external view returns (string memory);
}
