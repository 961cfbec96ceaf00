r"""PEFT's rules for which modules a LoRA config targets, and which pattern gives a module its rank or alpha.

The rules of peft 0.21: `tuners_utils.check_target_module_exists`, `utils.other.match_target_against_key` and
`utils.other.get_pattern_key`. Patterns come from strangers, so whatever could backtrack runs on a time budget.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import regex  # type: ignore[import-untyped]  # ships no types

_LITERAL = re.compile(r"\^?[\w.\-]*\$?")  # neither alternatives nor repeats: cannot backtrack
_LAYER_INDEX = re.compile(r".*?\.[^.]*\.(?P<idx>\d+)\.")
_MAX_PATTERN_CHARS = 4096

Value = TypeVar("Value")


class UnusablePattern(ValueError):
    """A pattern is not a regular expression, is too long, or takes too long to match."""


class Matcher:
    """Matches the patterns of one config within `budget_s` seconds in all, without holding the interpreter lock.

    `re` has no time limit, `regex` has, and in its default version reads patterns as `re` does.
    """

    def __init__(self, budget_s: float = 1.0) -> None:
        self._left_s = budget_s

    def fullmatch(self, pattern: str, text: str) -> bool:
        return self._match(pattern, text, whole=True) is not None

    def layer_index(self, layers_pattern: str, full_name: str) -> int | None:
        found = self._match(rf"(?:^|.*?\.){layers_pattern}\.(?P<idx>\d+)\.", full_name, whole=False)
        return None if found is None else int(found["idx"])

    def pattern_value(self, patterns: Mapping[str, Value], full_name: str, default: Value) -> Value:
        """The value of the first pattern that matches the end of `full_name`, else `default`."""
        for pattern, value in patterns.items():
            if _LITERAL.fullmatch(pattern):
                found = re.fullmatch(rf"(.*\.)?({pattern})", full_name) is not None
            else:
                found = self.fullmatch(rf"(.*\.)?({pattern})", full_name)
            if found:
                return value
        return default

    def _match(self, pattern: str, text: str, *, whole: bool) -> dict[str, str] | None:
        if len(pattern) > _MAX_PATTERN_CHARS:
            raise UnusablePattern(f"a pattern of {len(pattern)} characters is longer than {_MAX_PATTERN_CHARS}")
        started = time.monotonic()
        try:
            compiled = regex.compile(pattern)
            method = compiled.fullmatch if whole else compiled.match
            found = method(text, timeout=max(self._left_s, 1e-3), concurrent=True)
            groups = None if found is None else dict(found.groupdict())
        except regex.error as error:
            raise UnusablePattern(f"{pattern!r:.200} is not a regular expression: {error}") from error
        except (TimeoutError, RecursionError, MemoryError) as error:
            raise UnusablePattern(f"{pattern!r:.200} takes too long to match") from error
        self._left_s -= time.monotonic() - started
        return groups


@dataclass(frozen=True, slots=True)
class Targets:
    """The fields of a LoRA config that choose modules: a str is one regular expression, a tuple a list of suffixes."""

    target_modules: str | tuple[str, ...]
    exclude_modules: str | tuple[str, ...] = ()
    layers_to_transform: tuple[int, ...] = ()
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


def _names(chosen: str | Sequence[str], full_name: str, matcher: Matcher) -> bool:
    if isinstance(chosen, str):
        return matcher.fullmatch(chosen, full_name)
    return full_name in chosen or any(full_name.endswith(f".{suffix}") for suffix in chosen)
