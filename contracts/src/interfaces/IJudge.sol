// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IJudgeErrors} from "./IJudgeErrors.sol";

/// @notice What a served request used and cost, as the node signed it. Amounts are in token base units.
struct UsageReceipt {
    address node;
    uint64 seq; // counts the charged receipts of a node, from 1
    bytes32 channelId;
    bytes32 requestDigest; // EIP-712 digest of the payer's InferenceRequest, otherwise of the voucher
    bytes32 adapterKey; // 0 for the base model alone
    bytes32 priceHash;
    bytes32 termsHash; // 0 if nobody has registered terms of the adapter
    bytes32 sharesHash; // 0 in attribution version 1
    uint32 attributionVersion;
    bytes32 promptCommit;
    bytes32 outputCommit;
    uint32 tokensIn; // prompt tokens that were computed
    uint32 tokensCached; // prompt tokens that were read from the prefix cache
    uint32 tokensOut;
    uint128 fee;
    uint128 cumBefore; // what the channel had been charged before
    uint128 voucherMax; // the total up to which the payer's voucher lets the channel be charged
    uint64 startedAt; // unix seconds
    uint64 finishedAt; // unix seconds
    uint8 status; // 0 finished, 1 aborted
}

/// @notice A payer's signed consent to one request.
struct InferenceRequest {
    address node;
    bytes32 channelId;
    bytes32 adapterKey;
    bytes32 requestHash; // of method, path and body
    uint128 maxFee; // token base units
    bytes32 priceHash;
    uint256 nonce;
    uint64 deadline; // unix seconds
}

/// @notice What a receipt is judged against: its place in the ledger of its node.
struct Context {
    address node;
    address token; // that the vault is paid in
    bytes32 openLoraDomain; // EIP-712 domain separator of requests and receipts
    uint64 seq; // that the receipt must have
    bytes32 rootBefore; // state root before the receipt
    bytes32 rootAfter; // state root that its leaf names
    uint64 prevClosedAt; // of the batch before, unix seconds; 0 before the first batch
    uint64 closedAt; // of the receipt's batch, unix seconds
}

/// @title A judge: says that a receipt, with everything that it refers to, follows from the ledger before it.
/// @notice A judge only ever confirms. Evidence that does not convince reverts and proves nothing against anybody.
interface IJudge is IJudgeErrors {
    /// @notice Returns if the receipt is justified.
    /// @dev Reads nothing but append-only registrations, so the answer never changes.
    /// @param context The place of the receipt in the ledger.
    /// @param receipt The receipt.
    /// @param evidence What the receipt refers to, in the encoding of the judge's attribution version.
    function judge(Context calldata context, UsageReceipt calldata receipt, bytes calldata evidence) external view;
}
