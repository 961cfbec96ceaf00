"""Answers that are kept for requests that come again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.crypto import keccak
from node.api.errors import IdempotencyKeyReused, InvalidBody
from node.api.replays import Answer, Claim, Replays
from node.metering.checkout import Caller, HttpCall
from node.payments.authentication import VerifiedVoucher
from node.payments.bounds import Bounds
from tests.node.payments.payer import Payer
from tests.node.payments.shop import RECEIVER

HASH, OTHER = keccak(b"a body"), keccak(b"another body")
ANSWER = Answer({"PAYMENT-RESPONSE": "x"}, "application/json", b"{}")


def caller(voucher_max: int = 5, *, key: str | None = None, payment_id: str | None = None, tenant: str = "t") -> Caller:
    headers = {"idempotency-key": key} if key is not None else {}
    signed = Payer(RECEIVER).voucher(voucher_max)
    consent = VerifiedVoucher(signed, keccak(b"%d" % voucher_max), None, payment_id)
    return Caller(tenant, HttpCall("POST", "/", headers, b"", "host"), Bounds(1, 1), consent)


async def claimed(replays: Replays, by: Caller) -> Claim:
    claim = await replays.claim(by, HASH)
    assert isinstance(claim, Claim)
    return claim


async def test_the_same_consent_for_the_same_bytes_gets_the_same_answer() -> None:
    replays = Replays()
    replays.keep(await claimed(replays, caller()), ANSWER)

    assert await replays.claim(caller(), HASH) == ANSWER
    assert isinstance(await replays.claim(caller(), OTHER), Claim)
    assert isinstance(await replays.claim(caller(6), HASH), Claim)


@pytest.mark.parametrize("name", [{"key": "mine"}, {"payment_id": "pay_0123456789abcdef"}])
async def test_a_named_request_gets_the_same_answer_under_another_signature(name: dict[str, str]) -> None:
    replays = Replays()
    replays.keep(await claimed(replays, caller(5, **name)), ANSWER)  # type: ignore[arg-type]  # one name each

    assert await replays.claim(caller(6, **name), HASH) == ANSWER  # type: ignore[arg-type]
    with pytest.raises(IdempotencyKeyReused):
        await replays.claim(caller(6, **name), OTHER)  # type: ignore[arg-type]
    assert isinstance(await replays.claim(caller(5, tenant="another", **name), HASH), Claim)  # type: ignore[arg-type]


async def test_a_request_that_is_being_answered_is_waited_for() -> None:
    replays = Replays()
    first = await claimed(replays, caller())
    again = [asyncio.create_task(replays.claim(caller(), HASH)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in again)

    replays.keep(first, ANSWER)

    assert await asyncio.gather(*again) == [ANSWER] * 3


async def test_after_a_failure_exactly_one_of_those_who_wait_tries_again() -> None:
    replays = Replays()
    first = await claimed(replays, caller())
    again = [asyncio.create_task(replays.claim(caller(), HASH)) for _ in range(3)]
    await asyncio.sleep(0)

    replays.forget(first)
    await asyncio.sleep(0.01)

    (second,) = [task.result() for task in again if task.done()]
    assert isinstance(second, Claim)
    replays.keep(second, ANSWER)
    assert [answer for answer in await asyncio.gather(*again) if answer != ANSWER] == [second]


async def test_answers_are_bounded_in_bytes_and_time() -> None:
    replays = Replays(most_bytes=5)
    for number in range(3):
        replays.keep(await claimed(replays, caller(number)), ANSWER)
    brief = Replays(lifetime_s=0)
    brief.keep(await claimed(brief, caller()), ANSWER)

    kept = [isinstance(await replays.claim(caller(number), HASH), Answer) for number in range(3)]

    assert kept == [False, True, True]
    assert isinstance(await brief.claim(caller(), HASH), Claim)


@pytest.mark.parametrize("whole", [True, False])
async def test_only_a_stream_that_was_completed_is_kept(whole: bool) -> None:
    async def lines() -> AsyncIterator[bytes]:
        yield b"data: {}\n\n"
        yield b"data: [DONE]\n\n" if whole else b'data: {"error":{}}\n\n'

    replays = Replays()
    sent = [line async for line in replays.recorded(await claimed(replays, caller()), lines(), {}, "text/event-stream")]
    again = await replays.claim(caller(), HASH)

    assert isinstance(again, Answer) == whole
    if isinstance(again, Answer):
        assert again.body == b"".join(sent)


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidBody):
        await Replays().claim(caller(key=key), HASH)
