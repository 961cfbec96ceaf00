"""From what a client asks to a prepared request: the model, the prompt's tokens and the limits of the output."""

import asyncio

from serving.adapters.store import AdapterVersion
from serving.errors import ChatTemplateFailed, ContextTooLong, InvalidRequest
from serving.frontend.choices import check_choices
from serving.frontend.compositions import Composition
from serving.frontend.limits import check_sampling
from serving.prompts.invocation import active_from
from serving.prompts.templates import TemplateRenderer
from serving.prompts.vocabulary import Vocabulary
from serving.sampling.grammar import Grammars
from serving.types import (
    AdapterPart,
    ChatMessage,
    ChatPrompt,
    Prepared,
    Prompt,
    ResolvedModel,
    SamplingParams,
    TextPrompt,
    TokenPrompt,
)

_CHARS_PER_TOKEN = 64
"""No vocabulary has tokens longer than this on average, so longer texts are refused without tokenising them."""
_INLINE_CHARS = 2_000
"""Shorter texts are tokenised on the event loop: a thread costs more than the work."""


def resolved(name: str, version: AdapterVersion | Composition | None) -> ResolvedModel:
    """The value that a request carries instead of `name`, which means `version`; None is the base."""
    match version:
        case None:
            return ResolvedModel(name)
        case Composition():
            parts = tuple(AdapterPart(each.name, each.digest, weight) for each, weight in version.versions)
        case AdapterVersion():
            parts = (AdapterPart(version.name, version.digest),)
    return ResolvedModel(name, version.digest, version.nbytes, version.invocation, parts)


class Preparer:
    """Renders, tokenises and checks requests for one base model, off the event loop where that takes long."""

    def __init__(
        self, vocabulary: Vocabulary, renderer: TemplateRenderer, grammars: Grammars, context_tokens: int
    ) -> None:
        self._vocabulary = vocabulary
        self._renderer = renderer
        self._grammars = grammars
        self._context_tokens = context_tokens

    async def prepare(
        self,
        model: ResolvedModel,
        prompt: Prompt,
        max_new_tokens: int | None,
        sampling: SamplingParams,
        *,
        choices: int = 1,
        json_schema: str | None = None,
        chat_template: str | None = None,
    ) -> Prepared:
        """Tokenises the prompt and checks everything else that the request asks for.

        max_new_tokens: None asks for all that fits the context. json_schema: what the outputs must satisfy, as JSON.
        chat_template: the adapter's own; None uses the base's.

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
        active = active_from(model.invocation, ids, model.parts[0].name) if model.invocation else 0
        grammar = None if json_schema is None else await self._grammars.compile(json_schema)
        check_sampling(sampling, wanted, self._vocabulary.size, has_grammar=grammar is not None)
        check_choices(choices, wanted)
        return Prepared(
            model, tuple(ids), wanted, sampling=sampling, choices=choices, grammar=grammar, active_from=active
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
