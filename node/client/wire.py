"""One wallet's channel with one node on the wire: its identity, the headers of a paid request, and the node's report.

Source: x402 v2, scheme `batch-settlement` on EVM.
"""

from dataclasses import dataclass
from typing import Self

from contracts.crypto import ZERO_BYTES32, Address, Bytes32, InvalidSignature, recover
from contracts.document import Document
from contracts.payment import (
    OPENLORA_REQUEST,
    PAYMENT_SIGNATURE,
    SignedRequest,
    SignedVoucher,
    payment_payload,
    to_header,
)
from contracts.x402 import ChannelConfig, Voucher, x402_domain
from node.client.errors import Malformed
from node.client.node import NodeCard


def channel_config(payer: Address, card: NodeCard) -> ChannelConfig:
    """The only channel between a wallet and a node. Its salt is 0, so that the key alone is enough to find it again."""
    return ChannelConfig(payer, payer, card.vault, card.vault, card.asset, card.withdraw_delay_s, ZERO_BYTES32)


def payment_headers(card: NodeCard, voucher: SignedVoucher, signed: SignedRequest) -> dict[str, str]:
    """Both headers of a paid request."""
    payment = payment_payload(voucher.to_payload(), card.accepted(signed.request.max_fee))
    return {PAYMENT_SIGNATURE: to_header(payment), OPENLORA_REQUEST: signed.to_header()}


@dataclass(frozen=True, slots=True)
class ChannelReport:
    """What the node reports about a channel. Amounts in base units.

    voucher_signature: the signature of the newest voucher, whose amount is `signed_max`.
    """

    channel_id: Bytes32
    balance: int
    charged: int
    reserved: int
    signed_max: int
    pending_withdraw: int
    voucher_signature: bytes | None

    @classmethod
    def parse(cls, value: object) -> Self:
        """The report in the JSON of GET /payments/channels/{id}; Malformed names the member that is wrong."""
        document = Document.of(value, "", Malformed)
        return cls(
            channel_id=document.bytes32("channelId"),
            balance=document.uint("balance"),
            charged=document.uint("charged"),
            reserved=document.uint("reserved"),
            signed_max=document.uint("signedMax"),
            pending_withdraw=document.uint("pendingWithdraw"),
            voucher_signature=document.raw_bytes("voucherSignature") if "voucherSignature" in document else None,
        )

    @property
    def available(self) -> int:
        """The most that vouchers may promise."""
        return max(0, self.balance - self.pending_withdraw)

    def proven_max(self, signer: Address, chain_id: int) -> int:
        """`signed_max` if the wallet signed the reported voucher, else 0."""
        if self.voucher_signature is None:
            return 0
        digest = Voucher(self.channel_id, self.signed_max).digest(x402_domain(chain_id))
        try:
            return self.signed_max if recover(digest, self.voucher_signature) == signer else 0
        except InvalidSignature:
            return 0
