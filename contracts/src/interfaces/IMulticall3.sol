// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title The part of the Multicall3 interface that wallets and SDKs read chains with.
interface IMulticall3 {
    /// @notice One call of `tryAggregate`.
    struct Call {
        address target;
        bytes callData;
    }

    /// @notice One call of `aggregate3`.
    struct Call3 {
        address target;
        bool allowFailure; // whether the batch continues if this call fails
        bytes callData;
    }

    /// @notice What one call returned.
    struct Result {
        bool success;
        bytes returnData; // revert data if the call failed
    }

    /// @notice A call failed that was not allowed to.
    /// @param index The position of the call, counted from 0.
    /// @param returnData The revert data of the call.
    error CallFailed(uint256 index, bytes returnData);

    /// @notice Runs calls in order. Each says for itself whether it may fail.
    /// @param calls The calls.
    /// @return returnData One result per call.
    /// @custom:access Anyone.
    /// @custom:reverts CallFailed A call failed whose `allowFailure` is false.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData);

    /// @notice Runs calls in order.
    /// @param requireSuccess Whether a call that fails ends the whole batch.
    /// @param calls The calls.
    /// @return returnData One result per call.
    /// @custom:access Anyone.
    /// @custom:reverts CallFailed A call failed and `requireSuccess` is true.
    function tryAggregate(bool requireSuccess, Call[] calldata calls)
        external
        payable
        returns (Result[] memory returnData);

    /// @notice The balance of an account.
    /// @param account The account.
    /// @return The balance, in wei.
    function getEthBalance(address account) external view returns (uint256);

    /// @notice The number of the current block.
    /// @return The number.
    function getBlockNumber() external view returns (uint256);

    /// @notice The time of the current block.
    /// @return The time, in unix seconds.
    function getCurrentBlockTimestamp() external view returns (uint256);

    /// @notice The id of this chain.
    /// @return The id.
    function getChainId() external view returns (uint256);
}
