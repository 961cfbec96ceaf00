"""Outputs that must be JSON: a JSON Schema becomes, for every place in an output, the set of tokens that may come next.

The grammar work is llguidance's. It is loaded when the first request asks for it: an engine without such requests
neither needs the library nor waits for it.
"""

import asyncio
import functools
import json
import math
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import torch

from serving.errors import InvalidRequest
from serving.prompts.vocabulary import Vocabulary

if TYPE_CHECKING:
    from llguidance import LLMatcher, LLTokenizer

MAX_SCHEMA_BYTES = 64 << 10
MAX_COMPILE_S = 5.0
MAX_MULTIPLE = 1_000_000
"""The product of all divisors in a schema: the library builds an automaton with a state for every remainder."""
_MAX_STATES = 50_000
_REASON_CHARS = 400
_OPTIONS = {"whitespace_flexible": True, "whitespace_pattern": r"( |\n {0,24}|\n\t{0,8})?", "coerce_one_of": False}
"""Between two parts of a value stands nothing, a space, or a new line and its indent: no output can consist of it."""


class Grammars:
    """Compiles schemas for one vocabulary, off the event loop and off the engine thread."""

    def __init__(self, vocabulary: Vocabulary, eos_ids: frozenset[int]) -> None:
        self._vocabulary, self._eos_ids = vocabulary, eos_ids
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "openlora-grammar")

    async def compile(self, schema: str) -> "JsonGrammar":
        """The grammar of the JSON values that `schema`, a JSON Schema as JSON, allows.

        Raises InvalidRequest (response_format) with the library's reason.
        """
        if len(schema) > MAX_SCHEMA_BYTES:
            raise InvalidRequest("response_format", f"the schema is longer than {MAX_SCHEMA_BYTES} bytes")
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._compile, schema)
        try:
            return await asyncio.wait_for(asyncio.shield(work), MAX_COMPILE_S)
        except TimeoutError:
            work.add_done_callback(lambda late: late.exception())  # nobody waits for it any more
            reason = f"the schema was not compiled within {MAX_COMPILE_S:.0f} s: simplify it"
            raise InvalidRequest("response_format", reason) from None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _compile(self, schema: str) -> "JsonGrammar":
        from llguidance import LLMatcher, LLParserLimits

        limits = LLParserLimits(max_lexer_states=_MAX_STATES, verbose_errors=False)
        try:
            if math.prod(set(_divisors(json.loads(schema, parse_float=Decimal)))) > MAX_MULTIPLE:
                raise InvalidRequest(
                    "response_format", f"multipleOf: {MAX_MULTIPLE} is the most, all of them multiplied"
                )
            rules = LLMatcher.grammar_from_json_schema(schema, overrides=_OPTIONS | {"lenient": False})  # type: ignore[arg-type]
            matcher = LLMatcher(self._tokenizer, rules, log_level=0, limits=limits)
            matcher.compute_bitmask()  # some grammars turn out to be too large only here
        except InvalidRequest:
            raise
        except Exception as error:
            raise InvalidRequest("response_format", str(error)[:_REASON_CHARS]) from error
        if matcher.is_error():
            raise InvalidRequest("response_format", _reason(matcher))
        return JsonGrammar(matcher, self._vocabulary.size, self._pool)

    @functools.cached_property
    def _tokenizer(self) -> "LLTokenizer":
        """The vocabulary as llguidance sees it. Tokens that show no text are never part of a value."""
        from llguidance import LLTokenizer, TokenizerWrapper

        spelling = _Spelling(self._vocabulary, self._eos_ids)
        return LLTokenizer(TokenizerWrapper(spelling), n_vocab=len(spelling.tokens), eos_token=spelling.eos_ids)


class JsonGrammar:
    """A compiled schema: immutable, and the start of any number of matchers."""

    def __init__(self, start: "LLMatcher", vocabulary_size: int, pool: ThreadPoolExecutor) -> None:
        self._start, self._size, self._pool = start, vocabulary_size, pool

    def matcher(self) -> "JsonMatcher":
        return JsonMatcher(self._start.deep_copy(), self._size, self._pool)


