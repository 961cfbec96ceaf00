"""Token ids to text, piece by piece, never half a character and never past a stop string."""

from collections.abc import Callable, Collection, Sequence

UNFINISHED = "\ufffd"
"""What decoders write for bytes that are not (yet) a character."""
_WINDOW_TOKENS = 32


class IncrementalText:
    """Decodes a growing list of token ids; the concatenated pieces equal one decode of all of them.

        ids   ... a b c d e f
                  ^prefix   ^end     decode(ids[prefix:end]) has `_emitted` characters already handed out

    The window keeps a few tokens of context because decoders treat the first token specially (a leading space is
    dropped) and because a character may need several tokens. Trailing U+FFFD may still become a character and is held
    back until `flush`, or until so many tokens have passed that it cannot.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], skipped_ids: Collection[int]) -> None:
        self._decode = decode
        self._skipped_ids = skipped_ids
        self._window: list[int] = []
        self._settled = 0
        self._emitted = 0

    def push(self, token_id: int) -> str:
        """The text this token completes; may be empty."""
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
            # bytes that stayed invalid for this long will never be a character
            piece += text[self._emitted :]
            self._move_window(len(self._window) - _WINDOW_TOKENS // 4)
            self._settled = len(self._window)
        return piece

    def flush(self) -> str:
        """What was held back: the bytes of an unfinished character, as U+FFFD."""
        piece = self._decode(self._window)[self._emitted :] if self._window else ""
        self._emitted += len(piece)
        return piece

    def _move_window(self, start: int) -> None:
        del self._window[:start]
        self._emitted = len(self._decode(self._window)) if self._window else 0


class StopStrings:
    """Cuts a stream of text before the stop string that completes first.

    The longest end of the text that could begin a stop string is held back, so the cut does not depend on where the
    pieces begin and end. Of two stops completing at the same character the longer one (which began first) wins.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def push(self, piece: str) -> tuple[str, bool]:
        """Text that may go out now, and whether a stop string was met."""
        if not self._stops:
            return piece, False
        text = self._held + piece
        found = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)[1]], True
        keep = max(self._overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], False

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _overlap(text: str, stop: str) -> int:
        """Length of the longest end of `text` that is a beginning of `stop`."""
        return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


class OutputText:
    """The text of one sequence: incremental decoding, then stop strings, which the first `min_tokens` cannot meet."""

    def __init__(self, incremental: IncrementalText, stops: StopStrings, min_tokens: int = 0) -> None:
        self._incremental = incremental
        self._stops = stops
        self._unstoppable = min_tokens

    def push(self, token_id: int) -> tuple[str, bool]:
        """Text that may go out, and whether the sequence has met a stop string."""
        piece = self._incremental.push(token_id)
        if self._unstoppable > 0:
            self._unstoppable -= 1
            return piece, False
        return self._stops.push(piece)

    def flush(self) -> tuple[str, bool]:
        """The rest, when the sequence ends by itself; the held-back bytes may still complete a stop string."""
        text, met = self._stops.push(self._incremental.flush())
        return (text, met) if met else (text + self._stops.flush(), False)
