"""The error table, its documentation, and what leaks from an unexpected failure."""

import re
from pathlib import Path

import httpx2
import pytest

from contracts.crypto import Bytes32
from node.api.errors import (
    INTERNAL,
    TABLE,
    ApiError,
    Fault,
    UnsupportedField,
    answer,
    fault_of,
    openai_body,
    problem_body,
)
from node.chain.errors import ChainError
from node.dev.starter import BASE_NAME
from node.payments.errors import NonceUsed, PaymentError, PriceUnknown, SettlementUnknown, VoucherStale
from node.process.http_connection import REFUSALS
from node.settlement.errors import SettlementError
from node.store.errors import StoreError
from serving.errors import AdapterBusy, BaseModelUnusable, Overloaded, ServingError

DOCS = Path(__file__).parents[3] / "docs" / "errors.md"


def all_subclasses(cls: type[Exception]) -> set[type[Exception]]:
    return set(cls.__subclasses__()).union(*(all_subclasses(sub) for sub in cls.__subclasses__()))


def test_every_code_is_documented_with_status_cause_and_fix() -> None:
    entries = dict(re.findall(r"^## (\w+)\n\n(.+?)(?=^## |\Z)", DOCS.read_text(), re.S | re.M))
    wanted = {fault.code: fault.status for fault in (*TABLE, INTERNAL, *REFUSALS)}

    assert entries.keys() == wanted.keys()
    for code, text in entries.items():
        assert text.startswith(f"{wanted[code]}. *Cause:* "), code
        assert "*Fix:*" in text, code


def test_one_code_has_one_status_and_one_title() -> None:
    faces: dict[str, set[tuple[int, str]]] = {}
    for fault in TABLE:
        faces.setdefault(fault.code, set()).add((fault.status, fault.title))

    assert all(len(face) == 1 for face in faces.values())


@pytest.mark.parametrize("base", [ServingError, PaymentError, SettlementError, ChainError, StoreError, ApiError])
def test_every_error_class_of_our_packages_is_in_the_table(base: type[Exception]) -> None:
    assert all(fault_of_class(cls) is not INTERNAL for cls in all_subclasses(base))


def fault_of_class(cls: type[Exception]) -> Fault:
    return fault_of(cls.__new__(cls))


def test_the_text_of_an_unexpected_error_is_not_sent() -> None:
    reply = answer(RuntimeError("password is hunter2 in /srv/secret"))

    assert (reply.status, reply.code) == (500, "internal_error")
    assert "hunter2" not in str(openai_body(reply)) + str(problem_body(reply, "r-1"))


@pytest.mark.parametrize("seconds", [0.2, 7.0])
def test_a_full_queue_says_when_to_come_back(seconds: float) -> None:
    reply = answer(Overloaded(seconds))

    assert reply.status == 429
    assert reply.headers["Retry-After"] == str(max(1, round(seconds)))


KEY = Bytes32(bytes(32))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (NonceUsed(KEY, 1), "false"),
        (VoucherStale(1, 0, 1, 1), "false"),
        (PriceUnknown(KEY), "false"),
        (BaseModelUnusable("It is gone."), "false"),
        (AdapterBusy("a", "is in use"), None),
        (SettlementUnknown(KEY, "0x00"), None),
        (Overloaded(1.0), None),
        (RuntimeError("x"), None),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_that_a_retry_meets_again_says_so(error: Exception, says: str | None) -> None:
    assert answer(error).headers.get("X-Should-Retry") == says


def test_both_bodies_carry_the_same_code() -> None:
    reply = answer(Overloaded(1.0))

    assert openai_body(reply)["error"]["code"] == problem_body(reply, "r-1")["code"] == "overloaded"  # type: ignore[index]


def test_only_an_optional_field_is_to_be_left_out() -> None:
    assert "Leave it out." in str(UnsupportedField("tools", optional=True))
    assert "Leave it out" not in str(UnsupportedField("prompt", "one prompt per request is supported"))


@pytest.mark.parametrize(
    ("change", "optional"),
    [
        ({"prompt": ["one", "two"]}, False),
        ({"response_format": {"type": "regex"}}, False),
        ({"guided_regex": "x"}, True),
        ({"suffix": "x"}, True),
    ],
    ids=["a value of a required field", "a value of a served field", "an unknown field", "a field that is off"],
)
def test_a_refusal_advises_to_leave_out_only_what_may_be_left_out(
    http: httpx2.Client, change: dict[str, object], optional: bool
) -> None:
    refused = http.post("/v1/completions", json={"model": BASE_NAME, "prompt": "Hi", "max_tokens": 1} | change)

    assert refused.json()["error"]["code"] == "unsupported_field"
    assert ("Leave it out." in refused.json()["error"]["message"]) is optional
