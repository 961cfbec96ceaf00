// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {IPayouts} from "../interfaces/IPayouts.sol";
import {StructHash} from "../libraries/StructHash.sol";

/// @title Where payees receive their claims.
/// @dev Only the payee decides, by a call or by a signature.
abstract contract Payouts is IPayouts, EIP712("OpenLoRA", "1"), Nonces {
    mapping(address payee => address) private _payouts;

    /// @inheritdoc IPayouts
    function setPayout(address to) external {
        _useNonce(msg.sender);
        _setPayout(msg.sender, to);
    }

    /// @inheritdoc IPayouts
    function setPayoutFor(address payee, address to, uint256 nonce, uint64 deadline, bytes calldata signature)
        external
    {
        if (block.timestamp > deadline) revert ExpiredSignature(deadline);
        bytes32 digest = _hashTypedDataV4(StructHash.payoutChange(payee, to, nonce, deadline));
        if (!SignatureChecker.isValidSignatureNowCalldata(payee, digest, signature)) {
            revert InvalidSignature(payee, digest);
        }
        _useCheckedNonce(payee, nonce);
        _setPayout(payee, to);
    }

    /// @inheritdoc IPayouts
    function payoutOf(address payee) public view returns (address) {
        address to = _payouts[payee];
        return to == address(0) ? payee : to;
    }

    function _setPayout(address payee, address to) private {
        _payouts[payee] = to;
        emit PayoutChanged(payee, to);
    }
}
