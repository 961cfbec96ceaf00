"""A payer who signs what it is told to sign, right or wrong."""

from dataclasses import dataclass, field

from contracts.crypto import ZERO_BYTES32, Bytes32, PrivateKey, keccak
from contracts.encoding import request_hash
from contracts.payment import (
    OPENLORA_REQUEST,
    PAYMENT_SIGNATURE,
    SignedDeposit,
    SignedRequest,
    SignedVoucher,
    payment_payload,
    to_header,
)
from contracts.structs import InferenceRequest
from contracts.x402 import ChannelConfig, Voucher
from node.payments.receiver import Receiver
from node.payments.wire import requirements

NOW = 1_800_000_000
PATH = "/v1/chat/completions"
BODY = b'{"model":"dermatology","messages":[]}'


def key(name: str) -> PrivateKey:
    """The same key for the same name."""
    return PrivateKey(keccak(name.encode()))


@dataclass(slots=True)
class Payer:
    """One wallet, its session key and its channel at one node."""

    receiver: Receiver
    wallet: PrivateKey = field(default_factory=lambda: key("wallet"))
    session: PrivateKey = field(default_factory=lambda: key("session"))
    salt: Bytes32 = ZERO_BYTES32
    nonce: int = 0

    @property
    def config(self) -> ChannelConfig:
        receiver = self.receiver
        delay = receiver.min_withdraw_delay_s
        return ChannelConfig(
            self.wallet.address,
            self.session.address,
            receiver.vault,
            receiver.vault,
            receiver.token,
            delay,
            self.salt,
        )

    @property
    def channel_id(self) -> Bytes32:
        return self.config.channel_id(self.receiver.chain_id)

    def voucher(self, max_claimable_amount: int, config: ChannelConfig | None = None) -> SignedVoucher:
        config = config or self.config
        voucher = Voucher(config.channel_id(self.receiver.chain_id), max_claimable_amount)
        return SignedVoucher(config, voucher, self.session.sign(voucher.digest(self.receiver.escrow_domain)))

    def deposit(
        self, amount: int, *, salt: int = 1, voucher: SignedVoucher | None = None, until: int = NOW + 300
    ) -> SignedDeposit:
        signed, token = voucher or self.voucher(0), self.receiver.token_domain
        return SignedDeposit.sign(self.wallet, signed, token, amount=amount, salt=salt, valid_before=until)

    def request(
        self,
        *,
        max_fee: int,
        price_hash: Bytes32,
        adapter_key: Bytes32,
        body: bytes = BODY,
        deadline: int = NOW + 120,
        nonce: int | None = None,
    ) -> InferenceRequest:
        """A request with a fresh nonce, unless one is given."""
        if nonce is None:
            self.nonce += 1
            nonce = self.nonce
        return InferenceRequest(
            node=self.receiver.vault,
            channel_id=self.channel_id,
            adapter_key=adapter_key,
            request_hash=request_hash("POST", PATH, body),
            max_fee=max_fee,
            price_hash=price_hash,
            nonce=nonce,
            deadline=deadline,
        )

    def sign(self, request: InferenceRequest) -> SignedRequest:
        return SignedRequest(request, self.session.sign(request.digest(self.receiver.domain)))

    def headers(self, request: InferenceRequest, voucher: SignedVoucher | None) -> dict[str, str]:
        """What goes over the wire."""
        made = {OPENLORA_REQUEST: self.sign(request).to_header()}
        if voucher is not None:
            made[PAYMENT_SIGNATURE] = to_header(
                payment_payload(voucher.to_payload(), requirements(self.receiver, request.max_fee))
            )
        return made