class JsonMatcher:
    """Follows one output. Used by one thread, for which a pool works out the next tokens ahead of time.

    error: why the grammar cannot be followed any further; None while it can.
    """

    def __init__(self, matcher: "LLMatcher", vocabulary_size: int, pool: ThreadPoolExecutor) -> None:
        self._matcher, self._size, self._pool = matcher, vocabulary_size, pool
        self.error: str | None = None
        self._next: Future[torch.Tensor] = pool.submit(self._allowed)

    def allowed(self) -> torch.Tensor:
        """Which tokens may come next: bool [vocabulary]; none of them after an error.

        End tokens are among them exactly where the output so far is a whole value.
        """
        return self._next.result()

    def advance(self, token: int) -> bool:
        """Takes the token that was drawn; whether the value is complete and nothing can follow it."""
        try:
            self._matcher.consume_token(token)
            complete = self._matcher.is_stopped() and not self._matcher.is_error()
        except BaseException as failure:  # a panic in the library is no Exception, and must not end the engine
            self.error, complete = f"The grammar failed: {failure}"[:_REASON_CHARS], False
        if not complete:
            self._next = self._pool.submit(self._allowed)
        return complete

    def _allowed(self) -> torch.Tensor:
        try:
            bits = bytearray(self._matcher.compute_bitmask())
            if self._matcher.is_error():
                self.error = f"The output cannot follow its grammar any further: {_reason(self._matcher)}"
        except BaseException as failure:
            self.error = f"The grammar failed: {failure}"[:_REASON_CHARS]
        if self.error is not None:
            return torch.zeros(self._size, dtype=torch.bool)
        packed = torch.frombuffer(bits, dtype=torch.uint8)
        places = torch.arange(8, dtype=torch.uint8)  # the lowest bit is the first token
        return ((packed[:, None] >> places) & 1).bool().flatten()[: self._size]


class _Spelling:
    """What TokenizerWrapper asks for: the bytes of all tokens, and how a text is usually split into tokens.

    A model may have no end token: then one that no output layer has stands in for it.
    """

    def __init__(self, vocabulary: Vocabulary, eos_ids: frozenset[int]) -> None:
        texts = [vocabulary.token_text(token) for token in range(vocabulary.size)]
        self.eos_ids = sorted(token for token in eos_ids if token < len(texts)) or [len(texts)]
        hidden = {token for token, text in enumerate(texts) if not text.visible}
        self.special_token_ids = sorted(hidden | set(self.eos_ids))
        self.tokens = [text.content for text in texts] + [b"<end>"] * (self.eos_ids == [len(texts)])
        self.eos_token_id, self.bos_token_id = self.eos_ids[0], None
        self._vocabulary = vocabulary
        usable = ((text.content, token) for token, text in enumerate(texts) if text.content and token not in hidden)
        self._ids = dict(reversed([*usable]))
        self._longest = max(map(len, self._ids), default=1)

    def __call__(self, content: bytes) -> Sequence[int]:
        """Tokens whose bytes are exactly `content`: the tokenizer's own, or the longest ones from left to right."""
        ids = self._vocabulary.spell(content.decode(errors="replace"))
        if b"".join(self.tokens[token] for token in ids if token < len(self.tokens)) == content:
            return ids
        ids, done = [], 0
        while done < len(content):
            ends = range(min(len(content), done + self._longest), done, -1)
            end = next((end for end in ends if content[done:end] in self._ids), None)
            if end is None:
                break  # the vocabulary cannot spell it: what comes before can still be used
            ids.append(self._ids[content[done:end]])
            done = end
        return ids


def _divisors(schema: object) -> Iterator[int]:
    """The digits of every `multipleOf`, wherever it stands."""
    left = [schema]
    while left:
        match left.pop():
            case dict() as members:
                divisor = members.get("multipleOf")
                if isinstance(divisor, int | Decimal):
                    yield int("".join(map(str, Decimal(divisor).normalize().as_tuple().digits)))
                left.extend(members.values())
            case list() as items:
                left.extend(items)


def _reason(matcher: "LLMatcher") -> str:
    return matcher.get_error().removesuffix("<non-verbose/>").strip()[:_REASON_CHARS]
