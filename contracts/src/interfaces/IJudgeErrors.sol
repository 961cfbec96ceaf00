// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IStateTreeErrors} from "./IStateTreeErrors.sol";

/// @title Why a judge does not confirm a receipt: the rules of the ledger (T1 to T9), and faults of the evidence.
interface IJudgeErrors is IStateTreeErrors {
    // ---- T1: the receipt continues the ledger ----------------------------------------------------------------------

    /// @notice The receipt is of another node.
    /// @param node The node of the receipt.
    /// @param expected The node of the ledger.
    error WrongNode(address node, address expected);

    /// @notice The receipt has another sequence number than its place in the ledger.
    /// @param seq The sequence number of the receipt.
    /// @param expected The sequence number of its place.
    error WrongSeq(uint64 seq, uint64 expected);

    /// @notice Only receipts with a fee, of requests that finished or were aborted, belong to a ledger.
    /// @param status The status of the receipt.
    /// @param fee The fee of the receipt.
    error NotCharged(uint8 status, uint128 fee);

    // ---- T2: the channel pays this vault, and its payer signed the voucher -----------------------------------------

    /// @notice The configuration is that of another channel.
    /// @param channelId The channel of the configuration.
    /// @param expected The channel of the receipt.
    error WrongChannel(bytes32 channelId, bytes32 expected);

    /// @notice The channel pays another vault or another token.
    /// @param receiver The receiver of the channel.
    /// @param receiverAuthorizer The receiver authorizer of the channel.
    /// @param token The token of the channel.
    error ForeignChannel(address receiver, address receiverAuthorizer, address token);

    /// @notice The channel names no key that signs its vouchers.
    /// @param channelId The channel.
    error NoPayerAuthorizer(bytes32 channelId);

    /// @notice The voucher is not signed by the channel's payer authorizer.
    /// @param signer The account whose signature it is; the zero address if it is no signature.
    /// @param expected The payer authorizer.
    error WrongVoucherSigner(address signer, address expected);

    // ---- T3: price list and terms are registered and in force, and the fee follows from them -----------------------

    /// @notice The price list is another than the receipt's.
    /// @param priceHash The struct hash of the price list.
    /// @param expected The price hash of the receipt.
    error WrongPriceList(bytes32 priceHash, bytes32 expected);

    /// @notice The price list is for another node or adapter.
    /// @param node The node of the price list.
    /// @param adapterKey The adapter of the price list.
    error ForeignPriceList(address node, bytes32 adapterKey);

    /// @notice The price list was not in force when the request started.
    /// @param priceHash The price hash of the receipt.
    /// @param startedAt When the request started, in unix seconds.
    /// @param inForce The price hash that was in force; 0 if none was.
    error PriceListNotInForce(bytes32 priceHash, uint64 startedAt, bytes32 inForce);

    /// @notice The fee is not the price of the tokens.
    /// @param fee The fee of the receipt.
    /// @param expected The price.
    error WrongFee(uint128 fee, uint256 expected);

    /// @notice The terms are others than the receipt's, or there are none in the evidence.
    /// @param termsHash The struct hash of the terms; 0 without terms.
    /// @param expected The terms hash of the receipt.
    error WrongTerms(bytes32 termsHash, bytes32 expected);

    /// @notice The terms are for another adapter.
    /// @param adapterKey The adapter of the terms.
    /// @param expected The adapter of the receipt.
    error ForeignTerms(bytes32 adapterKey, bytes32 expected);

    /// @notice The terms were not in force when the request started.
    /// @param termsHash The terms hash of the receipt.
    /// @param startedAt When the request started, in unix seconds.
    /// @param inForce The terms hash that was in force; 0 if none was.
    error TermsNotInForce(bytes32 termsHash, uint64 startedAt, bytes32 inForce);

    /// @notice The receipt names no terms but the adapter had some when the request started.
    /// @param startedAt When the request started, in unix seconds.
    /// @param inForce The terms hash that was in force.
    error TermsMissing(uint64 startedAt, bytes32 inForce);

    /// @notice The parts of the treasury, the owner and the Datanets exceed the fee.
    /// @param parts The sum of the parts.
    /// @param fee The fee.
    error SplitAboveFee(uint256 parts, uint256 fee);

