// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IWindowErrors} from "./IWindowErrors.sol";

/// @title Errors of the asset registry.
interface IAssetRegistryErrors is IWindowErrors {
    // ---- Datanets --------------------------------------------------------------------------------------------------

    /// @notice The caller has already created a Datanet with this salt.
    /// @param datanetId The id that follows from caller and salt.
    error DatanetAlreadyExists(bytes32 datanetId);

    /// @notice The caller is not the steward of the Datanet.
    /// @param datanetId The Datanet.
    /// @param caller The account that called.
    /// @param steward The steward; the zero address if the Datanet does not exist.
    error NotSteward(bytes32 datanetId, address caller, address steward);

    /// @notice A Datanet version must name the root of its contributors, and the given root is zero.
    /// @param datanetId The Datanet.
    error ZeroContributorsRoot(bytes32 datanetId);

    /// @notice A Datanet version must have a positive total weight, and the given weight is zero.
    /// @param datanetId The Datanet.
    error ZeroTotalWeight(bytes32 datanetId);

    /// @notice A Datanet version must have at least one contributor, and the given count is zero.
    /// @param datanetId The Datanet.
    error ZeroContributorCount(bytes32 datanetId);

    /// @notice The Datanet has no such version. Versions count from 1.
    /// @param datanetId The Datanet.
    /// @param version The version that was named.
    /// @param latest The newest published version; 0 if there is none.
    error UnknownDatanetVersion(bytes32 datanetId, uint32 version, uint32 latest);

    // ---- adapters --------------------------------------------------------------------------------------------------

    /// @notice The caller has already created an adapter with this salt.
    /// @param adapterId The id that follows from caller and salt.
    error AdapterAlreadyExists(bytes32 adapterId);

    /// @notice The caller is not the owner of the adapter.
    /// @param adapterId The adapter.
    /// @param caller The account that called.
    /// @param owner The owner; the zero address if the adapter does not exist.
    error NotOwner(bytes32 adapterId, address caller, address owner);

    /// @notice An adapter version must name its adapter digest, and the given digest is zero.
    /// @param adapterId The adapter.
    error ZeroAdapterDigest(bytes32 adapterId);

    /// @notice An adapter version must name the digest of its base model, and the given digest is zero.
    /// @param adapterId The adapter.
    error ZeroBaseDigest(bytes32 adapterId);

    /// @notice No adapter version has this key.
    /// @param adapterKey The key that was named.
    error UnknownAdapter(bytes32 adapterKey);

    // ---- terms -----------------------------------------------------------------------------------------------------

    /// @notice Terms pay the royalty to an account other than the owner of the adapter.
    /// @param given The owner that the terms name.
    /// @param owner The owner of the adapter.
    error WrongTermsOwner(address given, address owner);

    /// @notice Royalty and data part leave less of a fee than the treasury may take at most.
    /// @param royaltyPpm The royalty, in parts per million of the fee.
    /// @param dataPpm The data part, in parts per million of the fee.
    /// @param maxSumPpm The largest sum of both that is accepted, in parts per million of the fee.
    error FeePartsTooHigh(uint32 royaltyPpm, uint32 dataPpm, uint256 maxSumPpm);

    /// @notice Evidence may redistribute at most the whole data part.
    /// @param evidencePpm The part that it may redistribute, in parts per million of the data part.
    /// @param maxPpm The largest part that is accepted, in parts per million of the data part.
    error EvidencePpmTooHigh(uint32 evidencePpm, uint256 maxPpm);

    /// @notice Terms link to more Datanet versions than a receipt may pay.
    /// @param count The number of links.
    /// @param maxCount The largest number that is accepted.
    error TooManyLinks(uint256 count, uint256 maxCount);

    /// @notice Terms have a data part but link to no Datanet version that could receive it.
    /// @param dataPpm The data part, in parts per million of the fee.
    error DataPartWithoutLinks(uint32 dataPpm);

    /// @notice Links are not in strictly ascending order of (datanetId, version).
    /// @param index The position, counted from 0, of the first link that does not come after the link before it.
    error UnsortedLinks(uint256 index);

    /// @notice A link has no part of the data part.
    /// @param datanetId The Datanet of the link.
    /// @param version The version of the link.
    error ZeroLinkPpm(bytes32 datanetId, uint32 version);

    /// @notice The parts of all links do not add up to the whole data part.
    /// @param sumPpm The sum of the links' parts, in parts per million.
    /// @param expectedPpm The sum that is required, in parts per million.
    error LinkPpmMismatch(uint256 sumPpm, uint256 expectedPpm);

    /// @notice Without a delay, whoever sees a pending publication could commit and publish before it.
    /// @dev The caller gives zero.
    error ZeroRevealDelay();

    /// @notice The commitment was made before.
    /// @param commitment The commitment.
    error AlreadyCommitted(bytes32 commitment);

    /// @notice The adapter version was not committed to. Call `commitAdapterVersion` first.
    /// @param commitment The commitment that is missing.
    error NotCommitted(bytes32 commitment);

    /// @notice The commitment is too young.
    /// @param commitment The commitment.
    /// @param earliest When the version can be published, in unix seconds.
    error RevealTooEarly(bytes32 commitment, uint64 earliest);

    /// @notice Another account owns the digest.
    /// @param adapterDigest The digest.
    /// @param owner The account that published it first.
    error DigestAlreadyPublished(bytes32 adapterDigest, address owner);
}
