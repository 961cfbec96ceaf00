"""The prefix cache from the outside: what usage says, and whose prompts are reused."""

import asyncio

from serving.config import ServingConfig
from serving.kv.pages import PAGE_TOKENS
from serving.service import Service
from serving.types import Usage
from tests.serving.asking import ask
from tests.serving.conftest import Folders, StartService

PROMPT = [5 + 11 * i % 300 for i in range(75)]
REUSED = (len(PROMPT) - 1) // PAGE_TOKENS * PAGE_TOKENS


async def test_a_repeated_prompt_costs_cached_tokens_and_says_the_same(service: Service) -> None:
    first = await ask(service, "a0", PROMPT, 12)
    again = await ask(service, "a0", PROMPT, 12)

    assert (again.tokens, again.text) == (first.tokens, first.text)
    assert first.end.usage == Usage(prompt_tokens=75, cached_tokens=0, output_tokens=12)
    assert again.end.usage == Usage(prompt_tokens=75 - REUSED, cached_tokens=REUSED, output_tokens=12)
    stats = service.stats()
    assert (stats.prompt_tokens_asked, stats.prompt_tokens_reused) == (150, REUSED)
    assert stats.prompt_tokens == 150 - REUSED
    assert stats.kv_used_bytes == 0 < stats.kv_kept_bytes < stats.kv_budget_bytes


async def test_models_and_tenants_asked_the_same_at_once_share_nothing_with_each_other(
    service: Service, start_service: StartService, folders: Folders, config: ServingConfig
) -> None:
    asked = [(model, tenant) for model in (service.base_name, *folders.adapters) for tenant in ("one", "two")]
    alone = {}
    for model in (service.base_name, *folders.adapters):
        other = await start_service(adapters_home=config.adapters_home)
        alone[model] = (await ask(other, model, PROMPT)).tokens

    first = await asyncio.gather(*(ask(service, model, PROMPT, tenant=tenant) for model, tenant in asked))
    again = await asyncio.gather(*(ask(service, model, PROMPT, tenant=tenant) for model, tenant in asked))

    for answers, cached in ((first, 0), (again, REUSED)):
        assert [answer.end.usage.cached_tokens for answer in answers] == [cached] * len(asked)
        assert [answer.tokens for answer in answers] == [alone[model] for model, _ in asked]


async def test_a_name_with_other_weights_begins_without_a_prefix(service: Service, folders: Folders) -> None:
    await ask(service, "a0", PROMPT)
    await service.remove_adapter("a0")
    await service.add_adapter("a0", f"file:{folders.adapters['a1']}")

    answer = await ask(service, "a0", PROMPT)
    by_its_other_name = await ask(service, "a1", PROMPT)

    assert answer.end.usage.cached_tokens == 0
    assert by_its_other_name.end.usage.cached_tokens == REUSED
    assert answer.tokens == by_its_other_name.tokens


async def test_kept_prefixes_give_way_to_requests_that_need_the_memory(start_service: StartService) -> None:
    service = await start_service(kv_bytes=1 << 17)

    for i in range(12):
        answer = await ask(service, service.base_name, [5 + i] * 60, 60)
        assert answer.end.usage.output_tokens == 60

    stats = service.stats()
    assert stats.kv_kept_bytes <= stats.kv_budget_bytes <= 1 << 17
