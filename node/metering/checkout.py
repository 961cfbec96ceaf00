"""How a request is admitted and gets its receipt: the seam between paid and free serving."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from node.payments.admission import Admission
from node.payments.authentication import Consent
from node.payments.bounds import Bounds
from serving.types import AdapterDigest, End, Prepared


@dataclass(frozen=True, slots=True)
class HttpCall:
    """An HTTP request as its payer signed it: `path_with_query` and `body` are the raw bytes that were hashed.

    client: the network address that it came from. reply_headers: headers of every answer to the call, whatever it is;
    the checkout adds to them.
    """

    method: str
    path_with_query: str
    headers: Mapping[str, str]
    body: bytes
    client: str
    reply_headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a call. tenant: the key for fair scheduling. bounds: the most that the call can take.

    consent: what the payer signed for it; None on a free node.
    """

    tenant: str
    call: HttpCall
    bounds: Bounds
    consent: Consent | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to run one request.

    granted_tokens: the output tokens of each choice that are paid for. started_at: unix seconds. admission: None on a
    free node.
    """

    request_id: str
    prepared: Prepared
    tenant: str
    granted_tokens: int
    started_at: int
    admission: Admission | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """A durable receipt as the API returns it, and the headers of an answer that has waited for it."""

    document: dict[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


class Checkout(Protocol):
    """Admits requests and issues receipts. Every ticket ends in exactly one of `record` and `release`."""

    async def authenticate(self, call: HttpCall, adapter: AdapterDigest | None, bounds: Bounds) -> Caller:
        """Checks the signatures of a call before any tokenizer runs.

        adapter, bounds: what the body asks for. They price the call.
        """
        ...

    async def admit(self, caller: Caller, request_id: str, prepared: Prepared) -> Ticket:
        """Reserves what the request may cost."""
        ...

    async def announce(self, ticket: Ticket) -> Mapping[str, str] | None:
        """The headers of a stream, which precede its receipt. None if the receipt exists: its headers are right."""
        ...

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        """The signed receipt of a request that ended; it is durable on return."""
        ...

    async def release(self, ticket: Ticket) -> None:
        """Returns a reservation without a receipt: the request never ran, or its end could not be recorded."""
        ...
