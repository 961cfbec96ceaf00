// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IMulticall3} from "./interfaces/IMulticall3.sol";

/// @title The part of Multicall3 that wallets and SDKs read chains with.
/// @dev Placed as bare runtime code at the address Multicall3 has on every chain. Holds no funds and no rights, so
/// anyone may call it.
contract Multicall3 is IMulticall3 {
    /// @inheritdoc IMulticall3
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData) {
        returnData = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            returnData[i] = _call(calls[i].target, calls[i].callData);
            if (!returnData[i].success && !calls[i].allowFailure) revert CallFailed(i, returnData[i].returnData);
        }
    }

    /// @inheritdoc IMulticall3
    function tryAggregate(bool requireSuccess, Call[] calldata calls)
        external
        payable
        returns (Result[] memory returnData)
    {
        returnData = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            returnData[i] = _call(calls[i].target, calls[i].callData);
            if (!returnData[i].success && requireSuccess) revert CallFailed(i, returnData[i].returnData);
        }
    }

    /// @inheritdoc IMulticall3
    function getEthBalance(address account) external view returns (uint256) {
        return account.balance;
    }

    /// @inheritdoc IMulticall3
    function getBlockNumber() external view returns (uint256) {
        return block.number;
    }

    /// @inheritdoc IMulticall3
    function getCurrentBlockTimestamp() external view returns (uint256) {
        return block.timestamp;
    }

    /// @inheritdoc IMulticall3
    function getChainId() external view returns (uint256) {
        return block.chainid;
    }

    function _call(address target, bytes calldata callData) private returns (Result memory result) {
        (result.success, result.returnData) = target.call(callData);
    }
}
