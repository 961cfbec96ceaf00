// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

import {ISettlement} from "../interfaces/ISettlement.sol";
import {StructHash} from "../libraries/StructHash.sol";

/// @title Where a payee wants its claims to go. Only the payee decides, by call or by signature.
abstract contract Payouts is ISettlement, EIP712("OpenLoRA", "1"), Nonces {
    mapping(address payee => address) private _payouts;

    error ExpiredSignature(uint64 deadline);
    error InvalidSignature();

    /// @inheritdoc ISettlement
    /// @dev Uses up a nonce, so that no older signed change can undo it.
    function setPayout(address to) external {
        _useNonce(msg.sender);
        _setPayout(msg.sender, to);
    }

    /// @inheritdoc ISettlement
    function setPayoutFor(address payee, address to, uint256 nonce, uint64 deadline, bytes calldata signature)
        external
    {
        require(block.timestamp <= deadline, ExpiredSignature(deadline));
        bytes32 digest = _hashTypedDataV4(StructHash.payoutChange(payee, to, nonce, deadline));
        require(SignatureChecker.isValidSignatureNowCalldata(payee, digest, signature), InvalidSignature());
        _useCheckedNonce(payee, nonce);
        _setPayout(payee, to);
    }

    /// @inheritdoc ISettlement
    function payoutOf(address payee) public view returns (address) {
        address to = _payouts[payee];
        return to == address(0) ? payee : to;
    }

    function _setPayout(address payee, address to) private {
        _payouts[payee] = to;
        emit PayoutChanged(payee, to);
    }
}
