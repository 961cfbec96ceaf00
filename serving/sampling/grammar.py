"""Outputs that must be JSON: for every position of an output, a JSON Schema decides which tokens may come next.

llguidance does the work. The first request with a schema imports it, so an engine without such requests does not need
the library.
"""

import asyncio
import contextlib
import functools
import json
import logging
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

log = logging.getLogger("serving.grammar")
MAX_SCHEMA_BYTES = 64 << 10
MAX_COMPILE_S = 5.0
MAX_MULTIPLE = 1_000_000
"""The largest product of all divisors in a schema: the library builds an automaton with a state per remainder."""
_MAX_STATES = 50_000
_REASON_CHARS = 400
_OPTIONS = {"whitespace_flexible": True, "whitespace_pattern": r"( |\n {0,24}|\n\t{0,8})?", "coerce_one_of": False}
"""Two parts of a value are separated by nothing, a space, or a new line and its indent, so white space is bounded."""
_FAILED = "The grammar failed. The node's log has the details."


class Grammars:
    """Compiles schemas for one vocabulary, off the event loop and off the engine thread."""

    def __init__(self, vocabulary: Vocabulary, eos_ids: frozenset[int]) -> None:
        self._vocabulary, self._eos_ids = vocabulary, eos_ids
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "openlora-grammar")

    async def compile(self, schema: str) -> "JsonGrammar":
        """The grammar of the JSON values that `schema`, a JSON Schema as JSON, allows.

        Raises InvalidRequest (response_format) with the library's reason if the library refuses the schema. Any other
        exception is an error of this node, not of the client.
        """
        if len(schema) > MAX_SCHEMA_BYTES:
            raise InvalidRequest("response_format", f"the schema is longer than {MAX_SCHEMA_BYTES} bytes")
        work = asyncio.get_running_loop().run_in_executor(self._pool, self._compile, schema)
        try:
            return await asyncio.wait_for(asyncio.shield(work), MAX_COMPILE_S)
        except TimeoutError:
            work.add_done_callback(_log_late_failure)
            reason = f"the schema was not compiled within {MAX_COMPILE_S:.0f} s: simplify it"
            raise InvalidRequest("response_format", reason) from None

    def close(self) -> None:
        """Drops the compilations that have not begun and ends the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _compile(self, schema: str) -> "JsonGrammar":
        from llguidance import LLMatcher, LLParserLimits

        if math.prod(_divisors(schema)) > MAX_MULTIPLE:
            raise InvalidRequest("response_format", f"multipleOf: {MAX_MULTIPLE} is the most, all of them multiplied")
        limits = LLParserLimits(max_lexer_states=_MAX_STATES, verbose_errors=False)
        tokenizer = self._tokenizer
        with _panics_as_errors():
            try:
                rules = LLMatcher.grammar_from_json_schema(schema, overrides=_OPTIONS | {"lenient": False})  # type: ignore[arg-type]
            except ValueError as refusal:
                raise InvalidRequest("response_format", str(refusal)[:_REASON_CHARS]) from refusal
            matcher = LLMatcher(tokenizer, rules, log_level=0, limits=limits)
            matcher.compute_bitmask()  # some grammars prove too large only here
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
    """A compiled schema. It is immutable and can start any number of matchers."""

    def __init__(self, start: "LLMatcher", vocabulary_size: int, pool: ThreadPoolExecutor) -> None:
        self._start, self._size, self._pool = start, vocabulary_size, pool

    def matcher(self) -> "JsonMatcher":
        """Returns a matcher for one output, at its first token."""
        return JsonMatcher(self._start.deep_copy(), self._size, self._pool)


class JsonMatcher:
    """Follows one output. Used by one thread; a pool computes its next token mask ahead of time.

    error: why the output cannot go on; None while it can.
    """

    def __init__(self, matcher: "LLMatcher", vocabulary_size: int, pool: ThreadPoolExecutor) -> None:
        self._matcher, self._size, self._pool = matcher, vocabulary_size, pool
        self.error: str | None = None
        self._next: Future[torch.Tensor] = pool.submit(self._allowed)

    def allowed(self) -> torch.Tensor:
        """The tokens that may come next, as bool [vocabulary]; after an error none may.

        End tokens are allowed exactly where the output so far is a whole value.
        """
        return self._next.result()

    def advance(self, token: int) -> bool:
        """Takes the sampled token. Returns True if the value is complete and nothing can follow it."""
        complete = False
        try:
            self._matcher.consume_token(token)
            complete = self._matcher.is_stopped() and not self._matcher.is_error()
        except BaseException:  # a panic in the library is no Exception, and must not end the engine
            self._fail()
        if not complete:
            self._next = self._pool.submit(self._allowed)
        return complete

    def _allowed(self) -> torch.Tensor:
        try:
            bits = bytearray(self._matcher.compute_bitmask())
            if self._matcher.is_error():
                self.error = f"The output cannot follow its grammar any further: {_reason(self._matcher)}"
            if self.error is None:
                packed = torch.frombuffer(bits, dtype=torch.uint8)
                places = torch.arange(8, dtype=torch.uint8)  # the lowest bit is the first token
                return ((packed[:, None] >> places) & 1).bool().flatten()[: self._size]
        except BaseException:
            self._fail()
        return torch.zeros(self._size, dtype=torch.bool)

    def _fail(self) -> None:
        """Records an error that is not the output's. Called where the exception is being handled."""
        log.exception("grammar_failed")
        self.error = _FAILED


