// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Checkpoints} from "@openzeppelin/contracts/utils/structs/Checkpoints.sol";

import {AdapterVersion, DatanetLink, DatanetVersion, IAssetRegistry, Terms} from "./interfaces/IAssetRegistry.sol";
import {MAX_TREASURY_PPM, PPM} from "./libraries/Ppm.sol";
import {StructHash} from "./libraries/StructHash.sol";
import {Windows} from "./libraries/Windows.sol";

/// @title Registry of adapters, Datanets and their terms.
/// @notice Versions are immutable. Terms are append-only windows: the past never changes.
contract AssetRegistry is IAssetRegistry {
    using StructHash for Terms;
    using Windows for Checkpoints.Trace256;

    /// @inheritdoc IAssetRegistry
    uint256 public constant MAX_LINKS = 16;

    /// @inheritdoc IAssetRegistry
    uint64 public immutable notice;
    /// @inheritdoc IAssetRegistry
    uint64 public immutable revealDelay;

    /// @inheritdoc IAssetRegistry
    mapping(bytes32 commitment => uint64) public committedAt;

    /// @notice A Datanet and its versions, counted from 1.
    struct Datanet {
        address steward;
        uint32 latest;
        mapping(uint32 version => DatanetVersion) versions;
    }

    /// @notice An adapter and the number of its newest version.
    struct Adapter {
        address owner;
        uint32 latest;
    }

    mapping(bytes32 datanetId => Datanet) private _datanets;
    mapping(bytes32 adapterId => Adapter) private _adapters;
    mapping(bytes32 adapterKey => AdapterVersion) private _adapterVersions;
    mapping(bytes32 adapterKey => Checkpoints.Trace256) private _termsHashes;
    mapping(bytes32 termsHash => Terms) private _terms;
    mapping(bytes32 adapterDigest => address) private _digestOwners;

    /// @param notice_ How far ahead terms must be registered that succeed others, in seconds.
    /// @param revealDelay_ How long an adapter version must have been committed to before it is published, in seconds.
    /// @custom:reverts ZeroRevealDelay The delay is zero, so that whoever sees a publication could overtake it.
    constructor(uint64 notice_, uint64 revealDelay_) {
        if (revealDelay_ == 0) revert ZeroRevealDelay();
        notice = notice_;
        revealDelay = revealDelay_;
    }

    // ---- Datanets --------------------------------------------------------------------------------------------------

    /// @inheritdoc IAssetRegistry
    function createDatanet(bytes32 salt, string calldata uri) external returns (bytes32 datanetId) {
        datanetId = keccak256(abi.encode(msg.sender, salt));
        if (_datanets[datanetId].steward != address(0)) revert DatanetAlreadyExists(datanetId);
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
        address steward = datanet.steward;
        if (msg.sender != steward) revert NotSteward(datanetId, msg.sender, steward);
        if (contributorsRoot == 0) revert ZeroContributorsRoot(datanetId);
        if (totalWeight == 0) revert ZeroTotalWeight(datanetId);
        if (contributorCount == 0) revert ZeroContributorCount(datanetId);
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
        if (_adapters[adapterId].owner != address(0)) revert AdapterAlreadyExists(adapterId);
        _adapters[adapterId].owner = msg.sender;
        emit AdapterCreated(adapterId, msg.sender, uri);
    }

    /// @inheritdoc IAssetRegistry
    function commitAdapterVersion(bytes32 commitment) external {
        if (committedAt[commitment] != 0) revert AlreadyCommitted(commitment);
        committedAt[commitment] = uint64(block.timestamp);
        emit AdapterVersionCommitted(commitment);
    }

    /// @inheritdoc IAssetRegistry
    function publishAdapterVersion(bytes32 adapterId, bytes32 adapterDigest, bytes32 baseDigest, bytes32 salt)
        external
        returns (bytes32 adapterKey)
    {
        Adapter storage adapter = _adapters[adapterId];
        address owner = adapter.owner;
        if (msg.sender != owner) revert NotOwner(adapterId, msg.sender, owner);
        if (adapterDigest == 0) revert ZeroAdapterDigest(adapterId);
        if (baseDigest == 0) revert ZeroBaseDigest(adapterId);
        _checkFirst(adapterDigest, keccak256(abi.encode(adapterId, adapterDigest, baseDigest, salt)));
        uint32 version = ++adapter.latest;
        adapterKey = keccak256(abi.encode(adapterId, version, adapterDigest, baseDigest));
        AdapterVersion memory value =
            AdapterVersion(adapterId, version, adapterDigest, baseDigest, uint64(block.timestamp));
        _adapterVersions[adapterKey] = value;
        emit AdapterVersionPublished(adapterId, adapterKey, value);
    }

    /// @dev Whoever reads the digest in a pending publication must still commit and wait, and comes too late.
    function _checkFirst(bytes32 adapterDigest, bytes32 commitment) private {
        address first = _digestOwners[adapterDigest];
        if (first == msg.sender) return;
        if (first != address(0)) revert DigestAlreadyPublished(adapterDigest, first);
        uint64 since = committedAt[commitment];
        if (since == 0) revert NotCommitted(commitment);
        if (block.timestamp < since + revealDelay) revert RevealTooEarly(commitment, since + revealDelay);
        _digestOwners[adapterDigest] = msg.sender;
    }

    // ---- terms -----------------------------------------------------------------------------------------------------

    /// @inheritdoc IAssetRegistry
    function registerTerms(Terms calldata terms_, uint64 from) external returns (bytes32 termsHash) {
        bytes32 adapterKey = terms_.adapterKey;
        if (_adapterVersions[adapterKey].version == 0) revert UnknownAdapter(adapterKey);
        bytes32 adapterId = _adapterVersions[adapterKey].adapterId;
        address owner = _adapters[adapterId].owner;
        if (msg.sender != owner) revert NotOwner(adapterId, msg.sender, owner);
        if (terms_.owner != owner) revert WrongTermsOwner(terms_.owner, owner);
        _checkParts(terms_);
        _checkLinks(terms_);

        termsHash = terms_.hash();
        Checkpoints.Trace256 storage history = _termsHashes[adapterKey];
        from = history.start(from, notice);
        history.append(termsHash, from);
        if (_terms[termsHash].owner == address(0)) _store(termsHash, terms_);
        emit TermsRegistered(adapterKey, termsHash, terms_, from);
    }

    /// @dev Whatever the treasury takes, the parts of a fee never exceed the fee.
    function _checkParts(Terms calldata terms_) private pure {
        if (uint256(terms_.royaltyPpm) + terms_.dataPpm > PPM - MAX_TREASURY_PPM) {
            revert FeePartsTooHigh(terms_.royaltyPpm, terms_.dataPpm, PPM - MAX_TREASURY_PPM);
        }
        if (terms_.evidencePpm > PPM) revert EvidencePpmTooHigh(terms_.evidencePpm, PPM);
    }

    /// @dev The links are sorted, unique and published, and their parts add up to the whole data part.
    function _checkLinks(Terms calldata terms_) private view {
        uint256 count = terms_.datanets.length;
        if (count > MAX_LINKS) revert TooManyLinks(count, MAX_LINKS);
        if (count == 0) {
            if (terms_.dataPpm != 0) revert DataPartWithoutLinks(terms_.dataPpm);
            return;
        }

        uint256 sum;
        for (uint256 i = 0; i < count; ++i) {
            DatanetLink calldata link = terms_.datanets[i];
            if (i != 0 && !_isAscending(terms_.datanets[i - 1], link)) revert UnsortedLinks(i);
            uint32 latest = _datanets[link.datanetId].latest;
            bool published = link.version != 0 && link.version <= latest;
            if (!published) revert UnknownDatanetVersion(link.datanetId, link.version, latest);
            if (link.ppm == 0) revert ZeroLinkPpm(link.datanetId, link.version);
            sum += link.ppm;
        }
        if (sum != PPM) revert LinkPpmMismatch(sum, PPM);
    }

    function _isAscending(DatanetLink calldata previous, DatanetLink calldata link) private pure returns (bool) {
        return previous.datanetId < link.datanetId
            || (previous.datanetId == link.datanetId && previous.version < link.version);
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
    function digestOwnerOf(bytes32 adapterDigest) external view returns (address) {
        return _digestOwners[adapterDigest];
    }

    /// @inheritdoc IAssetRegistry
    function terms(bytes32 termsHash) external view returns (Terms memory) {
        return _terms[termsHash];
    }
}
