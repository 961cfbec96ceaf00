"""Bounds on a transfer from a remote source: bytes, seconds and attempts."""

import time
from collections.abc import Callable
from typing import TypeVar

from serving.adapters.sources.source import Progress, SourceSettings
from serving.errors import SourceUnavailable

RETRY_AFTER_S = 5.0
Result = TypeVar("Result")


class Transfer:
    """Counts the bytes of one adapter as they arrive, and stops a transfer that sends too much or takes too long.

    A broken transfer is resumed as long as some bytes arrive each time, so it needs this bound to end.
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
        """Counts `nbytes` more. Raises SourceUnavailable if a bound is passed."""
        self._received_bytes += max(nbytes, 0)
        if self._received_bytes > self._limit_bytes:
            raise SourceUnavailable(self._source, "it sends more than it announced; ask its owner", RETRY_AFTER_S)
        if time.monotonic() > self._deadline:
            raise SourceUnavailable(
                self._source,
                f"the download took more than {self._download_s:.0f} s; try again when the connection is faster",
                60.0,
            )
        self._on_progress(min(1.0, self._received_bytes / self._promised_bytes))


def with_retries(settings: SourceSettings, attempt: Callable[[], Result]) -> Result:
    """The result of `attempt`, called up to `settings.attempts` times while it raises a SourceUnavailable that may
    pass.
    """
    for count in range(settings.attempts):
        try:
            return attempt()
        except SourceUnavailable as error:
            if error.retry_after_s is None or count + 1 == settings.attempts:
                raise
            time.sleep(settings.pause_s * 2**count)
    raise AssertionError("the last attempt returns or raises")
