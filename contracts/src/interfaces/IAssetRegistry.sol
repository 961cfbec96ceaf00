// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

struct DatanetLink {
    bytes32 datanetId;
    uint32 version;
    uint32 ppm;
}

struct Terms {
    bytes32 adapterKey;
    address owner;
    uint32 royaltyPpm;
    uint32 dataPpm;
    uint32 evidencePpm;
    bytes32 manifestDigest;
    DatanetLink[] datanets;
}

struct DatanetVersion {
    bytes32 contentRoot;
    bytes32 contributorsRoot;
    uint64 totalWeight;
    uint32 contributorCount;
    uint64 publishedAt;
}

struct AdapterVersion {
    bytes32 adapterId;
    uint32 version;
    bytes32 adapterDigest;
    bytes32 baseDigest;
    uint64 publishedAt;
}

/// @title Adapters, Datanets and their terms. Versions are immutable; terms are append-only windows.
interface IAssetRegistry {
    event DatanetCreated(bytes32 indexed datanetId, address indexed steward, string uri);
    event DatanetVersionPublished(bytes32 indexed datanetId, uint32 indexed version, DatanetVersion value);
    event AdapterCreated(bytes32 indexed adapterId, address indexed owner, string uri);
    event AdapterVersionPublished(bytes32 indexed adapterId, bytes32 indexed adapterKey, AdapterVersion value);
    event TermsRegistered(bytes32 indexed adapterKey, bytes32 indexed termsHash, Terms terms, uint64 from);

    /// @notice Ids are keccak256(abi.encode(msg.sender, salt)), so nobody can take another's id first.
    function createDatanet(bytes32 salt, string calldata uri) external returns (bytes32 datanetId);
    /// @notice Steward only; versions count from 1.
    function publishDatanetVersion(
        bytes32 datanetId,
        bytes32 contentRoot,
        bytes32 contributorsRoot,
        uint64 totalWeight,
        uint32 contributorCount
    ) external returns (uint32 version);
    function createAdapter(bytes32 salt, string calldata uri) external returns (bytes32 adapterId);
    /// @notice Owner only; versions count from 1. adapterKey as in the protocol's encodings.
    function publishAdapterVersion(bytes32 adapterId, bytes32 adapterDigest, bytes32 baseDigest)
        external
        returns (bytes32 adapterKey);
    /// @notice Owner only; `terms.owner` must be the adapter's owner. The first terms of a key start now, a successor's
    /// `from` must be at least NOTICE ahead (0 = as early as allowed).
    function registerTerms(Terms calldata terms, uint64 from) external returns (bytes32 termsHash);

    function stewardOf(bytes32 datanetId) external view returns (address);
    function ownerOf(bytes32 adapterId) external view returns (address);
    function latestDatanetVersion(bytes32 datanetId) external view returns (uint32);
    function datanetVersion(bytes32 datanetId, uint32 version) external view returns (DatanetVersion memory);
    function adapterVersion(bytes32 adapterKey) external view returns (AdapterVersion memory);
    function termsHashAt(bytes32 adapterKey, uint64 time) external view returns (bytes32);
    function terms(bytes32 termsHash) external view returns (Terms memory value, uint64 from, uint64 until);
}
