"""What `prepare` decides: the model once, the tokens, the limits, and every check."""

import pytest

from serving.errors import ContextTooLong, InvalidRequest
from serving.service import Service
from serving.types import SamplingParams, TextPrompt, TokenPrompt
from tests.serving.asking import collect, prepare
from tests.serving.conftest import Folders
from tests.serving.test_service import start


async def test_a_resolved_model_is_what_its_name_meant_then(service: Service, folders: Folders) -> None:
    model = service.resolve("a0")
    await service.add_adapter("a0", f"file:{folders.adapters['a1']}")

    prepared = await service.prepare(model, TextPrompt("the cat"), 4)

    assert prepared.model == model
    assert prepared.adapter != service.resolve("a0").adapter == service.resolve("a1").adapter


async def test_preparing_by_name_and_by_what_it_means_is_the_same(service: Service) -> None:
    prompt = TokenPrompt((7, 8, 9))

    assert await service.prepare("a0", prompt, 4) == await service.prepare(service.resolve("a0"), prompt, 4)


async def test_a_composition_knows_its_parts_and_the_bytes_of_both(service: Service) -> None:
    cards = {card.name: card for card in service.models()}

    model = service.resolve("a0*0.7+a1*0.3")

    assert [(part.name, part.weight) for part in model.parts] == [("a0", 0.7), ("a1", 0.3)]
    assert model.is_composition
    assert model.adapter_bytes == cards["a0"].adapter_bytes + cards["a1"].adapter_bytes
    assert not service.resolve("a0").is_composition
    assert not service.resolve(service.base_name).is_composition


async def test_sampling_is_checked_against_the_tokens_that_the_context_leaves(service: Service) -> None:
    with pytest.raises(InvalidRequest, match="which is 56"):
        await prepare(service, "a0", [7] * 200, None, SamplingParams(min_tokens=57))


async def test_too_long_texts_are_refused_before_they_are_tokenised(service: Service) -> None:
    with pytest.raises(ContextTooLong):
        await prepare(service, "a0", "x" * 64 * 257, 4)


async def test_what_prepare_decided_is_what_runs(service: Service, folders: Folders) -> None:
    stream = await start(service, "a0", [7, 8, 9], 5)

    answer = await collect(stream)

    assert stream.model == "a0"
    assert answer.end.usage.prompt_tokens == 3