class _Spelling:
    """What llguidance's TokenizerWrapper needs: the bytes of all tokens, and how a text is usually tokenised.

    If the model has no end token, the first id after the vocabulary replaces it.
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
        """Tokens whose bytes are exactly `content`: those of the tokenizer, else the longest matches from the left."""
        ids = self._vocabulary.spell(content.decode(errors="replace"))
        if b"".join(self.tokens[token] for token in ids if token < len(self.tokens)) == content:
            return ids
        ids, done = [], 0
        while done < len(content):
            ends = range(min(len(content), done + self._longest), done, -1)
            end = next((end for end in ends if content[done:end] in self._ids), None)
            if end is None:
                break  # the vocabulary cannot spell the rest; the tokens so far are still usable
            ids.append(self._ids[content[done:end]])
            done = end
        return ids


def _divisors(schema: str) -> set[int]:
    """The significant digits of every `multipleOf`, as integers. Raises InvalidRequest if the schema is not JSON."""
    divisors: set[int] = set()
    try:
        left = [json.loads(schema, parse_float=Decimal)]
        while left:
            match left.pop():
                case dict() as members:
                    divisor = members.get("multipleOf")
                    if isinstance(divisor, int | Decimal) and divisor:
                        divisors.add(int("".join(map(str, Decimal(divisor).normalize().as_tuple().digits))))
                    left.extend(members.values())
                case list() as items:
                    left.extend(items)
    except (ValueError, ArithmeticError, RecursionError) as error:  # no JSON, a number without bound, too deep
        raise InvalidRequest("response_format", f"the schema cannot be read: {error}"[:_REASON_CHARS]) from error
    return divisors


@contextlib.contextmanager
def _panics_as_errors() -> Iterator[None]:
    """A panic in the library is no Exception; here it becomes one, so that only this request fails."""
    try:
        yield
    except Exception:
        raise
    except BaseException as panic:
        raise RuntimeError(f"llguidance panicked: {panic}") from panic


def _log_late_failure(work: "asyncio.Future[JsonGrammar]") -> None:
    """Nobody waits for a schema that took too long: an error of ours would vanish."""
    error = work.exception()
    if error is not None and not isinstance(error, InvalidRequest):
        log.error("grammar_failed", exc_info=error)


def _reason(matcher: "LLMatcher") -> str:
    return matcher.get_error().removesuffix("<non-verbose/>").strip()[:_REASON_CHARS]
