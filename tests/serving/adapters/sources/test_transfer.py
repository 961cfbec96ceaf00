"""A transfer is bounded in bytes, time and attempts, and reports how far it is."""

import pytest

from serving.adapters.sources.source import SourceSettings
from serving.adapters.sources.transfer import Transfer, with_retries
from serving.errors import SourceRefused, SourceUnavailable


def test_progress_grows_to_one_and_never_beyond() -> None:
    seen: list[float] = []
    transfer = Transfer("x", 10, SourceSettings(), seen.append)

    for nbytes in (4, 6, 5):
        transfer.received(nbytes)

    assert seen == [0.4, 1.0, 1.0]


def test_a_source_that_sends_more_than_all_attempts_need_is_stopped() -> None:
    transfer = Transfer("x", 10, SourceSettings(attempts=2, small_file_bytes=5), lambda fraction: None)
    transfer.received(25)

    with pytest.raises(SourceUnavailable, match="more than it announced"):
        transfer.received(1)


def test_a_transfer_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(SourceUnavailable, match="took more than -1 s"):
        Transfer("x", 10, SourceSettings(download_s=-1.0), lambda fraction: None).received(1)


@pytest.mark.parametrize(
    ("errors", "calls", "succeeds"),
    [
        ([], 1, True),
        ([SourceUnavailable("x", "busy", 1.0)] * 2, 3, True),
        ([SourceUnavailable("x", "busy", 1.0)] * 3, 3, False),
        ([SourceUnavailable("x", "for ever")], 1, False),
        ([SourceRefused("x", "no")], 1, False),
    ],
)
def test_only_an_error_that_may_pass_is_tried_again(errors: list[Exception], calls: int, succeeds: bool) -> None:
    made, remaining = 0, list(errors)

    def attempt() -> str:
        nonlocal made
        made += 1
        if remaining:
            raise remaining.pop(0)
        return "result"

    settings = SourceSettings(attempts=3, pause_s=0.0)
    if succeeds:
        assert with_retries(settings, attempt) == "result"
    else:
        with pytest.raises(type(errors[0])):
            with_retries(settings, attempt)
    assert made == calls
