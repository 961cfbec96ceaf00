"""The answers of the last minutes, so that a request that is sent again gets the same answer and is charged once.

A client whose connection broke cannot know whether it was served. It sends the same signed request or voucher with the
same body again, or names its request: by `Idempotency-Key`, or by the x402 extension `payment-identifier`. Answers are
kept in memory only, bounded in time and bytes. One event loop owns them.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from contracts.crypto import Bytes32
from node.api.errors import IdempotencyKeyReused, InvalidBody
from node.metering.checkout import Caller

LIFETIME_S = 300
MOST_BYTES = 64 << 20
"""How many bytes of answers are kept."""
MOST_ANSWER_BYTES = 4 << 20
"""A longer answer is not kept."""
_HEADER = "idempotency-key"
_MOST_KEY_CHARS = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer as it was sent."""

    headers: Mapping[str, str]
    media_type: str
    body: bytes


@dataclass(eq=False, slots=True)
class Claim:
    """The right to answer a request for the first time. It ends with `keep` or `forget`; a second end changes nothing.

    named: whether the client gave the request a name, and so may come back for the answer under another signature.
    """

    keys: tuple[str, ...]
    request_hash: Bytes32
    named: bool
    claimed_at: float
    answer: Answer | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Replays:
    """The answers that are kept, and the requests that are being answered."""

    def __init__(self, *, lifetime_s: float = LIFETIME_S, most_bytes: int = MOST_BYTES) -> None:
        self._lifetime_s, self._most_bytes = lifetime_s, most_bytes
        self._claims: dict[str, Claim] = {}
        self._kept: OrderedDict[Claim, int] = OrderedDict()
        self._bytes = 0

    async def claim(self, caller: Caller, request_hash: Bytes32) -> Claim | Answer:
        """The answer to the same request, or the claim to answer it. Waits while it is being answered.

        Raises IdempotencyKeyReused if the request's name was given to another one, InvalidBody if it is no name.
        """
        names = _names(caller)
        keys = (*names, *_consents(caller, request_hash))
        while True:
            self._expire()
            known = next((self._claims[key] for key in keys if key in self._claims), None)
            if known is None:
                made = Claim(keys, request_hash, bool(names), time.monotonic())
                self._claims |= dict.fromkeys(keys, made)
                return made
            if known.request_hash != request_hash:
                raise IdempotencyKeyReused
            if known.answer is not None:
                return known.answer
            await known.ended.wait()

    def keep(self, claim: Claim, answer: Answer) -> None:
        """Keeps the answer, unless it is too long, and gives it to those who wait for it."""
        if claim.ended.is_set():
            return
        if not claim.keys or len(answer.body) > min(MOST_ANSWER_BYTES, self._most_bytes):
            self.forget(claim)
            return
        claim.answer = answer
        self._kept[claim] = len(answer.body)
        self._bytes += len(answer.body)
        claim.ended.set()
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._kept)))

    def forget(self, claim: Claim) -> None:
        """Ends a claim without an answer: whoever sends the request again is judged anew."""
        if not claim.ended.is_set():
            self._drop(claim)
            claim.ended.set()

    async def recorded(
        self, claim: Claim, lines: AsyncIterator[bytes], headers: Mapping[str, str], media_type: str
    ) -> AsyncIterator[bytes]:
        """The lines of a stream, whose whole is kept once the last was sent."""
        parts: list[bytes] = []
        try:
            async for line in lines:
                if claim.keys:
                    parts.append(line)
                yield line
            if parts and parts[-1].startswith(b"data: [DONE]"):
                self.keep(claim, Answer(headers, media_type, b"".join(parts)))
        finally:
            self.forget(claim)

    def _expire(self) -> None:
        since = time.monotonic() - self._lifetime_s
        while self._kept and (oldest := next(iter(self._kept))).claimed_at < since:
            self._drop(oldest)

    def _drop(self, claim: Claim) -> None:
        self._bytes -= self._kept.pop(claim, 0)
        for key in claim.keys:
            if self._claims.get(key) is claim:
                del self._claims[key]


def _names(caller: Caller) -> Sequence[str]:
    """The names that the client gave to the request; other payers may use the same."""
    name = caller.call.headers.get(_HEADER)
    if name is not None and not 0 < len(name) <= _MOST_KEY_CHARS:
        raise InvalidBody("Idempotency-Key", f"must have 1 to {_MOST_KEY_CHARS} characters")
    identifier = caller.consent.payment_id if caller.consent is not None else None
    given = {"key": name, "id": identifier}
    return [f"{caller.tenant} {kind} {value}" for kind, value in given.items() if value is not None]


def _consents(caller: Caller, request_hash: Bytes32) -> Sequence[str]:
    """What the payer signed, for these bytes."""
    if caller.consent is None:
        return []
    return [f"{caller.tenant} signed {caller.consent.request_digest.hex()} {request_hash.hex()}"]
