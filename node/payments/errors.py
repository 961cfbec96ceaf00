"""The errors that `node.payments` raises. Each carries the figures that a client needs to try again correctly."""

from contracts.crypto import Bytes32
from contracts.encoding import to_hex
from node.payments.receiver import Receiver
from node.store.channels import Channel


class PaymentError(Exception):
    """Base of all errors about payment."""

    def numbers(self) -> dict[str, str | None]:
        """The figures of this refusal for programs: amounts as decimal strings in base units, bytes as hex."""
        return {}


class PaymentRequired(PaymentError):
    """The request is not covered: it carries no payment, or its channel lacks capacity.

    required: the capacity in base units that the request needs (None while its price is unknown).
    channel: the state of the channel, where it is known.
    """

    def __init__(self, problem: str, receiver: Receiver, required: int | None, channel: Channel | None = None) -> None:
        super().__init__(problem)
        self.receiver, self.required, self.channel = receiver, required, channel

    @property
    def x402_error(self) -> str:
        """The `error` of the x402 document: the reason as text."""
        return str(self)

    @property
    def signed_max_required(self) -> int | None:
        """The cumulative amount that a voucher must reach for this request; None while channel or price is unknown."""
        if self.channel is None or self.required is None:
            return None
        return self.channel.charged + self.channel.reserved + self.required

    def numbers(self) -> dict[str, str | None]:
        """What is required, the channel's state, and where to pay."""
        channel = self.channel
        return {
            "required": _text(self.required),
            "balance": _text(channel.balance if channel else 0),
            "pay_to": self.receiver.vault,
            "asset": self.receiver.token,
            "chain_id": str(self.receiver.chain_id),
            "channel_id": to_hex(channel.channel_id) if channel else None,
            "charged": _text(channel.charged if channel else None),
            "reserved": _text(channel.reserved if channel else None),
            "signed_max": _text(channel.signed_max if channel else None),
            "signed_max_required": _text(self.signed_max_required),
            "pending_withdraw": _text(channel.pending_withdraw if channel else None),
        }


class VoucherMismatch(PaymentRequired):
    """A voucher without a signed request must be for exactly what was announced as charged, plus what this one costs.

    Or it was spent already, or its channel lacks money. The 402 shows the channel, from which x402 clients recover.
    """

    @property
    def x402_error(self) -> str:
        """The code by which x402 clients know that they must take over the channel's state and sign again."""
        return "invalid_batch_settlement_evm_cumulative_amount_mismatch"

    @property
    def expected(self) -> int:
        """The cumulative amount that the next voucher must be for."""
        assert self.channel is not None, "a mismatch is about a channel"
        assert self.required is not None, "a mismatch is about a price"
        return self.channel.announced + self.required


class ChannelBusy(PaymentError):
    """A voucher without a signed request needs its channel for itself, and other requests run on it."""

    retry_after_s = 1

    def __init__(self, channel_id: Bytes32) -> None:
        super().__init__(
            f"Other requests run on channel {to_hex(channel_id)}, and a client that signs vouchers only may run one at "
            "a time. Wait for their answers, or use one salt, and so one channel, per process."
        )
        self.channel_id = channel_id


class FeeAboveMax(PaymentRequired):
    """The signed `maxFee` is below the most that this request can cost, so the request could end unpaid."""

    def __init__(self, receiver: Receiver, required: int, max_fee: int) -> None:
        super().__init__(
            f"The signed maxFee is {max_fee}, but this request may cost {required}. Sign a higher maxFee or lower "
            "max_tokens.",
            receiver,
            required,
        )
        self.max_fee = max_fee


