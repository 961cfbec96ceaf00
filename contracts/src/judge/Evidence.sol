// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Terms} from "../interfaces/IAssetRegistry.sol";
import {IChannelEscrow} from "../interfaces/IChannelEscrow.sol";
import {InferenceRequest} from "../interfaces/IJudge.sol";
import {IJudgeErrors} from "../interfaces/IJudgeErrors.sol";
import {PriceList} from "../interfaces/INodeRegistry.sol";

/// @notice What a receipt of attribution version 1 refers to: the preimages of its hashes, the payer's signatures, and
/// what the state tree holds under the keys that it touches. The evidence is `abi.encode(evidence)`.
struct Evidence {
    IChannelEscrow.ChannelConfig config;
    bytes voucherSignature; // r ‖ s ‖ v of the payer authorizer
    PriceList priceList;
    Terms[] terms; // one entry, or none if the receipt's termsHash is 0
    InferenceRequest[] requests; // one entry, or none if the voucher is the payer's only consent
    bytes requestSignature; // r ‖ s ‖ v of the payer authorizer; empty without a request
    bytes32 treeRoot; // of the state before the receipt
    uint128 cumTotal; // of the state before the receipt
    // One per key whose value grows, each for the tree that the ones before it left: the channel, then the treasury,
    // the owner, the Datanet versions in the order of the terms, and the operator. A payee that comes twice has one
    // witness, at its first place; a payee that receives nothing has none.
    bytes[] witnesses;
}

/// @title Reads the evidence of a receipt.
library EvidenceReader {
    /// @dev The evidence in place, without a copy in memory.
    /// @param data The encoded evidence.
    /// @return evidence The evidence. Solidity checks every member against the length of the calldata as it is read.
    function open(bytes calldata data) internal pure returns (Evidence calldata evidence) {
        // abi.encode of a dynamic struct starts with the struct's offset.
        assembly ("memory-safe") {
            evidence := add(data.offset, calldataload(data.offset))
        }
        uint256 terms = evidence.terms.length;
        uint256 requests = evidence.requests.length;
        if (terms > 1 || requests > 1) revert IJudgeErrors.AmbiguousEvidence(terms, requests);
    }
}
