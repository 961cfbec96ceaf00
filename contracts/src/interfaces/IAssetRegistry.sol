// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAssetRegistryErrors} from "./IAssetRegistryErrors.sol";

/// @notice One Datanet version that terms pay, and how much of the data part it receives.
struct DatanetLink {
    bytes32 datanetId;
    uint32 version; // counted from 1
    uint32 ppm; // parts per million of the data part
}

/// @notice What every fee earned with one adapter version pays to its owner and to the Datanets it was trained on.
struct Terms {
    bytes32 adapterKey; // the adapter version
    address owner; // receives the royalty
    uint32 royaltyPpm; // the owner's royalty, parts per million of the fee
    uint32 dataPpm; // the data part, parts per million of the fee
    uint32 evidencePpm; // how much of the data part evidence may redistribute, parts per million of it
    bytes32 manifestDigest; // digest of the training manifest
    DatanetLink[] datanets; // strictly ascending by (datanetId, version); their ppm add up to 1,000,000
}

/// @notice An immutable version of a Datanet: what it contains and who contributed with which weight.
struct DatanetVersion {
    bytes32 contentRoot;
    bytes32 contributorsRoot; // root of the tree of (contributor, weight) leaves
    uint64 totalWeight; // the sum of the contributors' weights
    uint32 contributorCount; // number of leaves under contributorsRoot
    uint64 publishedAt; // unix seconds; 0 for a version that does not exist
}

/// @notice An immutable version of an adapter: which weights on which base model.
struct AdapterVersion {
    bytes32 adapterId;
    uint32 version; // counted from 1; 0 for a version that does not exist
    bytes32 adapterDigest;
    bytes32 baseDigest;
    uint64 publishedAt; // unix seconds
}

/// @title Registry of adapters, Datanets and their terms.
/// @notice Versions are immutable. Terms are append-only windows: the past never changes.
interface IAssetRegistry is IAssetRegistryErrors {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A Datanet was created.
    /// @param datanetId The id of the new Datanet.
    /// @param steward The account that may publish its versions.
    /// @param uri The location of its description.
    event DatanetCreated(bytes32 indexed datanetId, address indexed steward, string uri);

    /// @notice A version of a Datanet was published.
    /// @param datanetId The Datanet.
    /// @param version The number of the version, counted from 1.
    /// @param value The version.
    event DatanetVersionPublished(bytes32 indexed datanetId, uint32 indexed version, DatanetVersion value);

    /// @notice An adapter was created.
    /// @param adapterId The id of the new adapter.
    /// @param owner The account that may publish its versions and register their terms.
    /// @param uri The location of its description.
    event AdapterCreated(bytes32 indexed adapterId, address indexed owner, string uri);

    /// @notice An account committed to an adapter version that it will publish.
    /// @param commitment Hides the version.
    event AdapterVersionCommitted(bytes32 indexed commitment);

    /// @notice A version of an adapter was published.
    /// @param adapterId The adapter.
    /// @param adapterKey The key of the version.
    /// @param value The version.
    event AdapterVersionPublished(bytes32 indexed adapterId, bytes32 indexed adapterKey, AdapterVersion value);

    /// @notice Terms of an adapter version were registered.
    /// @param adapterKey The key of the adapter version.
    /// @param termsHash The EIP-712 struct hash of the terms.
    /// @param terms The terms.
    /// @param from The time from which they are valid, in unix seconds.
    event TermsRegistered(bytes32 indexed adapterKey, bytes32 indexed termsHash, Terms terms, uint64 from);

    // ---- Datanets --------------------------------------------------------------------------------------------------

    /// @notice Creates a Datanet whose steward is the caller.
    /// @dev The id depends on the caller, so no other account can take it first.
    /// @param salt Chosen by the caller; each salt is used once per caller.
    /// @param uri The location of the Datanet's description.
    /// @return datanetId keccak256(abi.encode(caller, salt)).
    /// @custom:access Anyone.
    /// @custom:reverts DatanetAlreadyExists The caller used this salt before.
    function createDatanet(bytes32 salt, string calldata uri) external returns (bytes32 datanetId);

