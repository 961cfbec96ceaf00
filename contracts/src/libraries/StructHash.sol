// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DatanetLink, Terms} from "../interfaces/IAssetRegistry.sol";
import {BatchHeader} from "../interfaces/ILedgers.sol";
import {PriceList} from "../interfaces/INodeRegistry.sol";

/// @title hashStruct of the protocol's EIP-712 types.
library StructHash {
    bytes32 internal constant BATCH_HEADER = keccak256(
        "BatchHeader(address node,uint64 epoch,uint64 fromSeq,uint32 count,bytes32 prevHeaderHash,bytes32 prevStateRoot,bytes32 stateRoot,uint128 cumTotal,bytes32 receiptsRoot,uint64 closedAt)"
    );
    bytes32 internal constant PRICE_LIST = keccak256(
        "PriceList(address node,bytes32 adapterKey,uint96 promptPerM,uint96 cachedPerM,uint96 outputPerM,uint96 minFee,address operatorPayee,uint32 treasuryPpm)"
    );
    bytes32 internal constant TERMS = keccak256(
        "Terms(bytes32 adapterKey,address owner,uint32 royaltyPpm,uint32 dataPpm,uint32 evidencePpm,bytes32 manifestDigest,DatanetLink[] datanets)DatanetLink(bytes32 datanetId,uint32 version,uint32 ppm)"
    );
    bytes32 internal constant DATANET_LINK = keccak256("DatanetLink(bytes32 datanetId,uint32 version,uint32 ppm)");
    bytes32 internal constant PAYOUT_CHANGE =
        keccak256("PayoutChange(address payee,address to,uint256 nonce,uint64 deadline)");

    // The ABI encoding of a struct of value types is its EIP-712 encodeData: one word per field.

    /// @dev The struct hash of a batch header.
    /// @param header The header.
    /// @return The hash.
    function hash(BatchHeader calldata header) internal pure returns (bytes32) {
        return keccak256(abi.encode(BATCH_HEADER, header));
    }

    /// @dev The struct hash of a price list.
    /// @param list The list.
    /// @return The hash.
    function hash(PriceList memory list) internal pure returns (bytes32) {
        return keccak256(abi.encode(PRICE_LIST, list));
    }

    /// @dev The struct hash of a link to a Datanet version.
    /// @param link The link.
    /// @return The hash.
    function hash(DatanetLink calldata link) internal pure returns (bytes32) {
        return keccak256(abi.encode(DATANET_LINK, link));
    }

    /// @dev The struct hash of terms.
    /// @param terms The terms.
    /// @return The hash.
    function hash(Terms calldata terms) internal pure returns (bytes32) {
        bytes32[] memory links = new bytes32[](terms.datanets.length);
        for (uint256 i = 0; i < links.length; ++i) {
            links[i] = hash(terms.datanets[i]);
        }
        return keccak256(
            abi.encode(
                TERMS,
                terms.adapterKey,
                terms.owner,
                terms.royaltyPpm,
                terms.dataPpm,
                terms.evidencePpm,
                terms.manifestDigest,
                keccak256(abi.encodePacked(links))
            )
        );
    }

    /// @dev The struct hash of a payee's signed choice of where it receives its claims.
    /// @param payee The payee.
    /// @param to The account that receives the claims.
    /// @param nonce The payee's nonce.
    /// @param deadline The last time at which the signature is valid, in unix seconds.
    /// @return The hash.
    function payoutChange(address payee, address to, uint256 nonce, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(PAYOUT_CHANGE, payee, to, nonce, deadline));
    }
}
