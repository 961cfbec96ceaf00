"""How a request is let in and receipted: the one seam between serving paid and serving free."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from node.payments.admission import Admission
from node.payments.authentication import VerifiedRequest
from serving.types import End, Prepared


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request as its payer signed it: `path_with_query` and `body` are the raw bytes that were hashed."""

    method: str
    path_with_query: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    client: str


@dataclass(frozen=True, slots=True)
class Ask:
    """A call whose signatures hold; `signed` is None where nobody has to sign. tenant is whose it is, for serving."""

    call: Call
    tenant: str
    signed: VerifiedRequest | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to run one request. `headers` go out with the answer before its receipt exists.

    granted_tokens of output are covered for each choice.
    """

    request_id: str
    prepared: Prepared
    tenant: str
    granted_tokens: int
    started_at: int
    admission: Admission | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A durable receipt as the API gives it out, and the headers of an answer that has waited for it."""

    document: dict[str, object]
    headers: Mapping[str, str] = field(default_factory=dict)


class Checkout(Protocol):
    """Lets requests in and receipts them. Every ticket ends in exactly one of `record` and `release`."""

    async def authenticate(self, call: Call, model: str, max_new_tokens: int | None, choices: int) -> Ask:
        """Who asks, known by signature before any tokeniser runs. The rest is what its body asks for.

        max_new_tokens: of each choice.
        """
        ...

    async def admit(self, ask: Ask, request_id: str, prepared: Prepared) -> Ticket:
        """Reserve what the request may cost."""
        ...

    async def record(self, ticket: Ticket, end: End, prompt: bytes, output: bytes) -> Receipt:
        """The signed receipt of a request that ended, durable on return."""
        ...

    async def release(self, ticket: Ticket) -> None:
        """Give a reservation back without a receipt: the request never ran, or its end could not be recorded."""
        ...
