// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAssetRegistry} from "./IAssetRegistry.sol";
import {IDeaths} from "./IDeaths.sol";
import {IGoverned} from "./IGoverned.sol";
import {ILedgers} from "./ILedgers.sol";
import {IPayouts} from "./IPayouts.sol";

/// @notice A payee's claim of what one node owes it.
struct Claim {
    address node;
    uint64 epoch; // of the active header that the proof is for
    bytes32 headerHash; // of that header
    uint8 payeeKind; // 0 ADDRESS, 2 TREASURY (a DATANET is claimed share by share)
    bytes32 id; // the address, left-padded; 0 for the treasury
    uint128 cumulative; // everything the payee ever earned from the node, in token base units
    bytes proof; // state-tree inclusion of EARNED[payee] = cumulative, see StateTree
}

/// @notice A contributor's claim of its share of what one node owes a Datanet version.
struct ShareClaim {
    address node;
    uint64 epoch; // of the active header that the proof is for
    bytes32 headerHash; // of that header
    bytes32 datanetId;
    uint32 version;
    uint128 cumulative; // everything the Datanet version ever earned from the node, in token base units
    bytes proof; // state-tree inclusion of EARNED[DATANET, id] = cumulative
    address contributor;
    uint64 weight; // the contributor's registered weight
    uint32 index; // of the contributor's leaf
    bytes32[] weightProof; // siblings of that leaf, bottom-up
}

/// @title Settlement: credits, batches and claims.
/// @notice Each node has a ledger of its own, and no tree can spend another node's credit. Amounts are in base units of
/// the node's token.
interface ISettlement is ILedgers, IGoverned, IDeaths, IPayouts {
    // ---- events ----------------------------------------------------------------------------------------------------

    /// @notice A payee was paid.
    /// @param node The node that owed it.
    /// @param payeeKind 0 for an address, 2 for the treasury.
    /// @param id The payee's address, left-padded; 0 for the treasury.
    /// @param to The account that received the tokens.
    /// @param epoch The epoch of the header that the claim was proven against.
    /// @param amount The amount that was paid.
    /// @param cumulative Everything the payee has claimed from the node so far.
    event Claimed(
        address indexed node,
        uint8 payeeKind,
        bytes32 indexed id,
        address indexed to,
        uint64 epoch,
        uint256 amount,
        uint128 cumulative
    );

    /// @notice A contributor was paid its share of what a Datanet version earned.
    /// @param node The node that owed it.
    /// @param datanetId The Datanet.
    /// @param contributor The contributor.
    /// @param version The version of the Datanet.
    /// @param to The account that received the tokens.
    /// @param epoch The epoch of the header that the claim was proven against.
    /// @param amount The amount that was paid.
    /// @param cumulative Everything the Datanet version has earned from the node by that epoch.
    event ShareClaimed(
        address indexed node,
        bytes32 indexed datanetId,
        address indexed contributor,
        uint32 version,
        address to,
        uint64 epoch,
        uint256 amount,
        uint128 cumulative
    );

    /// @notice An entry of a claim was skipped; the other entries are processed.
    /// @param node The node.
    /// @param id The payee's id; keccak256(abi.encode(datanetId, version)) for a share.
    /// @param epoch The epoch of the entry.
    /// @param reason Selector of one of the errors that are listed as reasons.
    event ClaimSkipped(address indexed node, bytes32 indexed id, uint64 epoch, bytes4 reason);

    // ---- errors ----------------------------------------------------------------------------------------------------

    /// @notice Stake must stay slashable until every header that it backs is final.
    /// @param unbondingDelay The unbonding delay, in seconds.
    /// @param longerThan What it must exceed, in seconds: the longest challenge window, the time to answer a demand, and a day.
    error UnbondingTooShort(uint64 unbondingDelay, uint64 longerThan);

    // ---- reasons of ClaimSkipped: only their selectors are used ----------------------------------------------------

    /// @notice Reason of `ClaimSkipped`: only addresses and the treasury claim directly, an address is left-padded and
    /// not zero, and the id of the treasury is zero.
    /// @dev Never thrown. The event holds the values.
    error InvalidPayee();