    /// @notice Publishes the next version of a Datanet.
    /// @param datanetId The Datanet.
    /// @param contentRoot Commits to the content; not interpreted here.
    /// @param contributorsRoot Root of the tree of (contributor, weight) leaves.
    /// @param totalWeight The sum of the contributors' weights; not verified here.
    /// @param contributorCount Number of leaves under `contributorsRoot`.
    /// @return version The number of the new version, counted from 1.
    /// @custom:access The steward of the Datanet.
    /// @custom:reverts NotSteward The caller is not the steward, or the Datanet does not exist.
    /// @custom:reverts ZeroContributorsRoot `contributorsRoot` is zero.
    /// @custom:reverts ZeroTotalWeight `totalWeight` is zero.
    /// @custom:reverts ZeroContributorCount `contributorCount` is zero.
    function publishDatanetVersion(
        bytes32 datanetId,
        bytes32 contentRoot,
        bytes32 contributorsRoot,
        uint64 totalWeight,
        uint32 contributorCount
    ) external returns (uint32 version);

    // ---- adapters --------------------------------------------------------------------------------------------------

    /// @notice Creates an adapter whose owner is the caller.
    /// @dev The id depends on the caller, so no other account can take it first.
    /// @param salt Chosen by the caller; each salt is used once per caller.
    /// @param uri The location of the adapter's description.
    /// @return adapterId keccak256(abi.encode(caller, salt)).
    /// @custom:access Anyone.
    /// @custom:reverts AdapterAlreadyExists The caller used this salt before.
    function createAdapter(bytes32 salt, string calldata uri) external returns (bytes32 adapterId);

    /// @notice Commits to an adapter version whose digest is not published yet, without revealing it.
    /// @dev The adapter belongs to one owner, so a copied commitment is of no use to anybody else.
    /// @param commitment keccak256(abi.encode(adapterId, adapterDigest, baseDigest, salt)).
    /// @custom:access Anyone.
    /// @custom:reverts AlreadyCommitted The commitment was made before.
    function commitAdapterVersion(bytes32 commitment) external;

    /// @notice Publishes the next version of an adapter. Whoever commits to a digest and publishes it first is its owner:
    /// no other account can publish it, for any base model, and take its royalty.
    /// @param adapterId The adapter.
    /// @param adapterDigest sha256 over the adapter's files, as the protocol defines it.
    /// @param baseDigest Digest of the base model the adapter was trained on.
    /// @param salt The salt of the commitment; of no account if the caller has published this digest before.
    /// @return adapterKey keccak256(abi.encode(adapterId, version, adapterDigest, baseDigest)); versions count from 1.
    /// @custom:access The owner of the adapter.
    /// @custom:reverts NotOwner The caller is not the owner, or the adapter does not exist.
    /// @custom:reverts ZeroAdapterDigest `adapterDigest` is zero.
    /// @custom:reverts ZeroBaseDigest `baseDigest` is zero.
    /// @custom:reverts DigestAlreadyPublished Another account has published this digest.
    /// @custom:reverts NotCommitted There is no commitment to this version with this salt.
    /// @custom:reverts RevealTooEarly The commitment is younger than `revealDelay`.
    function publishAdapterVersion(bytes32 adapterId, bytes32 adapterDigest, bytes32 baseDigest, bytes32 salt)
        external
        returns (bytes32 adapterKey);

    // ---- terms -----------------------------------------------------------------------------------------------------

