"""The service from the outside: what a caller may rely on."""

import asyncio

import pytest

from serving.engine.backbone import Backbone
from serving.errors import AdapterBusy, ContextTooLong, InvalidRequest, ModelNotFound, NotReady, Overloaded
from serving.service import Service
from serving.types import Outcome, Residency, SamplingParams, Usage
from tests.serving.asking import ask, collect, prepare, start
from tests.serving.conftest import Folders, StartService


async def test_the_base_and_each_adapter_answer_differently_and_name_themselves(service: Service) -> None:
    answers = await asyncio.gather(*(ask(service, model) for model in (service.base_name, "a0", "a1", "a2")))

    assert service.base_name == "tiny-base"
    assert len({tuple(answer.tokens) for answer in answers}) == 4
    assert all(answer.end.outcome is Outcome.FINISHED for answer in answers)


async def test_usage_counts_prompt_and_output_tokens(service: Service) -> None:
    answer = await ask(service, "a0", [7, 8, 9], 5)

    assert answer.end.usage == Usage(prompt_tokens=3, cached_tokens=0, output_tokens=5)
    assert len(answer.tokens) == 5
    assert answer.end.finish_reason == "length"


async def test_an_adapter_is_found_by_name_digest_and_base_prefix(service: Service) -> None:
    digest = service.resolve("a0").adapter

    assert digest is not None
    assert service.resolve(f"a0@{digest}").adapter == service.resolve(f"{service.base_name}:a0").adapter == digest
    assert service.resolve(service.base_name).adapter is None


async def test_one_model_is_told_as_in_the_list_of_all(service: Service) -> None:
    cards = {card.name: card for card in service.models()}

    assert {name: service.model(name) for name in cards} == cards
    assert service.has("a0")
    assert service.has(service.base_name)
    assert not service.has("a9")
    assert not service.has(f"{service.base_name}:a0")


async def test_an_earlier_version_of_a_model_is_told_by_its_digest(service: Service, folders: Folders) -> None:
    old = service.model("a0")
    await service.add_adapter("a0", f"file:{folders.adapters['a1']}")

    assert service.model(f"a0@{old.adapter}").adapter == old.adapter
    assert service.model("a0").adapter == service.model("a1").adapter


@pytest.mark.parametrize("model", ["nobody", "a0@0000000000000000", "", "../a0", "tiny-base:nobody"])
async def test_an_unknown_model_is_refused_and_never_answered_by_the_base(service: Service, model: str) -> None:
    with pytest.raises(ModelNotFound):
        await prepare(service, model, "hello", 4)


async def test_a_request_longer_than_the_context_is_refused_with_its_numbers(service: Service) -> None:
    with pytest.raises(ContextTooLong) as refusal:
        await prepare(service, "a0", [7] * 200, 100)

    assert (refusal.value.prompt_tokens, refusal.value.max_new_tokens) == (200, 100)
    assert refusal.value.context_tokens == service.context_tokens == 256


async def test_a_request_without_a_limit_may_use_the_rest_of_the_context(service: Service) -> None:
    prepared = await prepare(service, "a0", [7] * 200, None)

    assert prepared.max_new_tokens == 56


@pytest.mark.parametrize(
    "sampling",
    [
        SamplingParams(temperature=-1),
        SamplingParams(top_p=0),
        SamplingParams(top_k=-1),
        SamplingParams(stop=("",)),
        SamplingParams(min_p=float("nan")),
        SamplingParams(frequency_penalty=3),
        SamplingParams(presence_penalty=-3),
        SamplingParams(repetition_penalty=0),
        SamplingParams(min_tokens=17),
        SamplingParams(stop_token_ids=(9999,)),
        SamplingParams(logit_bias=((5, 101.0),)),
        SamplingParams(logit_bias=((5, 1.0), (5, 1.0))),
        SamplingParams(logprobs=21),
    ],
)
async def test_sampling_that_means_nothing_is_refused(service: Service, sampling: SamplingParams) -> None:
    with pytest.raises(InvalidRequest):
        await start(service, "a0", sampling=sampling)


async def test_a_parked_request_goes_on_after_extend_with_the_same_tokens(service: Service) -> None:
    whole = await ask(service, "a1", new_tokens=12)
    stream = await start(service, "a1", new_tokens=12, granted=5)
    tokens: list[int] = []

    async for event in stream:
        tokens += event.token_ids
        if event.parked:
            assert len(tokens) in {5, 9}
            await asyncio.sleep(0.05)
            assert service.stats().parked == 1
            service.extend(stream.request_id, len(tokens) + 4)

    assert tokens == whole.tokens


async def test_an_aborted_request_ends_with_its_usage_and_frees_everything(service: Service) -> None:
    stream = await start(service, "a0", [7] * 20, 230)
    first = await anext(stream)

    service.abort(stream.request_id)
    rest = await collect(stream)

    assert rest.end.outcome is Outcome.ABORTED
    assert rest.end.usage.output_tokens == len(first.token_ids) + len(rest.tokens) < 230
    await idle(service)
    assert service.stats().kv_used_bytes == 0


