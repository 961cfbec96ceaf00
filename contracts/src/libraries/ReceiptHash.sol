// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {InferenceRequest, UsageReceipt} from "../interfaces/IJudge.sol";

/// @title hashStruct of the EIP-712 types that nodes and payers sign off the chain.
library ReceiptHash {
    bytes32 internal constant USAGE_RECEIPT = keccak256(
        "UsageReceipt(address node,uint64 seq,bytes32 channelId,bytes32 requestDigest,bytes32 adapterKey,bytes32 priceHash,bytes32 termsHash,bytes32 sharesHash,uint32 attributionVersion,bytes32 promptCommit,bytes32 outputCommit,uint32 tokensIn,uint32 tokensCached,uint32 tokensOut,uint128 fee,uint128 cumBefore,uint128 voucherMax,uint64 startedAt,uint64 finishedAt,uint8 status)"
    );
    bytes32 internal constant INFERENCE_REQUEST = keccak256(
        "InferenceRequest(address node,bytes32 channelId,bytes32 adapterKey,bytes32 requestHash,uint128 maxFee,bytes32 priceHash,uint256 nonce,uint64 deadline)"
    );
    bytes32 private constant _DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    // The ABI encoding of a struct of value types is its EIP-712 encodeData: one word per field.

    /// @dev The struct hash of a receipt, which is its public id.
    /// @param receipt The receipt.
    /// @return The hash.
    function hash(UsageReceipt calldata receipt) internal pure returns (bytes32) {
        return keccak256(abi.encode(USAGE_RECEIPT, receipt));
    }

    /// @dev The struct hash of a request.
    /// @param request The request.
    /// @return The hash.
    function hash(InferenceRequest calldata request) internal pure returns (bytes32) {
        return keccak256(abi.encode(INFERENCE_REQUEST, request));
    }

    /// @dev The domain separator of receipts and requests.
    /// @param settlement The Settlement contract.
    /// @return The separator on this chain.
    function domainSeparator(address settlement) internal view returns (bytes32) {
        return keccak256(abi.encode(_DOMAIN, keccak256("OpenLoRA"), keccak256("1"), block.chainid, settlement));
    }
}
