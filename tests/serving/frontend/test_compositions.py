"""Several adapters in one request: an adapter of its own to the engine, from its bytes to its end."""

import asyncio
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from serving.adapters.digests import TEMPLATE_FILE
from serving.errors import AdapterIncompatible, InvalidRequest, ModelNotFound
from serving.service import Service
from serving.types import ChatMessage, ChatPrompt
from tests.serving.asking import ask, prepare, start
from tests.serving.conftest import Folders, StartService
from tests.serving.tiny import save_adapter

PROMPT = list(range(10, 40))


def greedy_by_peft(folders: Folders, weights: dict[str, float], tokens: int) -> list[int]:
    model = AutoModelForCausalLM.from_pretrained(folders.base, dtype=torch.float32)
    first, *others = weights
    adapted = PeftModel.from_pretrained(model, folders.adapters[first], adapter_name=first)
    for name in others:
        adapted.load_adapter(folders.adapters[name], adapter_name=name)
    adapted.add_weighted_adapter(list(weights), list(weights.values()), "sum", combination_type="cat")
    adapted.set_adapter("sum")
    ids = torch.tensor([PROMPT])
    with torch.inference_mode():
        for _ in range(tokens):
            ids = torch.cat([ids, adapted(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
    return ids[0, len(PROMPT) :].tolist()


async def test_a_sum_says_what_peft_s_weighted_adapter_says(service: Service, folders: Folders) -> None:
    both, weighted = await asyncio.gather(ask(service, "a0+a1", PROMPT), ask(service, "a0*0.7+a1*0.3", PROMPT))

    assert both.tokens == greedy_by_peft(folders, {"a0": 1.0, "a1": 1.0}, 16)
    assert weighted.tokens == greedy_by_peft(folders, {"a0": 0.7, "a1": 0.3}, 16)
    assert both.tokens != weighted.tokens


async def test_it_is_loaded_once_however_many_ask_and_however_they_write_it(service: Service) -> None:
    answers = await asyncio.gather(
        *(ask(service, model, PROMPT) for model in ("a0+a1", "a1+a0", "a0*1+a1*1.0", "a0+a1"))
    )

    assert len({tuple(answer.tokens) for answer in answers}) == 1
    assert service.stats().loads == 1
    assert service.stats().adapters_resident == 1


async def test_it_takes_bytes_of_the_budget_and_is_evicted_like_any_adapter(
    start_service: StartService, folders: Folders
) -> None:
    probe = await start_service()
    card = await probe.add_adapter("a0", f"file:{folders.adapters['a0']}")
    await probe.close()
    service = await start_service(adapter_device_bytes=2 * card.adapter_bytes)
    for name in ("a0", "again"):
        await service.add_adapter(name, f"file:{folders.adapters['a0']}")

    await ask(service, "a0+again", PROMPT)
    used_by_sum = service.stats().adapter_used_bytes
    await ask(service, "a0", PROMPT)

    assert card.adapter_bytes < used_by_sum <= 2 * card.adapter_bytes
    assert service.stats().adapter_used_bytes == card.adapter_bytes
    assert service.stats().evictions == 1


async def test_its_prefix_is_its_own(service: Service) -> None:
    alone = await ask(service, "a0", PROMPT)
    first, again = await ask(service, "a0+a1", PROMPT), await ask(service, "a1+a0", PROMPT)

    assert (first.end.usage.cached_tokens, again.end.usage.cached_tokens) == (0, 16)
    assert first.tokens == again.tokens != alone.tokens


async def test_removing_a_part_waits_for_the_sum_frees_it_and_ends_its_name(service: Service) -> None:
    running = await start(service, "a0+a1", PROMPT, 40)
    await running.__anext__()
    await ask(service, "a1", PROMPT)

    removing = asyncio.ensure_future(service.remove_adapter("a0"))
    await asyncio.sleep(0)
    with pytest.raises(ModelNotFound):
        await prepare(service, "a0+a1", PROMPT, 4)
    tokens = [token async for event in running for token in event.token_ids]
    await removing

    assert len(tokens) == 39
    assert service.stats().adapters_resident == 1
    assert service.stats().adapter_used_bytes == service.model("a1").adapter_bytes


async def test_a_request_prepared_before_a_part_was_renewed_gets_what_it_asked_for(
    service: Service, folders: Folders
) -> None:
    before = await ask(service, "a0+a1", PROMPT)
    prepared = await start(service, "a0+a1", PROMPT)
    await service.add_adapter("a0", f"file:{folders.adapters['a2']}")

    after = await ask(service, "a0+a1", PROMPT)

    assert [token async for event in prepared for token in event.token_ids] == before.tokens
    assert after.tokens == greedy_by_peft(
        Folders(folders.base, {"a0": folders.adapters["a2"], "a1": folders.adapters["a1"]}), {"a0": 1.0, "a1": 1.0}, 16
    )


async def test_it_speaks_in_the_base_s_chat_template(service: Service, folders: Folders, tmp_path: Path) -> None:
    own = shutil.copytree(folders.adapters["a0"], tmp_path / "own")
    (own / TEMPLATE_FILE).write_text("{{ messages[0].content }}!")
    await service.add_adapter("own", f"file:{own}")
    messages = ChatPrompt((ChatMessage("user", "hello"),))

    ids = {name: (await service.prepare(name, messages, 4)).prompt_ids for name in ("own", "own+a1", service.base_name)}

    assert ids["own+a1"] == ids[service.base_name] != ids["own"]


async def test_it_has_a_card(service: Service) -> None:
    card = service.model("a0*0.5+a1")

    assert (card.name, card.source) == ("a0*0.5+a1", "composition")
    assert card.rank == sum(service.model(name).rank for name in ("a0", "a1"))
    assert card.adapter not in {service.model(name).adapter for name in ("a0", "a1")}


async def test_its_use_is_the_use_of_its_parts(service: Service) -> None:
    await ask(service, "a0*0.5+a1", PROMPT)

    used = {card.name for card in service.models() if card.last_used_at is not None}

    assert used == {"a0", "a1"}


async def test_what_cannot_be_added_up_is_refused_with_its_reason(
    service: Service, folders: Folders, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = save_adapter(tmp_path_factory.mktemp("dora"), folders.base, "dora")
    await service.add_adapter("dora", f"file:{folder}")

    with pytest.raises(AdapterIncompatible, match="use_dora"):
        await prepare(service, "a0+dora", PROMPT, 4)
    with pytest.raises(ModelNotFound, match="nobody"):
        await prepare(service, "a0+nobody", PROMPT, 4)
    with pytest.raises(ModelNotFound):
        await prepare(service, f"a0+{service.base_name}", PROMPT, 4)
    with pytest.raises(InvalidRequest, match="weight"):
        await prepare(service, "a0*x", PROMPT, 4)


async def test_a_node_that_charges_refuses_it(start_service: StartService, folders: Folders) -> None:
    service = await start_service(compositions=False)
    for name in ("a0", "a1"):
        await service.add_adapter(name, f"file:{folders.adapters[name]}")

    with pytest.raises(AdapterIncompatible, match="no split"):
        service.resolve("a0+a1")
    with pytest.raises(AdapterIncompatible, match="no split"):
        await prepare(service, "a0*0.5+a1", PROMPT, 4)


async def test_an_activated_adapter_needs_its_invocation_in_the_prompt(
    service: Service, folders: Folders, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = save_adapter(tmp_path_factory.mktemp("activated"), folders.base, "activated")
    await service.add_adapter("activated", f"file:{folder}")

    with pytest.raises(InvalidRequest, match="alora_invocation_tokens"):
        await prepare(service, "activated", PROMPT, 4)
    base = await ask(service, service.base_name, [*PROMPT, 7, 8, 7])
    answer = await ask(service, "activated", [*PROMPT, 7, 8, 7])

    assert base.tokens != answer.tokens
    assert answer.end.usage.cached_tokens == 16
