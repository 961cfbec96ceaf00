"""The most tokens that a request can take, known from its size alone: no tokenizer runs before it is paid for."""

from dataclasses import dataclass
from typing import Self

from contracts.fees import highest_fee
from contracts.structs import PriceList


@dataclass(frozen=True, slots=True)
class Bounds:
    """prompt_tokens, output_tokens (of all choices): the most that a request can take."""

    prompt_tokens: int
    output_tokens: int

    @classmethod
    def of(
        cls, *, body_bytes: int, template_tokens: int, max_new_tokens: int | None, choices: int, context_tokens: int
    ) -> Self:
        """A token of the prompt takes at least one byte of the body; the chat template adds `template_tokens`.

        max_new_tokens: of each choice; None takes what fits the context.
        """
        new_tokens = min(max_new_tokens or context_tokens, context_tokens)
        return cls(min(body_bytes + template_tokens, context_tokens), choices * new_tokens)

    def amount(self, price_list: PriceList) -> int:
        """What a client must promise for the request, in base units.

        At least 1: a voucher for nothing more would be the last one again, and a voucher is spent only once.
        """
        return max(1, highest_fee(price_list, self.prompt_tokens, self.output_tokens))