async def test_closing_a_stream_aborts_the_request(service: Service) -> None:
    stream = await start(service, "a0", [7] * 20, 230)
    await anext(stream)

    await stream.aclose()

    assert stream.end is not None
    assert stream.end.outcome is Outcome.ABORTED
    await idle(service)
    await service.check_integrity()


async def test_a_full_queue_refuses_before_anything_starts(start_service: StartService) -> None:
    service = await start_service(max_queue=2)
    waiting = [await start(service, service.base_name) for _ in range(2)]

    with pytest.raises(Overloaded) as refusal:
        await start(service, service.base_name)

    assert refusal.value.retry_after_s >= 1
    answers = await asyncio.gather(*map(collect, waiting))
    assert all(answer.end.outcome is Outcome.FINISHED for answer in answers)


async def test_more_requests_than_memory_holds_are_all_served_in_turn(start_service: StartService) -> None:
    service = await start_service(kv_bytes=1 << 18)

    answers = await asyncio.gather(*(ask(service, service.base_name, [7 + i] * 60, 60) for i in range(12)))

    assert all(answer.end.usage.output_tokens == 60 for answer in answers)
    assert service.stats().kv_used_bytes <= service.stats().kv_budget_bytes <= 1 << 18


async def test_a_crash_of_the_engine_ends_every_request_and_is_reported(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    streams = [await start(service, model, [7] * 9, 200) for model in ("a0", "a1", service.base_name)]
    parked = await start(service, "a2", new_tokens=9, granted=1)
    await anext(streams[0])

    def broken(backbone: object, batch: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(Backbone, "forward", broken)
    service.extend(parked.request_id, 9)
    answers = await asyncio.gather(*map(collect, [*streams, parked]))

    assert {answer.end.outcome for answer in answers} == {Outcome.FAILED}
    assert not any("memory" in (answer.end.error or "") for answer in answers)
    assert not service.is_ready
    with pytest.raises(NotReady):
        await start(service, service.base_name)


async def test_closing_aborts_what_is_in_flight(start_service: StartService) -> None:
    service = await start_service()
    stream = await start(service, service.base_name, [7] * 9, 200)

    await service.close()

    assert (await collect(stream)).end.outcome is Outcome.ABORTED


# ── adapters ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_removing_an_adapter_drains_then_frees_its_memory(service: Service) -> None:
    stream = await start(service, "a0", new_tokens=100)
    await anext(stream)
    used_bytes = service.stats().adapter_used_bytes
    removing = asyncio.create_task(service.remove_adapter("a0"))
    await asyncio.sleep(0)

    with pytest.raises(ModelNotFound):
        await start(service, "a0")
    answer = await collect(stream)
    await removing

    assert answer.end.outcome is Outcome.FINISHED
    assert used_bytes > 0 == service.stats().adapter_used_bytes
    assert [card.name for card in service.models()] == [service.base_name, "a1", "a2"]


async def test_evicting_a_busy_or_pinned_adapter_is_refused(service: Service) -> None:
    stream = await start(service, "a0", new_tokens=200)
    await anext(stream)

    with pytest.raises(AdapterBusy):
        await service.evict("a0")
    await stream.aclose()
    await service.pin("a0")
    with pytest.raises(AdapterBusy):
        await service.evict("a0")

    await service.unpin("a0")
    await service.evict("a0")
    assert service.stats().adapters_resident == 0


async def test_pinning_loads_the_adapter_before_anyone_asks(service: Service) -> None:
    await service.pin("a2")
    await until(lambda: service.stats().adapters_resident == 1)

    card = next(card for card in service.models() if card.name == "a2")
    assert (card.residency, card.pinned, card.in_flight) == (Residency.DEVICE, True, 0)


async def test_adapters_that_do_not_fit_together_are_all_served(start_service: StartService, folders: Folders) -> None:
    service = await start_service()
    cards = [await service.add_adapter(name, f"file:{folder}") for name, folder in folders.adapters.items()]
    together = {card.name: (await ask(service, card.name)).tokens for card in cards}
    small = await start_service(adapter_device_bytes=max(card.adapter_bytes for card in cards))

    answers = await asyncio.gather(*(ask(small, name) for name in [*together] * 3))

    assert [answer.tokens for answer in answers] == [*together.values()] * 3
    assert small.stats().evictions > 0


async def test_concurrent_requests_for_a_cold_adapter_load_it_once(service: Service) -> None:
    await asyncio.gather(*(ask(service, "a1", "hello", 4) for _ in range(8)))

    assert service.stats().loads == 1


async def test_a_new_version_serves_new_requests_and_the_old_one_stays_reachable(
    service: Service, folders: Folders
) -> None:
    old = service.resolve("a0").adapter
    before = await ask(service, "a0")
    other = await ask(service, "a1")

    await service.add_adapter("a0", f"file:{folders.adapters['a1']}")

    assert (await ask(service, "a0")).tokens == other.tokens
    assert (await ask(service, f"a0@{old}")).tokens == before.tokens


async def until(condition, timeout_s: float = 20) -> None:  # type: ignore[no-untyped-def]
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  (the engine's statistics have no event)
            await asyncio.sleep(0.01)


async def idle(service: Service) -> None:
    stats = service.stats
    await until(lambda: stats().running + stats().waiting + stats().loading + stats().parked == 0)
