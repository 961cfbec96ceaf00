"""Logs for the operator: one event per line on stderr, in the past tense, without secrets and prompts."""

import logging
import sys
from contextlib import suppress
from typing import Literal, TextIO, cast

import structlog

from node.redaction import NOTHING_SECRET, Redactor


class _Stderr:
    """The standard error stream at the time of writing.

    A line that cannot be written (full disk, closed pipe) is lost, so that the work it reports does not fail.
    """

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


class _RedactingFormatter(logging.Formatter):
    """Formats the records of libraries, tracebacks included, without the secrets of configured URLs."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(levelname)s %(name)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(super().format(record))


def configure(level: str, form: Literal["text", "json"], redact: Redactor = NOTHING_SECRET) -> None:
    """Sends our events and the records of libraries to stderr, each line through `redact`."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, renderer, lambda _, __, line: redact(str(line))],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, _Stderr())),  # only write and flush are used
        cache_logger_on_first_use=False,
    )
    to_stderr = logging.StreamHandler(cast(TextIO, _Stderr()))
    to_stderr.setFormatter(_RedactingFormatter(redact))
    logging.basicConfig(handlers=[to_stderr], level=max(threshold, logging.WARNING))
