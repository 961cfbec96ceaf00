"""A request that must be paid for, read from its bytes, and the most that it can cost."""

from dataclasses import dataclass
from typing import Self

import httpx2

from contracts.document import parse_json
from contracts.fees import highest_fee
from node.client.node import NodeQuote

PAID_PATHS = ("/v1/chat/completions", "/v1/completions")
TEMPLATE_TOKENS = 256
"""The tokens that a chat template may add to a prompt, beyond one token per byte of the request's body."""


@dataclass(frozen=True, slots=True)
class PaidRequest:
    """A request that must be paid for, as its bytes are sent. choices: OpenAI's `n`."""

    method: str
    path_with_query: str
    body: bytes
    model: str
    max_tokens: int | None
    choices: int = 1

    @classmethod
    def of(cls, request: httpx2.Request) -> Self | None:
        """None for requests that cost nothing, and for bodies that the node will refuse anyway.

        The body of `request` must be read already.
        """
        if request.method != "POST" or not request.url.path.endswith(PAID_PATHS):
            return None
        try:
            body = parse_json(request.content)
        except ValueError:
            return None
        if not isinstance(body, dict) or not isinstance(body.get("model"), str):
            return None
        limits = (body.get(name) for name in ("max_completion_tokens", "max_tokens"))
        limit = next((value for value in limits if isinstance(value, int) and value > 0), None)
        n = body.get("n")
        choices = n if isinstance(n, int) and n > 0 else 1
        path = request.url.raw_path.decode("ascii")
        return cls(request.method, path, request.content, body["model"], limit, choices)

    def max_fee(self, quote: NodeQuote, context_tokens: int | None) -> int:
        """The most that this request can cost, in base units. context_tokens: the model's limit; None if unknown.

        Every token of the prompt takes at least one byte of the body, so the body's length bounds the prompt.
        """
        prices, prompt_tokens = quote.prices, len(self.body) + TEMPLATE_TOKENS
        if context_tokens is not None:
            new_tokens = context_tokens if self.max_tokens is None else min(self.max_tokens, context_tokens)
            return highest_fee(prices, min(prompt_tokens, context_tokens), self.choices * new_tokens)
        if self.max_tokens is None:
            return self.choices * max(quote.max_fee, highest_fee(prices, prompt_tokens, 0))
        return highest_fee(prices, prompt_tokens, self.choices * self.max_tokens)
