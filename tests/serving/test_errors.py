"""The errors of `serving`: values as attributes, and a message that says what to do."""

from pathlib import Path

import pytest

from serving import errors
from serving.errors import ServingError

SAMPLES: list[tuple[ServingError, dict[str, object], str]] = [
    (errors.ModelNotFound("x"), {"model": "x"}, "GET /v1/models lists"),
    (errors.InvalidRequest("stop", "is empty"), {"param": "stop", "problem": "is empty"}, "stop: is empty"),
    (errors.NameTaken("x", "is served already"), {"name": "x", "param": "name"}, "'x' is served already; give another"),
    (errors.ContextTooLong(9, 5, 12), {"prompt_tokens": 9, "max_new_tokens": 5, "context_tokens": 12}, "Shorten"),
    (errors.ChatTemplateFailed("It took 2 s."), {"reason": "It took 2 s."}, "It took 2 s."),
    (errors.AdapterIncompatible("x", "r", "is 0"), {"adapter": "x", "field": "r", "reason": "is 0"}, "r: is 0"),
    (errors.AdapterCorrupt("x", "f", "is cut"), {"adapter": "x", "file": "f", "reason": "is cut"}, "f: is cut"),
    (errors.SourceUnavailable("hf:x", "down", 2.0), {"source": "hf:x", "retry_after_s": 2.0}, "hf:x is unavailable"),
    (errors.SourceRefused("x", "write hf:"), {"source": "x", "reason": "write hf:"}, "write hf:"),
    (errors.AdapterBusy("x@ab", "is pinned. Unpin it."), {"adapter": "x@ab"}, "Adapter x@ab is pinned. Unpin it."),
    (errors.Overloaded(3.0), {"retry_after_s": 3.0}, "Try again in 3 s"),
    (errors.DeadlinePassed(1.5), {"waited_s": 1.5}, "waited 1.5 s"),
    (errors.NotReady("It stops."), {"reason": "It stops."}, "It stops."),
    (errors.BaseModelUnusable("No folder."), {"reason": "No folder."}, "No folder."),
    (
        errors.StorageFailed("write", Path("/x"), "disk full", "Free some space."),
        {"path": Path("/x"), "reason": "disk full", "fix": "Free some space."},
        "Cannot write /x: disk full. Free some space.",
    ),
]


@pytest.mark.parametrize(("error", "values", "words"), SAMPLES, ids=lambda each: type(each).__name__)
def test_an_error_carries_its_values_and_says_what_to_do(
    error: ServingError, values: dict[str, object], words: str
) -> None:
    assert {name: getattr(error, name) for name in values} == values
    assert words in str(error)


def test_every_error_has_a_sample() -> None:
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ServingError)]

    assert {type(error) for error, _, _ in SAMPLES} == set(classes) - {ServingError}
    assert issubclass(errors.NameTaken, errors.InvalidRequest)  # so that it has the same status and code
