"""Incremental detokenization: token ids to text, never half a character and never past a stop string."""

from collections.abc import Callable, Collection, Sequence

UNFINISHED = "\ufffd"
"""What decoders write for bytes that are not a character, or not yet."""
_WINDOW_TOKENS = 32


class IncrementalText:
    """Decodes a growing list of token ids. The concatenated pieces equal a single decode of all ids.

        ids   ... a b c d e f
                  ^prefix   ^end     of decode(ids[prefix:end]), `_emitted` characters were already returned

    The window keeps a few tokens of context because decoders treat the first token specially (they drop a leading
    space) and because a character may need several tokens. A trailing U+FFFD may still become a character, so it is
    held back until `flush`, or until the window is so long that it cannot.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], skipped_ids: Collection[int]) -> None:
        self._decode = decode
        self._skipped_ids = skipped_ids
        self._window: list[int] = []
        self._settled = 0
        self._emitted = 0

    def push(self, token_id: int) -> str:
        """The text that this token completes; may be empty."""
        if token_id in self._skipped_ids:
            return ""
        self._window.append(token_id)
        text = self._decode(self._window)
        stable = text.rstrip(UNFINISHED)
        piece = stable[self._emitted :]
        self._emitted = max(self._emitted, len(stable))
        if len(stable) == len(text):
            self._move_window(self._settled)
            self._settled = len(self._window)
        elif len(self._window) > _WINDOW_TOKENS:
            # bytes that are still invalid after this many tokens are never a character
            piece += text[self._emitted :]
            self._move_window(len(self._window) - _WINDOW_TOKENS // 4)
            self._settled = len(self._window)
        return piece

    def flush(self) -> str:
        """The text that was held back: the bytes of an incomplete character, as U+FFFD."""
        piece = self._decode(self._window)[self._emitted :] if self._window else ""
        self._emitted += len(piece)
        return piece

    def _move_window(self, start: int) -> None:
        del self._window[:start]
        self._emitted = len(self._decode(self._window)) if self._window else 0


class StopStrings:
    """Cuts a stream of text before the stop string that completes first.

    The longest suffix of the text that is a prefix of a stop string is held back, so the cut does not depend on how the
    text is split into pieces. Of two stop strings that complete at the same character, the longer wins.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def push(self, piece: str) -> tuple[str, bool]:
        """(text that may be sent now, whether a stop string is complete)."""
        if not self._stops:
            return piece, False
        text = self._held + piece
        complete = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if complete:
            self._held = ""
            return text[: min(complete)[1]], True
        keep = max(overlap_chars(text, stop) for stop in self._stops)  # no stop string is complete
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def flush(self) -> str:
        """The text that was held back, when no more follows."""
        held, self._held = self._held, ""
        return held


class OutputText:
    """The text of one sequence: incremental decoding, then stop strings, which the first `min_tokens` tokens ignore."""

    def __init__(self, incremental: IncrementalText, stops: StopStrings, min_tokens: int = 0) -> None:
        self._incremental = incremental
        self._stops = stops
        self._unstoppable = min_tokens

    def push(self, token_id: int) -> tuple[str, bool]:
        """(text that may be sent now, whether the sequence ends at a stop string)."""
        piece = self._incremental.push(token_id)
        if self._unstoppable > 0:
            self._unstoppable -= 1
            return piece, False
        return self._stops.push(piece)

    def flush(self) -> tuple[str, bool]:
        """The rest when the sequence ends for another reason. The bytes held back may still complete a stop string."""
        text, stopped = self._stops.push(self._incremental.flush())
        return (text, stopped) if stopped else (text + self._stops.flush(), False)


def overlap_chars(left: str, right: str) -> int:
    """Length of the longest suffix of `left` that is a prefix of `right`."""
    return next((n for n in range(min(len(left), len(right)), 0, -1) if left.endswith(right[:n])), 0)
