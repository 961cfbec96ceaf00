"""Exponential backoff of one source, which no other source feels."""

import pytest

from serving.adapters.backoff import Backoff
from serving.errors import SourceUnavailable


def test_a_source_is_left_alone_longer_after_every_failure() -> None:
    now = 0.0
    backoff = Backoff(lambda: now, longest_s=8.0)
    waits = []
    for _ in range(6):
        backoff.failed("hf:a/b", SourceUnavailable("hf:a/b", "down"))
        with pytest.raises(SourceUnavailable, match="last with: hf:a/b is unavailable: down") as refusal:
            backoff.check("hf:a/b")
        waits.append(refusal.value.retry_after_s)
        backoff.check("hf:another/one")
        now += waits[-1] or 0.0
        backoff.check("hf:a/b")

    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    backoff.worked("hf:a/b")
    assert backoff.failures() == {}
    backoff.failed("hf:a/b", SourceUnavailable("hf:a/b", "down"))
    assert backoff.failures()["hf:a/b"].times == 1
