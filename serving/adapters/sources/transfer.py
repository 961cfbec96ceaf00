"""How a transfer from a remote source is watched and bounded, and how often it is tried."""

import time
from collections.abc import Callable
from typing import TypeVar

from serving.adapters.sources.source import Progress, SourceSettings
from serving.errors import SourceUnavailable

RETRY_AFTER_S = 5.0
Result = TypeVar("Result")


class Transfer:
    """Counts the bytes of one adapter as they arrive and stops a transfer that sends too much or takes too long.

    A broken transfer is resumed as long as some bytes arrive each time; this is what ends it.
    """

    def __init__(self, source: str, promised_bytes: int, settings: SourceSettings, on_progress: Progress) -> None:
        self._source = source
        self._promised_bytes = max(promised_bytes, 1)
        self._limit_bytes = settings.attempts * self._promised_bytes + settings.small_file_bytes
        self._deadline = time.monotonic() + settings.download_s
        self._download_s = settings.download_s
        self._on_progress = on_progress
        self._received_bytes = 0

    def received(self, nbytes: int) -> None:
        self._received_bytes += max(nbytes, 0)
        if self._received_bytes > self._limit_bytes:
            raise SourceUnavailable(self._source, "it sends more than it announced; ask its owner", RETRY_AFTER_S)
        if time.monotonic() > self._deadline:
            raise SourceUnavailable(
                self._source, f"the download took more than {self._download_s:.0f} s; try again when it is faster", 60.0
            )
        self._on_progress(min(1.0, self._received_bytes / self._promised_bytes))


def with_retries(settings: SourceSettings, ask: Callable[[], Result]) -> Result:
    """The answer, after at most `attempts` tries while the errors are of the passing kind."""
    for attempt in range(settings.attempts):
        try:
            return ask()
        except SourceUnavailable as error:
            if error.retry_after_s is None or attempt + 1 == settings.attempts:
                raise
            time.sleep(settings.pause_s * 2**attempt)
    raise AssertionError("the last attempt returns or raises")