    /// @notice Registers terms of an adapter version. The first terms are valid immediately, for any `from`.
    /// @dev Terms may be registered again: every window that they were registered for stays valid.
    /// @param terms The terms; `terms.owner` must be the owner of the adapter.
    /// @param from When a successor becomes valid, in unix seconds: at least `notice` ahead and after the window before
    /// it; 0 means as early as allowed.
    /// @return termsHash The EIP-712 struct hash of the terms.
    /// @custom:access The owner of the adapter.
    /// @custom:reverts UnknownAdapter No adapter version has the key `terms.adapterKey`.
    /// @custom:reverts NotOwner The caller is not the owner of the adapter.
    /// @custom:reverts WrongTermsOwner `terms.owner` is not the owner of the adapter.
    /// @custom:reverts FeePartsTooHigh Royalty, data part and the treasury's maximum together exceed the fee.
    /// @custom:reverts EvidencePpmTooHigh `terms.evidencePpm` exceeds 1,000,000.
    /// @custom:reverts TooManyLinks The terms have more than `MAX_LINKS` links.
    /// @custom:reverts DataPartWithoutLinks The terms have a data part and no link.
    /// @custom:reverts UnsortedLinks The links are not strictly ascending by (datanetId, version).
    /// @custom:reverts UnknownDatanetVersion A link names a version that was not published.
    /// @custom:reverts ZeroLinkPpm A link has a part of zero.
    /// @custom:reverts LinkPpmMismatch The parts of the links do not add up to 1,000,000.
    /// @custom:reverts WindowTooEarly `from` is not zero and too early.
    /// @custom:reverts WindowTooLate `from` is more than 90 days ahead.
    function registerTerms(Terms calldata terms, uint64 from) external returns (bytes32 termsHash);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The largest number of Datanet versions that terms may link to.
    /// @return The number.
    function MAX_LINKS() external view returns (uint256);

    /// @notice How far ahead terms must be registered that succeed others.
    /// @return The notice period, in seconds.
    function notice() external view returns (uint64);

    /// @notice How long an adapter version must have been committed to before it is published.
    /// @return The delay, in seconds.
    function revealDelay() external view returns (uint64);

    /// @notice When a commitment to an adapter version was made.
    /// @param commitment The commitment.
    /// @return The time, in unix seconds; 0 if it was not made.
    function committedAt(bytes32 commitment) external view returns (uint64);

    /// @notice The account that published an adapter digest first.
    /// @param adapterDigest The digest.
    /// @return The account; the zero address if the digest was not published.
    function digestOwnerOf(bytes32 adapterDigest) external view returns (address);

    /// @notice The account that may publish versions of a Datanet.
    /// @param datanetId The Datanet.
    /// @return The steward; the zero address if the Datanet does not exist.
    function stewardOf(bytes32 datanetId) external view returns (address);

    /// @notice The account that may publish versions of an adapter and register their terms.
    /// @param adapterId The adapter.
    /// @return The owner; the zero address if the adapter does not exist.
    function ownerOf(bytes32 adapterId) external view returns (address);

    /// @notice The number of the newest version of a Datanet.
    /// @param datanetId The Datanet.
    /// @return The version, counted from 1; 0 if there is none.
    function latestDatanetVersion(bytes32 datanetId) external view returns (uint32);

    /// @notice A version of a Datanet.
    /// @param datanetId The Datanet.
    /// @param version The number of the version.
    /// @return The version; all fields are zero if it does not exist.
    function datanetVersion(bytes32 datanetId, uint32 version) external view returns (DatanetVersion memory);

    /// @notice A version of an adapter.
    /// @param adapterKey The key of the version.
    /// @return The version; all fields are zero if it does not exist.
    function adapterVersion(bytes32 adapterKey) external view returns (AdapterVersion memory);

    /// @notice The terms that are valid for an adapter version at a time.
    /// @param adapterKey The key of the adapter version.
    /// @param time The time, in unix seconds.
    /// @return The EIP-712 struct hash of the terms; 0 if none are valid then.
    function termsHashAt(bytes32 adapterKey, uint64 time) external view returns (bytes32);

    /// @notice The terms behind a hash. When they are valid is asked of `termsHashAt`.
    /// @param termsHash The EIP-712 struct hash of the terms.
    /// @return The terms; all fields are zero if they are not registered.
    function terms(bytes32 termsHash) external view returns (Terms memory);
}
