r"""PEFT's rules for which modules a LoRA config targets, and which pattern gives a module its rank or alpha.

The rules of peft 0.21: `tuners_utils.check_target_module_exists`, `utils.other.match_target_against_key` and
`utils.other.get_pattern_key`. Patterns come from strangers, so all matching runs on a time budget.
"""

import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import regex  # type: ignore[import-untyped]  # ships no types

_LITERAL = re.compile(r"\^?[\w.\-]*\$?")  # no alternatives and no repeats: cannot backtrack
_LAYER_INDEX = re.compile(r".*?\.[^.]*\.(?P<idx>\d+)\.")
_MAX_PATTERN_CHARS = 4096

Value = TypeVar("Value")


class UnusablePattern(ValueError):
    """A pattern is not a regular expression, is too long, or takes too long to match."""


class Matcher:
    """Matches the patterns of one config within `budget_s` CPU seconds in all, without holding the GIL for long.

    `re` has no time limit. `regex` has one, and in its default version it reads patterns as `re` does.
    """

    def __init__(self, budget_s: float = 1.0) -> None:
        self._left_s = budget_s
        self._literals: dict[str, re.Pattern[str]] = {}

    def fullmatch(self, pattern: str, text: str) -> bool:
        """Whether the regular expression `pattern` matches all of `text`. Raises UnusablePattern."""
        return self._match(pattern, text, whole=True) is not None

    def layer_index(self, layers_pattern: str, full_name: str) -> int | None:
        """The index after `layers_pattern` ("layers") in the name of a module, if there is one.

        Raises UnusablePattern.
        """
        match = self._match(rf"(?:^|.*?\.){layers_pattern}\.(?P<idx>\d+)\.", full_name, whole=False)
        return None if match is None else int(match["idx"])

    def pattern_value(self, patterns: Mapping[str, Value], full_name: str, default: Value) -> Value:
        """The value of the first pattern that matches the end of `full_name`, or `default`. Raises UnusablePattern."""
        for pattern, value in patterns.items():
            if self._ends_with(full_name, pattern):
                return value
        return default

    def _ends_with(self, full_name: str, pattern: str) -> bool:
        ending = rf"(.*\.)?({pattern})"
        if not _LITERAL.fullmatch(pattern):
            return self.fullmatch(ending, full_name)
        with self._charged(pattern):
            if pattern not in self._literals:
                self._literals[pattern] = re.compile(ending)
            return self._literals[pattern].fullmatch(full_name) is not None

    def _match(self, pattern: str, text: str, *, whole: bool) -> dict[str, str] | None:
        if len(pattern) > _MAX_PATTERN_CHARS:
            raise UnusablePattern(f"a pattern of {len(pattern)} characters is longer than {_MAX_PATTERN_CHARS}")
        try:
            with self._charged(pattern):
                compiled = regex.compile(pattern)
                method = compiled.fullmatch if whole else compiled.match
                match = method(text, timeout=max(self._left_s, 1e-3), concurrent=True)
                return None if match is None else dict(match.groupdict())
        except regex.error as error:
            raise UnusablePattern(f"{pattern!r:.200} is not a regular expression: {error}") from error
        except (TimeoutError, RecursionError, MemoryError) as error:
            raise _too_slow(pattern) from error

    @contextmanager
    def _charged(self, pattern: str) -> Iterator[None]:
        """Takes the CPU time of its body from the budget. Raises UnusablePattern if none is left before."""
        if self._left_s <= 0:
            raise _too_slow(pattern)
        started = time.thread_time()
        try:
            yield
        finally:
            self._left_s -= time.thread_time() - started


def _too_slow(pattern: str) -> UnusablePattern:
    return UnusablePattern(f"{pattern!r:.200} takes too long to match, or there are too many patterns")


@dataclass(frozen=True, slots=True)
class Targets:
    """The fields of a LoRA config that choose modules: a str is a regular expression, a set holds suffixes."""

    target_modules: str | frozenset[str]
    exclude_modules: str | frozenset[str] = frozenset()
    layers_to_transform: frozenset[int] = frozenset()
    layers_pattern: tuple[str, ...] = ()

    def include(self, full_name: str, matcher: Matcher) -> bool:
        """Whether the config adapts the module `full_name`, e.g. "model.layers.0.self_attn.q_proj".

        Raises UnusablePattern.
        """
        if self.exclude_modules and _names(self.exclude_modules, full_name, matcher):
            return False
        if not _names(self.target_modules, full_name, matcher):
            return False
        return not self.layers_to_transform or self._layer_of(full_name, matcher) in self.layers_to_transform

    def _layer_of(self, full_name: str, matcher: Matcher) -> int | None:
        if not self.layers_pattern:
            first = _LAYER_INDEX.match(full_name)
            return None if first is None else int(first["idx"])
        for pattern in self.layers_pattern:
            index = matcher.layer_index(pattern, full_name)
            if index is not None:
                return index
        return None


def _names(chosen: str | frozenset[str], full_name: str, matcher: Matcher) -> bool:
    if isinstance(chosen, str):
        return matcher.fullmatch(chosen, full_name)
    parts = full_name.split(".")
    return any(".".join(parts[start:]) in chosen for start in range(len(parts)))