    // ---- T4: the channel's charges follow one another and stay below the voucher -----------------------------------

    /// @notice The receipt does not start where the channel's charges end.
    /// @param charged What the channel had been charged.
    /// @param cumBefore What the receipt says.
    error WrongCharge(uint256 charged, uint128 cumBefore);

    /// @notice The charge goes beyond the voucher.
    /// @param cumAfter What the channel is charged with the receipt.
    /// @param voucherMax The total that the voucher allows.
    error AboveVoucher(uint256 cumAfter, uint128 voucherMax);

    // ---- T5: the shares are allowed --------------------------------------------------------------------------------

    /// @notice No judge knows this attribution version, or not this judge.
    /// @param attributionVersion The attribution version of the receipt.
    error UnknownAttribution(uint32 attributionVersion);

    /// @notice The receipt names shares, although its attribution version derives them from the terms.
    /// @param sharesHash The shares hash of the receipt.
    error UnexpectedShares(bytes32 sharesHash);

    // ---- T6: the state grows by the lines of the receipt, and by nothing else --------------------------------------

    /// @notice The state after the receipt is another than the receipt's leaf names.
    /// @param stateRoot The state root that follows from the receipt.
    /// @param expected The state root of the leaf.
    error WrongStateAfter(bytes32 stateRoot, bytes32 expected);

    /// @notice The total of all fees no longer fits 128 bits.
    /// @param cumTotal The total with the receipt.
    error TotalTooLarge(uint256 cumTotal);

    // ---- T7: the times are ordered ---------------------------------------------------------------------------------

    /// @notice The request finished before the last batch was closed, or after its own was.
    /// @param finishedAt When the request finished, in unix seconds.
    /// @param prevClosedAt When the batch before was closed, in unix seconds.
    /// @param closedAt When the receipt's batch was closed, in unix seconds.
    error FinishedOutsideBatch(uint64 finishedAt, uint64 prevClosedAt, uint64 closedAt);

    /// @notice The request finished before it started, or took too long.
    /// @param startedAt When the request started, in unix seconds.
    /// @param finishedAt When the request finished, in unix seconds.
    /// @param maxDuration The longest that a request may take, in seconds.
    error WrongDuration(uint64 startedAt, uint64 finishedAt, uint64 maxDuration);

    // ---- T9: the payer consented -----------------------------------------------------------------------------------

    /// @notice The request digest is neither that of the request in the evidence nor, without one, of the voucher.
    /// @param digest The digest of the request or voucher.
    /// @param expected The request digest of the receipt.
    error WrongRequest(bytes32 digest, bytes32 expected);

    /// @notice The request is not signed by the channel's payer authorizer.
    /// @param signer The account whose signature it is; the zero address if it is no signature.
    /// @param expected The payer authorizer.
    error WrongRequestSigner(address signer, address expected);

    /// @notice The payer asked for another node, channel, adapter or price list than the receipt's.
    /// @param digest The request digest of the receipt.
    error RequestDisagrees(bytes32 digest);

    /// @notice The fee is above what the payer allowed.
    /// @param fee The fee of the receipt.
    /// @param maxFee The highest fee that the payer allowed.
    error FeeAboveMaximum(uint128 fee, uint128 maxFee);

    // ---- faults of the evidence ------------------------------------------------------------------------------------

    /// @notice Tree root and total are not those of the state before the receipt.
    /// @param stateRoot The state root that they give.
    /// @param expected The state root before the receipt.
    error WrongStateBefore(bytes32 stateRoot, bytes32 expected);

    /// @notice A witness does not fit the tree that the changes before it left.
    /// @param key The key of the witness.
    /// @param root The root of the tree that the witness fits.
    /// @param expected The root that the changes before it left.
    error WrongWitness(bytes32 key, bytes32 root, bytes32 expected);

    /// @notice There must be one witness for each key of the state tree that the receipt touches.
    /// @param count How many witnesses there are.
    /// @param expected How many keys the receipt touches.
    error WrongWitnessCount(uint256 count, uint256 expected);

    /// @notice The evidence has at most one entry of terms and at most one request.
    /// @param terms How many terms there are.
    /// @param requests How many requests there are.
    error AmbiguousEvidence(uint256 terms, uint256 requests);
}