class PaymentInvalid(PaymentError):
    """A header or payload is malformed or has a wrong signature. `field` is the path of the member at fault."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class VoucherStale(PaymentError):
    """The voucher promises no more than was charged already, and no newer one is known. Amounts in base units."""

    def __init__(self, charged: int, reserved: int, signed_max: int, required: int) -> None:
        super().__init__(
            f"The voucher's maxClaimableAmount is not above what was already charged ({charged}). "
            f"Sign a cumulative amount of at least {charged + reserved + required}."
        )
        self.charged, self.reserved, self.signed_max, self.required = charged, reserved, signed_max, required

    def numbers(self) -> dict[str, str | None]:
        """The channel's amounts, and what the request requires."""
        names = ("charged", "reserved", "signed_max", "required")
        return {name: str(getattr(self, name)) for name in names}


class NonceUsed(PaymentError):
    """This signed request was presented before. A signed request is served once; sign a new one with a fresh nonce."""

    def __init__(self, channel_id: Bytes32, nonce: int) -> None:
        super().__init__(f"The nonce {nonce} was already used on channel {to_hex(channel_id)}. Sign with a fresh one.")
        self.channel_id, self.nonce = channel_id, nonce


class RequestExpired(PaymentError):
    """The deadline of the signed request (unix seconds) has passed."""

    def __init__(self, deadline: int, now: int) -> None:
        super().__init__(f"The signed request expired at {deadline}; it is {now} now. Sign again.")
        self.deadline, self.now = deadline, now


class PriceExpired(PaymentError):
    """The payer signed for another price list than the one in force. Get a new quote and sign again."""

    def __init__(self, signed: Bytes32, current: Bytes32) -> None:
        super().__init__(
            f"The request was signed for price list {to_hex(signed)}, but {to_hex(current)} is in force. "
            "GET /nodes/me/quote and sign again."
        )
        self.signed, self.current = signed, current


class PriceUnknown(PaymentError):
    """The node has no registered price list for this adapter yet, so nothing can be sold."""

    def __init__(self, adapter_key: Bytes32) -> None:
        super().__init__(f"This node has registered no price list for adapter key {to_hex(adapter_key)}.")
        self.adapter_key = adapter_key


class ChannelUnknown(PaymentError):
    """This node knows no channel with this id, and the escrow holds nothing for it."""

    def __init__(self, channel_id: Bytes32) -> None:
        super().__init__(
            f"Channel {to_hex(channel_id)} is not known to this node. Open it with POST /payments/channels."
        )
        self.channel_id = channel_id


class ChannelRefused(PaymentError):
    """The channel or its deposit does not meet this node's conditions. `field` names the member at fault."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


class RelayLimited(PaymentError):
    """Too many deposits were relayed in the last minute; each costs the node gas."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"Too many deposits were relayed in the last minute. Try again in {retry_after_s} s.")
        self.retry_after_s = retry_after_s


class GasTooHigh(RelayLimited):
    """Gas costs more than this node pays to relay a deposit. Prices in wei per gas."""

    def __init__(self, price: int, most: int, retry_after_s: int = 60) -> None:
        super().__init__(retry_after_s)
        self.args = (
            f"Gas costs {price / 10**9:.9g} gwei now, and this node relays deposits below {most / 10**9:.9g} gwei. "
            f"Deposit into the escrow yourself, or try again in {retry_after_s} s.",
        )
        self.price, self.most = price, most


class DepositFailed(PaymentError):
    """The chain refused the deposit; no tokens moved."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The deposit was refused by the chain: {reason}")
        self.reason = reason


class SettlementUnknown(PaymentError):
    """The deposit was sent but is not confirmed. Post the same payload again: its authorization works only once."""

    def __init__(self, channel_id: Bytes32, transaction: str) -> None:
        super().__init__(
            f"The deposit for channel {to_hex(channel_id)} was sent in {transaction} and is not confirmed yet. "
            "Post the same payload again to learn its outcome; it is never charged twice."
        )
        self.channel_id, self.transaction = channel_id, transaction

    def numbers(self) -> dict[str, str | None]:
        """The channel, and the transaction to look up."""
        return {"channel_id": to_hex(self.channel_id), "transaction": self.transaction}


def _text(amount: int | None) -> str | None:
    return None if amount is None else str(amount)
