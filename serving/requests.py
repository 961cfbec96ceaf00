"""From what a client asks to a prepared request: which model, which tokens, how many more."""

import asyncio

from serving.errors import ChatTemplateFailed, ContextTooLong, InvalidRequest
from serving.prompts.templates import TemplateRenderer
from serving.prompts.vocabulary import Vocabulary
from serving.types import (
    AdapterDigest,
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


class Preparer:
    """Renders, tokenises and measures prompts for one base model, off the event loop where it takes long."""

    def __init__(self, vocabulary: Vocabulary, renderer: TemplateRenderer, context_tokens: int) -> None:
        self._vocabulary = vocabulary
        self._renderer = renderer
        self._context_tokens = context_tokens

    async def prepare(
        self,
        model: str,
        adapter: AdapterDigest | None,
        prompt: Prompt,
        max_new_tokens: int | None,
        chat_template: str | None = None,
    ) -> Prepared:
        """max_new_tokens None asks for all that fits.   chat_template: the adapter's, if it brings one.

        Raises InvalidRequest, ContextTooLong, ChatTemplateFailed.
        """
        if max_new_tokens is not None and max_new_tokens < 1:
            raise InvalidRequest("max_tokens", "must be at least 1")
        ids = await self._token_ids(prompt, chat_template or self._vocabulary.chat_template)
        if not ids:
            raise InvalidRequest("prompt", "is empty")
        wanted = max(1, self._context_tokens - len(ids)) if max_new_tokens is None else max_new_tokens
        if len(ids) + wanted > self._context_tokens:
            raise ContextTooLong(len(ids), wanted, self._context_tokens)
        return Prepared(model, adapter, tuple(ids), wanted)

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


def check_sampling(sampling: SamplingParams) -> None:
    """Raises InvalidRequest for parameters that mean nothing."""
    if not 0 <= sampling.temperature <= 100:
        raise InvalidRequest("temperature", "must be between 0 and 100")
    if not 0 < sampling.top_p <= 1:
        raise InvalidRequest("top_p", "must be above 0 and at most 1")
    if sampling.top_k < 0:
        raise InvalidRequest("top_k", "must be 0 (off) or more")
    if len(sampling.stop) > MAX_STOPS or any(not 0 < len(stop) <= MAX_STOP_CHARS for stop in sampling.stop):
        raise InvalidRequest("stop", f"takes up to {MAX_STOPS} strings of 1 to {MAX_STOP_CHARS} characters")
