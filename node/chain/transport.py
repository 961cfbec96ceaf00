"""JSON-RPC over HTTP with bounds on the size of an answer and on the time that it takes."""

import json
import time
from collections.abc import Sequence
from typing import Any

import requests

MOST_BYTES = 32 << 20
"""No answer that the node needs is larger: the events of 2,000 blocks, or the receipts of one."""
_CHUNK = 1 << 16
_BUSY = (429, 503)


class Overloaded(OSError):
    """The endpoint is overloaded or limits its callers. retry_after_s: the wait that it asks for, if it does."""

    def __init__(self, status: int, retry_after_s: float | None) -> None:
        super().__init__(f"HTTP status {status}")
        self.retry_after_s = retry_after_s


class AnswerTooLarge(OSError):
    """The answer has more bytes than any that the node needs."""


class Transport:
    """Posts to one URL. Any number of threads may call it."""

    def __init__(self, url: str, timeout_s: float, most_bytes: int = MOST_BYTES) -> None:
        self._url, self._timeout_s, self._most_bytes = url, timeout_s, most_bytes
        self._session = requests.Session()

    def post(self, method: str, params: Sequence[Any]) -> Any:
        """The parsed answer. Raises OSError, which includes the two classes above, ValueError or RecursionError."""
        request: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        deadline = time.monotonic() + self._timeout_s
        headers = {"Accept-Encoding": "identity"}  # a compressed answer could be far larger than what is read
        answer = self._session.post(self._url, json=request, headers=headers, timeout=self._timeout_s, stream=True)
        with answer:
            if answer.status_code in _BUSY:
                raise Overloaded(answer.status_code, _seconds(answer.headers.get("Retry-After")))
            answer.raise_for_status()
            return json.loads(self._body(answer, deadline))

    def _body(self, answer: requests.Response, deadline: float) -> bytes:
        body = bytearray()
        while part := answer.raw.read1(_CHUNK):
            body += part
            if len(body) > self._most_bytes:
                raise AnswerTooLarge(f"the answer has more than {self._most_bytes} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"the answer took longer than {self._timeout_s} s")
        return bytes(body)


def _seconds(text: str | None) -> float | None:
    """The value of `Retry-After` in seconds; None for a date, or if it is missing (RFC 9110, 10.2.3)."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None
