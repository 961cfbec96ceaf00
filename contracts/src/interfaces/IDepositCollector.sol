// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title How an escrow pulls a deposit: one collector per way of authorising a transfer.
interface IDepositCollector {
    /// @notice Moves `amount` of `token` from `payer` to the calling escrow, by the authorisation in `collectorData`.
    function collect(address payer, address token, uint256 amount, bytes32 channelId, bytes calldata collectorData)
        external;
}
