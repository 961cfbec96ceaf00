"""Everything `node.payments` raises on purpose. Each carries the numbers a client needs to do better next time."""

from contracts.crypto import Bytes32
from node.payments.receiver import Receiver
from node.store.channels import Channel


class PaymentError(Exception):
    """Base of all errors about paying."""

    def numbers(self) -> dict[str, str | None]:
        """The figures of this refusal, as decimal strings; amounts in base units."""
        return {}


class PaymentRequired(PaymentError):
    """The request is not covered: it carries no payment, or its channel lacks capacity.

    required: base units the channel must still have free for this request (None while the price is unknown).
    channel: its state, where the channel is known. `signed_max_required` is the cumulative amount a voucher must reach.
    """

    def __init__(self, problem: str, receiver: Receiver, required: int | None, channel: Channel | None = None) -> None:
        super().__init__(problem)
        self.receiver, self.required, self.channel = receiver, required, channel

    @property
    def signed_max_required(self) -> int | None:
        if self.channel is None or self.required is None:
            return None
        return self.channel.charged + self.channel.reserved + self.required

    def numbers(self) -> dict[str, str | None]:
        channel = self.channel
        return {
            "required": _text(self.required),
            "balance": _text(channel.balance if channel else 0),
            "pay_to": self.receiver.vault,
            "asset": self.receiver.token,
            "chain_id": str(self.receiver.chain_id),
            "channel_id": "0x" + channel.channel_id.hex() if channel else None,
            "charged": _text(channel.charged if channel else None),
            "reserved": _text(channel.reserved if channel else None),
            "signed_max": _text(channel.signed_max if channel else None),
            "signed_max_required": _text(self.signed_max_required),
            "pending_withdraw": _text(channel.pending_withdraw if channel else None),
        }


class FeeAboveMax(PaymentRequired):
    """The signed `maxFee` is below the most this request can cost, so it could end unpaid."""

    def __init__(self, receiver: Receiver, required: int, max_fee: int) -> None:
        super().__init__(
            f"The signed maxFee is {max_fee}, but this request may cost {required}. Sign a higher maxFee or lower "
            "max_tokens.",
            receiver,
            required,
        )
        self.max_fee = max_fee


class PaymentInvalid(PaymentError):
    """A header or payload cannot be what it claims to be. `field` is the path of the offending member."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class VoucherStale(PaymentError):
    """The voucher gives nothing: no more than `charged` is signed, and a newer one is not known."""

    def __init__(self, charged: int, reserved: int, signed_max: int, required: int) -> None:
        super().__init__(
            f"The voucher's maxClaimableAmount is not above what was already charged ({charged}). "
            f"Sign a cumulative amount of at least {charged + reserved + required}."
        )
        self.charged, self.reserved, self.signed_max, self.required = charged, reserved, signed_max, required

    def numbers(self) -> dict[str, str | None]:
        names = ("charged", "reserved", "signed_max", "required")
        return {name: str(getattr(self, name)) for name in names}


class NonceUsed(PaymentError):
    """This signed request was already presented. A request is served once; sign a new one with a fresh nonce."""

    def __init__(self, channel_id: Bytes32, nonce: int) -> None:
        super().__init__(f"The nonce {nonce} was already used on channel 0x{channel_id.hex()}. Sign with a fresh one.")
        self.channel_id, self.nonce = channel_id, nonce


class RequestExpired(PaymentError):
    """The deadline of the signed request has passed."""

    def __init__(self, deadline: int, now: int) -> None:
        super().__init__(f"The signed request expired at {deadline}; it is {now} now. Sign again.")
        self.deadline, self.now = deadline, now


class PriceExpired(PaymentError):
    """The price list the payer signed is not the one in force. Quote again and sign again."""

    def __init__(self, signed: Bytes32, current: Bytes32) -> None:
        super().__init__(
            f"The request was signed for price list 0x{signed.hex()}, but 0x{current.hex()} is in force. "
            "GET /nodes/me/quote and sign again."
        )
        self.signed, self.current = signed, current


class PriceUnknown(PaymentError):
    """The node has no registered price list for this adapter yet, so nothing can be sold."""

    def __init__(self, adapter_key: Bytes32) -> None:
        super().__init__(f"This node has registered no price list for adapter key 0x{adapter_key.hex()}.")
        self.adapter_key = adapter_key


class ChannelUnknown(PaymentError):
    """No channel of this id is known here, nor funded in the escrow."""

    def __init__(self, channel_id: Bytes32) -> None:
        super().__init__(
            f"Channel 0x{channel_id.hex()} is not known to this node. Open it with POST /payments/channels."
        )
        self.channel_id = channel_id


class ChannelRefused(PaymentError):
    """The channel or its deposit does not meet this node's conditions. `field` names what stands in the way."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class RelayLimited(PaymentError):
    """Too many deposits were relayed lately; each costs the node gas."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many deposits lately. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class DepositFailed(PaymentError):
    """The chain refused the deposit: nothing moved."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The deposit was refused by the chain: {reason}")
        self.reason = reason


class SettlementUnknown(PaymentError):
    """The deposit was sent but is not confirmed. Post the same payload again; it can be taken only once."""

    def __init__(self, channel_id: Bytes32, transaction: str) -> None:
        super().__init__(
            f"The deposit for channel 0x{channel_id.hex()} was sent in {transaction} and is not confirmed yet. "
            "Post the same payload again to learn its fate; it is never taken twice."
        )
        self.channel_id, self.transaction = channel_id, transaction


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
