"""A sum of adapters is one adapter: exactly the weighted sum of their products, in any order of writing."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters.blob import AdapterBlob, BlobKey
from serving.adapters.composition import MAX_PARTS, compose, digest_of, parse
from serving.adapters.digests import adapter_digest
from serving.adapters.ingest import ingest
from serving.errors import AdapterIncompatible, InvalidRequest
from serving.types import AdapterDigest
from tests.serving.adapters.test_ingest_peft import peft_deltas
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape, peft_adapter

DIGESTS = [AdapterDigest(f"{i:064x}") for i in range(3)]


def ingested(folder: Path) -> AdapterBlob:
    key = BlobKey(adapter_digest(folder), BASE_DIGEST, torch.float32)
    return ingest("test", folder, key, base_shape(), folder.parent / "blobs")


CONFIGS = {
    "a": {"r": 3, "lora_alpha": 7, "target_modules": ["q_proj", "v_proj"]},
    "b": {"r": 5, "use_rslora": True, "target_modules": ["v_proj", "down_proj"]},
    "c": {"r": 4, "target_modules": "all-linear", "rank_pattern": {"k_proj": 9}},
}


def test_the_sum_is_exactly_the_weighted_sum_of_peft_s_deltas(tmp_path: Path) -> None:
    weights = {"a": 0.7, "b": 2.5, "c": 1.0}
    deltas: dict[str, torch.Tensor] = {}
    for i, (name, config) in enumerate(CONFIGS.items()):
        for module, delta in peft_deltas(peft_adapter(tmp_path / name, seed=i, **config)).items():
            deltas[module] = deltas.get(module, 0) + weights[name] * delta
    blobs = [(ingested(tmp_path / name), weight) for name, weight in weights.items()]

    summed = compose(blobs, DIGESTS[0])

    assert summed.modules.keys() == deltas.keys()
    for module, delta in deltas.items():
        torch.testing.assert_close((summed.modules[module].a.T @ summed.modules[module].b).T, delta)
    assert summed.nbytes <= sum(blob.nbytes for blob, _ in blobs)
    assert summed.modules["layers.0.self_attn.v_proj"].rank == 3 + 5 + 4


def test_an_adapter_twice_is_twice_the_adapter(tmp_path: Path) -> None:
    peft_adapter(tmp_path / "a")
    blob = ingested(tmp_path / "a")

    summed = compose([(blob, 1.0), (blob, 1.0)], DIGESTS[0])

    for name, module in blob.modules.items():
        torch.testing.assert_close(summed.modules[name].a.T @ summed.modules[name].b, 2 * module.a.T @ module.b)


VARIANTS = {"lora_bias": True, "alora_invocation_tokens": [1, 2]}


@pytest.mark.parametrize("field", VARIANTS)
def test_what_is_more_than_a_product_has_no_sum(field: str, tmp_path: Path) -> None:
    peft_adapter(tmp_path / "plain")
    peft_adapter(tmp_path / "more", **{field: VARIANTS[field]})

    with pytest.raises(AdapterIncompatible, match="only plain LoRA and rsLoRA") as refusal:
        compose([(ingested(tmp_path / "plain"), 1.0), (ingested(tmp_path / "more"), 1.0)], DIGESTS[0])

    assert refusal.value.field == field


@given(st.permutations([(DIGESTS[0], 0.5), (DIGESTS[1], 1.0), (DIGESTS[2], 0.5)]))
def test_the_digest_does_not_depend_on_the_order(parts: list[tuple[AdapterDigest, float]]) -> None:
    assert digest_of(parts) == digest_of(sorted(parts))


def test_other_weights_or_other_parts_have_another_digest() -> None:
    a, b, _ = DIGESTS
    sums = [[(a, 1.0)], [(a, 0.5)], [(a, 1.0), (b, 1.0)], [(a, 1.0), (b, 0.5)], [(a, 0.5), (b, 1.0)], [(a, 1.0)] * 2]

    assert len({digest_of(parts) for parts in sums} | set(DIGESTS)) == len(sums) + len(DIGESTS)


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("a", None),
        ("org/a@0123456789ab", None),
        ("a+b", (("a", 1.0), ("b", 1.0))),
        ("a*0.7+base:b@0123456789ab*30", (("a", 0.7), ("base:b@0123456789ab", 30.0))),
        ("a*0.5", (("a", 0.5),)),
    ],
)
def test_a_sum_is_written_with_plus_and_times(model: str, parts: tuple[tuple[str, float], ...] | None) -> None:
    assert parse(model) == parts


WRONG = [
    "+",
    "a+",
    "+a",
    "*2",
    "a*",
    "a*0",
    "a*-1",
    "a*1e3",
    "a*nan",
    "a*101",
    "a*1*2",
    "a*0.5 + b",
    "a*.5",
    "a*1.",
    "a*٣",
]


@pytest.mark.parametrize("model", [*WRONG, "+".join("a" * (MAX_PARTS + 1))])
def test_a_sum_that_means_nothing_is_refused_by_the_field(model: str) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        parse(model)

    assert refusal.value.param == "model"
