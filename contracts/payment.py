"""A payment on the wire: header names, the x402 envelope, and what a payer signs. Both ends of the wire use it.

Source: x402 v2, HTTP transport and scheme `batch-settlement` on EVM. The header `OpenLoRA-Request` is ours.
"""

import base64
import json
from dataclasses import dataclass, replace
from typing import Self

from contracts.crypto import Signer
from contracts.eip712 import Domain
from contracts.encoding import abi_encode, to_hex
from contracts.structs import InferenceRequest
from contracts.x402 import (
    ERC3009_COLLECTOR,
    ChannelConfig,
    ReceiveWithAuthorization,
    Voucher,
    deposit_nonce,
    x402_domain,
)

PAYMENT_REQUIRED = "PAYMENT-REQUIRED"
"""The response header of a 402: base64 JSON of the x402 PaymentRequired document."""
PAYMENT_SIGNATURE = "PAYMENT-SIGNATURE"
"""The request header that carries a voucher: base64 JSON of the x402 PaymentPayload."""
PAYMENT_RESPONSE = "PAYMENT-RESPONSE"
"""The response header of a paid request: base64 JSON of the x402 SettleResponse."""
OPENLORA_REQUEST = "OpenLoRA-Request"
"""The request header that carries the signed `InferenceRequest`: base64 JSON."""

X402_VERSION = 2
SCHEME = "batch-settlement"
"""The x402 payment scheme in which nodes are paid."""


def network_of(chain_id: int) -> str:
    """The chain as CAIP-2 writes it."""
    return f"eip155:{chain_id}"


def to_header(document: object) -> str:
    """Base64 of compact JSON, as x402 v2 headers carry it."""
    return base64.b64encode(json.dumps(document, separators=(",", ":")).encode()).decode()


def payment_payload(payload: dict[str, object], accepted: dict[str, object]) -> dict[str, object]:
    """The x402 v2 PaymentPayload: a voucher's or deposit's payload, and the PaymentRequirements it accepts."""
    return {"x402Version": X402_VERSION, "payload": payload, "accepted": accepted}


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """An `InferenceRequest` and its signature: the content of the `OpenLoRA-Request` header."""

    request: InferenceRequest
    signature: bytes

    def to_header(self) -> str:
        """The value of the header."""
        return to_header({"request": self.request.to_json(), "signature": to_hex(self.signature)})


@dataclass(frozen=True, slots=True)
class SignedVoucher:
    """A voucher, its signature, and the channel it belongs to."""

    config: ChannelConfig
    voucher: Voucher
    signature: bytes

    @classmethod
    def sign(cls, signer: Signer, config: ChannelConfig, chain_id: int, max_claimable_amount: int) -> Self:
        """The voucher for a cumulative amount in base units, signed by the channel's `payerAuthorizer`."""
        voucher = Voucher(config.channel_id(chain_id), max_claimable_amount)
        return cls(config, voucher, signer.sign(voucher.digest(x402_domain(chain_id))))

    def to_payload(self) -> dict[str, object]:
        """The scheme's `voucher` payload."""
        return {
            "type": "voucher",
            # withdrawDelay is a JSON number in every x402 SDK
            "channelConfig": self.config.to_json() | {"withdrawDelay": self.config.withdraw_delay},
            "voucher": self.voucher.to_json() | {"signature": to_hex(self.signature)},
        }


@dataclass(frozen=True, slots=True)
class SignedDeposit:
    """A payer's ERC-3009 authorization to move `amount` base units into one channel, and the channel's first voucher.

    It is valid from `valid_after` to `valid_before` (unix seconds). `salt` makes its nonce unique.
    """

    voucher: SignedVoucher
    amount: int
    valid_after: int
    valid_before: int
    salt: int
    signature: bytes

    @classmethod
    def sign(
        cls, signer: Signer, voucher: SignedVoucher, token: Domain, *, amount: int, salt: int, valid_before: int
    ) -> Self:
        """The deposit into the voucher's channel, signed by its payer under the token's own EIP-712 domain."""
        unsigned = cls(voucher, amount, 0, valid_before, salt, b"")
        return replace(unsigned, signature=signer.sign(unsigned.authorization(token.chain_id).digest(token)))

    def authorization(self, chain_id: int) -> ReceiveWithAuthorization:
        """What the payer signs. Its nonce binds the tokens to the voucher's channel."""
        config = self.voucher.config
        return ReceiveWithAuthorization(
            from_=config.payer,
            to=ERC3009_COLLECTOR,
            value=self.amount,
            valid_after=self.valid_after,
            valid_before=self.valid_before,
            nonce=deposit_nonce(config.channel_id(chain_id), self.salt),
        )

    def collector_data(self) -> bytes:
        """The collector contract's argument: abi.encode(validAfter, validBefore, salt, bytes signature)."""
        return abi_encode(self.valid_after, self.valid_before, self.salt, self.signature)

    def to_payload(self) -> dict[str, object]:
        """The scheme's `deposit` payload."""
        authorization = {
            "validAfter": str(self.valid_after),
            "validBefore": str(self.valid_before),
            "salt": f"0x{self.salt:064x}",
            "signature": to_hex(self.signature),
        }
        deposit = {"amount": str(self.amount), "authorization": {"erc3009Authorization": authorization}}
        return self.voucher.to_payload() | {"type": "deposit", "deposit": deposit}
