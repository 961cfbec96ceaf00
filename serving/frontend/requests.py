"""From what a client asks to a prepared request: which model, which tokens, how many more."""

import asyncio
from collections.abc import Collection

from serving.adapters.store import AdapterVersion
from serving.errors import ChatTemplateFailed, ContextTooLong, InvalidRequest
from serving.frontend.choices import check_choices
from serving.frontend.compositions import Composition
from serving.prompts.invocation import active_from
from serving.prompts.templates import TemplateRenderer
from serving.prompts.vocabulary import Vocabulary
from serving.sampling.logprobs import MAX_TOP_LOGPROBS
from serving.types import (
    ChatMessage,
    ChatPrompt,
    Prepared,
    Prompt,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)

_CHARS_PER_TOKEN = 64
"""No vocabulary has tokens longer than this on average, so longer texts need no tokenizer to be refused."""
_INLINE_CHARS = 2_000
MAX_STOPS = 16
MAX_STOP_CHARS = 256
MAX_STOP_TOKEN_IDS = 64
MAX_BIASES = 300
REPETITION_PENALTY = (0.1, 10.0)


class Preparer:
    """Renders, tokenises and measures prompts for one base model, off the event loop where it takes long."""

    def __init__(self, vocabulary: Vocabulary, renderer: TemplateRenderer, context_tokens: int) -> None:
        self._vocabulary = vocabulary
        self._renderer = renderer
        self._context_tokens = context_tokens

    async def prepare(
        self,
        model: str,
        adapter: AdapterVersion | Composition | None,
        prompt: Prompt,
        max_new_tokens: int | None,
        chat_template: str | None = None,
    ) -> Prepared:
        """adapter None is the base.   max_new_tokens None asks for all that fits.   chat_template: the adapter's own.

        Raises InvalidRequest, ContextTooLong, ChatTemplateFailed.
        """
        if max_new_tokens is not None and max_new_tokens < 1:
            raise InvalidRequest("max_tokens", "must be at least 1")
        ids = await self._token_ids(prompt, chat_template or self._vocabulary.chat_template)
        if not ids:
            raise InvalidRequest("prompt", "is empty")
        self._vocabulary.check_embedded(ids)
        wanted = max(1, self._context_tokens - len(ids)) if max_new_tokens is None else max_new_tokens
        if len(ids) + wanted > self._context_tokens:
            raise ContextTooLong(len(ids), wanted, self._context_tokens)
        if adapter is None:
            return Prepared(model, None, tuple(ids), wanted)
        parts = adapter.parts if isinstance(adapter, Composition) else ()
        return Prepared(
            model,
            adapter.digest,
            tuple(ids),
            wanted,
            active_from=active_from(adapter.invocation, ids, adapter.name),
            parts=parts,
        )

    async def _token_ids(self, prompt: Prompt, template: str | None) -> list[int]:
        match prompt:
            case TokenPrompt(token_ids):
                size = self._vocabulary.size
                if not all(0 <= token < size for token in token_ids):
                    raise InvalidRequest("prompt", f"token ids must be between 0 and {size - 1}")
                return list(token_ids)
            case TextPrompt(text):
                self._check_chars(len(text))
                if len(text) <= _INLINE_CHARS:
                    return self._vocabulary.encode_text(text)
                return await asyncio.to_thread(self._vocabulary.encode_text, text)
            case ChatPrompt(messages):
                return await self._chat_ids(messages, template)

    async def _chat_ids(self, messages: tuple[ChatMessage, ...], template: str | None) -> list[int]:
        if template is None:
            raise ChatTemplateFailed("This model has no chat template. Use /v1/completions.")
        if not messages:
            raise InvalidRequest("messages", "must not be empty")
        self._check_chars(sum(len(message.content) for message in messages))
        markers: dict[str, str] = {}
        guarded = []
        for message in messages:
            content, own = self._vocabulary.guard(message.content)
            markers |= own
            guarded.append(ChatMessage(message.role, content))
        rendered = await self._renderer.render(template, guarded, self._vocabulary.named_tokens)
        return await asyncio.to_thread(self._vocabulary.encode_rendered, rendered, markers)

    def _check_chars(self, chars: int) -> None:
        if chars > _CHARS_PER_TOKEN * self._context_tokens:
            raise ContextTooLong(chars // _CHARS_PER_TOKEN, 1, self._context_tokens)


def check_request(prepared: Prepared, sampling: SamplingParams, vocabulary_size: int) -> None:
    """Raises InvalidRequest for what means nothing together, or costs more than it should."""
    check_sampling(sampling, prepared.max_new_tokens, vocabulary_size)
    check_choices(prepared.choices, prepared.max_new_tokens)
    if prepared.grammar is not None:
        # once the value is complete nothing but its end may follow
        for param, asked in (("ignore_eos", sampling.ignore_eos), ("min_tokens", sampling.min_tokens > 0)):
            if asked:
                raise InvalidRequest(param, "cannot be combined with response_format")


def check_sampling(sampling: SamplingParams, max_new_tokens: int, vocabulary_size: int) -> None:
    """Raises InvalidRequest for parameters that mean nothing, or that cost more than they should."""
    if not 0 <= sampling.temperature <= 100:
        raise InvalidRequest("temperature", "must be between 0 and 100")
    if not 0 < sampling.top_p <= 1:
        raise InvalidRequest("top_p", "must be above 0 and at most 1")
    if sampling.top_k < 0:
        raise InvalidRequest("top_k", "must be 0 (off) or more")
    if len(sampling.stop) > MAX_STOPS or any(not 0 < len(stop) <= MAX_STOP_CHARS for stop in sampling.stop):
        raise InvalidRequest("stop", f"takes up to {MAX_STOPS} strings of 1 to {MAX_STOP_CHARS} characters")
    if not 0 <= sampling.min_p <= 1:
        raise InvalidRequest("min_p", "must be between 0 and 1")
    if not 0 <= sampling.min_tokens <= max_new_tokens:
        raise InvalidRequest("min_tokens", f"must be between 0 and max_tokens, which is {max_new_tokens}")
    if sampling.logprobs is not None and not 0 <= sampling.logprobs <= MAX_TOP_LOGPROBS:
        raise InvalidRequest("logprobs", f"must be between 0 and {MAX_TOP_LOGPROBS}")
    _check_penalties(sampling)
    _check_token_ids("stop_token_ids", sampling.stop_token_ids, MAX_STOP_TOKEN_IDS, vocabulary_size)
    _check_token_ids("logit_bias", [token for token, _ in sampling.logit_bias], MAX_BIASES, vocabulary_size)
    if len(dict(sampling.logit_bias)) < len(sampling.logit_bias):
        raise InvalidRequest("logit_bias", "names a token id twice")
    if not all(-100 <= bias <= 100 for _, bias in sampling.logit_bias):
        raise InvalidRequest("logit_bias", "values must be between -100 and 100")


def _check_penalties(sampling: SamplingParams) -> None:
    if not -2 <= sampling.presence_penalty <= 2:
        raise InvalidRequest("presence_penalty", "must be between -2 and 2")
    if not -2 <= sampling.frequency_penalty <= 2:
        raise InvalidRequest("frequency_penalty", "must be between -2 and 2")
    low, high = REPETITION_PENALTY
    if not low <= sampling.repetition_penalty <= high:
        raise InvalidRequest("repetition_penalty", f"must be between {low} and {high}")


def _check_token_ids(param: str, token_ids: Collection[int], most: int, vocabulary_size: int) -> None:
    if len(token_ids) > most:
        raise InvalidRequest(param, f"takes up to {most} token ids")
    if not all(0 <= token < vocabulary_size for token in token_ids):
        raise InvalidRequest(param, f"token ids must be between 0 and {vocabulary_size - 1}")
