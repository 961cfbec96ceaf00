// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {AdapterVersion, DatanetLink, DatanetVersion, IAssetRegistry, Terms} from "./interfaces/IAssetRegistry.sol";
import {MAX_TREASURY_PPM, PPM} from "./libraries/Ppm.sol";
import {StructHash} from "./libraries/StructHash.sol";
import {Windows} from "./libraries/Windows.sol";

/// @title Adapters, Datanets and their terms. Versions are immutable; terms are append-only windows.
contract AssetRegistry is IAssetRegistry {
    using Checkpoints for Checkpoints.Trace256;
    using StructHash for Terms;
    using Windows for Checkpoints.Trace256;

    uint256 public constant MAX_LINKS = 16;

    uint64 public immutable notice;

    struct Datanet {
        address steward;
        uint32 latest;
        mapping(uint32 version => DatanetVersion) versions;
    }

    struct Adapter {
        address owner;
        uint32 latest;
    }

    mapping(bytes32 datanetId => Datanet) private _datanets;
    mapping(bytes32 adapterId => Adapter) private _adapters;
    mapping(bytes32 adapterKey => AdapterVersion) private _adapterVersions;
    mapping(bytes32 adapterKey => Checkpoints.Trace256) private _termsHashes;
    mapping(bytes32 termsHash => Terms) private _terms;
    mapping(bytes32 termsHash => uint256) private _termsIndex; // of its newest window in the key's history

    error AlreadyExists(bytes32 id);
    error NotSteward(address caller);
    error NotOwner(address caller);
    error UnknownAdapter(bytes32 adapterKey);
    error UnknownDatanetVersion(bytes32 datanetId, uint32 version);
    error InvalidVersion();
    error InvalidShares();
    error UnsortedLinks();

    constructor(uint64 notice_) {
        notice = notice_;
    }

    // ---- Datanets --------------------------------------------------------------------------------------------------

    /// @inheritdoc IAssetRegistry
    function createDatanet(bytes32 salt, string calldata uri) external returns (bytes32 datanetId) {
        datanetId = keccak256(abi.encode(msg.sender, salt));
        require(_datanets[datanetId].steward == address(0), AlreadyExists(datanetId));
        _datanets[datanetId].steward = msg.sender;
        emit DatanetCreated(datanetId, msg.sender, uri);
    }

    /// @inheritdoc IAssetRegistry
    function publishDatanetVersion(
        bytes32 datanetId,
        bytes32 contentRoot,
        bytes32 contributorsRoot,
        uint64 totalWeight,
        uint32 contributorCount
    ) external returns (uint32 version) {
        Datanet storage datanet = _datanets[datanetId];
        require(msg.sender == datanet.steward, NotSteward(msg.sender));
        require(contributorsRoot != 0 && totalWeight != 0 && contributorCount != 0, InvalidVersion());
        version = ++datanet.latest;
        DatanetVersion memory value =
            DatanetVersion(contentRoot, contributorsRoot, totalWeight, contributorCount, uint64(block.timestamp));
        datanet.versions[version] = value;
        emit DatanetVersionPublished(datanetId, version, value);
    }

    // ---- adapters --------------------------------------------------------------------------------------------------

    /// @inheritdoc IAssetRegistry
    function createAdapter(bytes32 salt, string calldata uri) external returns (bytes32 adapterId) {
        adapterId = keccak256(abi.encode(msg.sender, salt));
        require(_adapters[adapterId].owner == address(0), AlreadyExists(adapterId));
        _adapters[adapterId].owner = msg.sender;
        emit AdapterCreated(adapterId, msg.sender, uri);
    }

    /// @inheritdoc IAssetRegistry
    function publishAdapterVersion(bytes32 adapterId, bytes32 adapterDigest, bytes32 baseDigest)
        external
        returns (bytes32 adapterKey)
    {
        Adapter storage adapter = _adapters[adapterId];
        require(msg.sender == adapter.owner, NotOwner(msg.sender));
        require(adapterDigest != 0 && baseDigest != 0, InvalidVersion());
        uint32 version = ++adapter.latest;
        adapterKey = keccak256(abi.encode(adapterId, version, adapterDigest, baseDigest));
        AdapterVersion memory value =
            AdapterVersion(adapterId, version, adapterDigest, baseDigest, uint64(block.timestamp));
        _adapterVersions[adapterKey] = value;
        emit AdapterVersionPublished(adapterId, adapterKey, value);
    }

    // ---- terms -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IAssetRegistry
    function registerTerms(Terms calldata terms_, uint64 from) external returns (bytes32 termsHash) {
        bytes32 adapterKey = terms_.adapterKey;
        require(_adapterVersions[adapterKey].version != 0, UnknownAdapter(adapterKey));
        address owner = _adapters[_adapterVersions[adapterKey].adapterId].owner;
        require(msg.sender == owner && terms_.owner == owner, NotOwner(msg.sender));
        _checkShares(terms_);

        termsHash = terms_.hash();
        Checkpoints.Trace256 storage history = _termsHashes[adapterKey];
        from = history.append(termsHash, from, notice);
        _termsIndex[termsHash] = history.length() - 1;
        if (_terms[termsHash].owner == address(0)) _store(termsHash, terms_);
        emit TermsRegistered(adapterKey, termsHash, terms_, from);
    }

    /// @dev Whatever the treasury takes, the parts of a fee never exceed the fee.
    function _checkShares(Terms calldata terms_) private view {
        require(MAX_TREASURY_PPM + uint256(terms_.royaltyPpm) + terms_.dataPpm <= PPM, InvalidShares());
        require(terms_.evidencePpm <= PPM, InvalidShares());
        uint256 count = terms_.datanets.length;
        require(count <= MAX_LINKS && (count != 0 || terms_.dataPpm == 0), InvalidShares());

        uint256 sum = count == 0 ? PPM : 0;
        for (uint256 i = 0; i < count; ++i) {
            DatanetLink calldata link = terms_.datanets[i];
            if (i != 0) {
                DatanetLink calldata previous = terms_.datanets[i - 1];
                bool ascending = previous.datanetId < link.datanetId
                    || (previous.datanetId == link.datanetId && previous.version < link.version);
                require(ascending, UnsortedLinks());
            }
            bool published = link.version != 0 && link.version <= _datanets[link.datanetId].latest;
            require(published, UnknownDatanetVersion(link.datanetId, link.version));
            require(link.ppm != 0, InvalidShares());
            sum += link.ppm;
        }
        require(sum == PPM, InvalidShares());
    }

    function _store(bytes32 termsHash, Terms calldata terms_) private {
        Terms storage stored = _terms[termsHash];
        stored.adapterKey = terms_.adapterKey;
        stored.owner = terms_.owner;
        stored.royaltyPpm = terms_.royaltyPpm;
        stored.dataPpm = terms_.dataPpm;
        stored.evidencePpm = terms_.evidencePpm;
        stored.manifestDigest = terms_.manifestDigest;
        for (uint256 i = 0; i < terms_.datanets.length; ++i) {
            stored.datanets.push(terms_.datanets[i]);
        }
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IAssetRegistry
    function stewardOf(bytes32 datanetId) external view returns (address) {
        return _datanets[datanetId].steward;
    }

    /// @inheritdoc IAssetRegistry
    function ownerOf(bytes32 adapterId) external view returns (address) {
        return _adapters[adapterId].owner;
    }

    /// @inheritdoc IAssetRegistry
    function latestDatanetVersion(bytes32 datanetId) external view returns (uint32) {
        return _datanets[datanetId].latest;
    }

    /// @inheritdoc IAssetRegistry
    function datanetVersion(bytes32 datanetId, uint32 version) external view returns (DatanetVersion memory) {
        return _datanets[datanetId].versions[version];
    }

    /// @inheritdoc IAssetRegistry
    function adapterVersion(bytes32 adapterKey) external view returns (AdapterVersion memory) {
        return _adapterVersions[adapterKey];
    }

    /// @inheritdoc IAssetRegistry
    function termsHashAt(bytes32 adapterKey, uint64 time) external view returns (bytes32) {
        return _termsHashes[adapterKey].valueAt(time);
    }

    /// @inheritdoc IAssetRegistry
    function terms(bytes32 termsHash) external view returns (Terms memory value, uint64 from, uint64 until) {
        value = _terms[termsHash];
        if (value.owner == address(0)) return (value, 0, 0);
        (from, until) = _termsHashes[value.adapterKey].windowOf(_termsIndex[termsHash]);
    }
}