    /// @notice Reason of `ClaimSkipped`: the proof is malformed, or does not lead to the header that is posted for the
    /// epoch. The header that it was made for may have died.
    /// @dev Never thrown. The event holds the values.
    error InvalidProof();

    /// @notice Reason of `ClaimSkipped`: the proof does not show that the contributor has this weight in the Datanet
    /// version, or the weight exceeds the total weight that the steward stated.
    /// @dev Never thrown. The event holds the values.
    error InvalidWeight();

    /// @notice Reason of `ClaimSkipped`: the epoch is not active yet.
    /// @dev Never thrown. The event holds the values.
    error NotActive();

    /// @notice Reason of `ClaimSkipped`: the payee has claimed this cumulative amount, or more, before.
    /// @dev Never thrown. The event holds the values.
    error NothingToClaim();

    /// @notice Reason of `ClaimSkipped`: the node would pay more than its credit or its active total.
    /// @dev Never thrown. The event holds the values.
    error InsufficientCredit();

    /// @notice Reason of `ClaimSkipped`: the contributors would receive more than their Datanet version earned.
    /// @dev Never thrown. The event holds the values.
    error SharesExceedEarnings();

    /// @notice Reason of `ClaimSkipped`: the token refused the transfer to this payee, or used up
    /// `TRANSFER_GAS`.
    /// @dev Never thrown. The event holds the values.
    error TransferFailed();

    // ---- functions -------------------------------------------------------------------------------------------------

    /// @notice Pays each payee, or the account it chose, what it earned and has not claimed yet.
    /// @dev An entry that cannot be paid is skipped with `ClaimSkipped`, and never costs the others their turn.
    /// @param claims The claims.
    /// @return paid The sum of all payments.
    /// @custom:access Anyone; the tokens go to the payees.
    /// @custom:reverts ClaimsPaused Claims are paused.
    /// @custom:reverts ReentrancyGuardReentrantCall A token calls back.
    function claim(Claim[] calldata claims) external returns (uint256 paid);

    /// @notice Pays each contributor, or the account it chose, its unclaimed share of what a Datanet version earned:
    /// ⌊cumulative · weight / totalWeight⌋ less what it has claimed.
    /// @dev An entry that cannot be paid is skipped with `ClaimSkipped`, and never costs the others their turn.
    /// @param claims The claims.
    /// @return paid The sum of all payments.
    /// @custom:access Anyone; the tokens go to the contributors.
    /// @custom:reverts ClaimsPaused Claims are paused.
    /// @custom:reverts ReentrancyGuardReentrantCall A token calls back.
    function claimShare(ShareClaim[] calldata claims) external returns (uint256 paid);

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @notice The registry that knows Datanets and the weights of their contributors.
    /// @return The contract.
    function assets() external view returns (IAssetRegistry);

    /// @notice The gas that a token may use to pay one entry of a claim.
    /// @return The gas.
    function TRANSFER_GAS() external view returns (uint256);

    /// @notice Everything that was paid for a node so far.
    /// @param node The node.
    /// @return The amount.
    function claimedTotal(address node) external view returns (uint256);

    /// @notice What a payee has claimed from a node so far.
    /// @param node The node.
    /// @param payeeKind 0 for an address, 1 for a Datanet version, 2 for the treasury.
    /// @param id The address, left-padded; keccak256(abi.encode(datanetId, version)); or 0 for the treasury.
    /// @return The amount; for a Datanet version, the sum of its contributors' shares.
    function claimed(address node, uint8 payeeKind, bytes32 id) external view returns (uint256);

    /// @notice What a contributor has claimed so far of what a Datanet version earned from a node.
    /// @param node The node.
    /// @param datanetId The Datanet.
    /// @param version The version of the Datanet.
    /// @param contributor The contributor.
    /// @return The amount.
    function sharePaid(address node, bytes32 datanetId, uint32 version, address contributor)
        external
        view
        returns (uint256);
}
