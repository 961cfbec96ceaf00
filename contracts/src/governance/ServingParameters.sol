// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IServingParameters} from "../interfaces/IServingParameters.sol";

/// @title The serving parameters that holders recommend to nodes.
contract ServingParameters is IServingParameters, AccessManaged {
    /// @inheritdoc IServingParameters
    uint256 public count;
    /// @inheritdoc IServingParameters
    bytes32 public digest;
    /// @inheritdoc IServingParameters
    string public uri;

    /// @param authority The access manager that says who governs.
    constructor(address authority) AccessManaged(authority) {}

    /// @inheritdoc IServingParameters
    function publish(bytes32 digest_, string calldata uri_) external restricted {
        if (digest_ == 0) revert ZeroDigest();
        digest = digest_;
        uri = uri_;
        emit DocumentPublished(++count, digest_, uri_);
    }
}
