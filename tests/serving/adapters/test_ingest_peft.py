"""The law of ingest: for every served variant, a @ b of the blob is the transpose of PEFT's own delta weight."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import PeftModel

from serving.adapters.blob import BlobKey, open_blob
from serving.adapters.digests import adapter_digest
from serving.adapters.ingest import ingest
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape, llama, peft_adapter

pytestmark = pytest.mark.filterwarnings("ignore:The following (rank|alpha)_pattern keys did not match")

VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "alpha is not a multiple of r": {"r": 3, "lora_alpha": 7},
    "rank 1": {"r": 1, "lora_alpha": 1},
    "rank above both sides": {"r": 64, "lora_alpha": 16},
    "negative alpha": {"lora_alpha": -5},
    "rsLoRA": {"r": 6, "use_rslora": True},
    "all-linear": {"target_modules": "all-linear"},
    "all-linear without some": {
        "target_modules": "all-linear",
        "exclude_modules": ["down_proj", "layers.1.mlp.up_proj"],
    },
    "a regular expression": {"target_modules": r".*layers\.1\..*(q|o)_proj"},
    "excluded by regular expression": {"exclude_modules": r".*\.0\..*"},
    "full names": {"target_modules": ["model.layers.0.self_attn.q_proj", "mlp.up_proj"]},
    "some layers": {"layers_to_transform": [1]},
    "one layer as a number": {"layers_to_transform": 0, "layers_pattern": "layers"},
    "rank by suffix": {"rank_pattern": {"q_proj": 7}},
    "rank by part of the name": {"rank_pattern": {"layers.1.self_attn.q_proj": 2}},
    "rank by anchored name": {"rank_pattern": {"^model.layers.0.self_attn.v_proj": 5}},
    "rank by regular expression, first wins": {"rank_pattern": {r"layers\.\d\.self_attn\.(q|v)_proj": 3, "q_proj": 9}},
    "a suffix must start at a dot": {"rank_pattern": {"proj": 9, "_proj": 9}},
    "alpha by pattern": {"alpha_pattern": {"v_proj": 3, "^model.layers.0.self_attn.q_proj$": 11}},
    "rank and alpha by pattern, rsLoRA": {
        "use_rslora": True,
        "rank_pattern": {"q_proj": 9},
        "alpha_pattern": {"q_proj": 5},
    },
    "gaussian start": {"init_lora_weights": "gaussian"},
    "dropout in training": {"lora_dropout": 0.1},
}


def blob_of(folder: Path, blobs: Path, dtype: torch.dtype = torch.float32):
    key = BlobKey(adapter_digest(folder), BASE_DIGEST, dtype)
    return ingest("test", folder, key, base_shape(), blobs)


def peft_deltas(model) -> dict[str, torch.Tensor]:
    """short module name → PEFT's delta weight: [d_out, d_in]."""
    prefix = "base_model.model.model."
    return {
        name.removeprefix(prefix): module.get_delta_weight("default").detach()
        for name, module in model.named_modules()
        if hasattr(module, "get_delta_weight")
    }


def assert_same_adapter(blob, model) -> None:
    deltas = peft_deltas(model)
    assert blob.modules.keys() == deltas.keys()
    for name, delta in deltas.items():
        module = blob.modules[name]
        rounding = 1e-5 * max(1.0, float(delta.abs().max()))  # both sides round in fp32, in proportion to their terms
        torch.testing.assert_close((module.a.T @ module.b).T, delta, rtol=1e-5, atol=rounding)


@pytest.mark.parametrize("config", VARIANTS.values(), ids=VARIANTS.keys())
def test_a_blob_holds_exactly_what_peft_would_apply(config: dict[str, Any], tmp_path: Path) -> None:
    model = peft_adapter(tmp_path / "adapter", **config)

    blob = blob_of(tmp_path / "adapter", tmp_path / "blobs")

    assert_same_adapter(blob, model)


SUFFIXES = ["q_proj", "v_proj", "o_proj", "down_proj", "gate_proj", "layers.1.mlp.up_proj", r".*\.0\..*k_proj"]
RANKS = st.integers(1, 24)
PATTERNS = st.dictionaries(st.sampled_from([*SUFFIXES, "proj", r"layers\.\d+\.mlp\.\w+", "^model.layers.0"]), RANKS)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    targets=st.sets(st.sampled_from(SUFFIXES[:6]), min_size=1),
    r=RANKS,
    alpha=st.integers(1, 64),
    use_rslora=st.booleans(),
    rank_pattern=PATTERNS,
    alpha_pattern=PATTERNS,
    layers=st.sampled_from([None, [0], [1], [0, 1]]),
)
def test_any_mix_of_ranks_alphas_and_patterns_agrees_with_peft(
    targets: set[str],
    r: int,
    alpha: int,
    use_rslora: bool,
    rank_pattern: dict[str, int],
    alpha_pattern: dict[str, int],
    layers: list[int] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if targets == {"layers.1.mlp.up_proj"}:
        layers = None  # with layer 0 only, PEFT itself has nothing to adapt
    home = tmp_path_factory.mktemp("mix")
    model = peft_adapter(
        home / "adapter",
        r=r,
        lora_alpha=alpha,
        target_modules=sorted(targets),
        use_rslora=use_rslora,
        rank_pattern=dict(sorted(rank_pattern.items())),  # the order in which PEFT saves, and so loads, them
        alpha_pattern=dict(sorted(alpha_pattern.items())),
        layers_to_transform=layers,
    )

    blob = blob_of(home / "adapter", home / "blobs")

    assert_same_adapter(blob, model)


def test_when_two_patterns_match_the_order_in_the_file_decides_as_when_peft_loads_it(tmp_path: Path) -> None:
    peft_adapter(tmp_path / "adapter", alpha_pattern={"q_proj": 2, "layers.0.self_attn.q_proj": 64})  # saved sorted

    blob = blob_of(tmp_path / "adapter", tmp_path / "blobs")

    assert_same_adapter(blob, PeftModel.from_pretrained(llama(), tmp_path / "adapter"))


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_bf16_is_rounded_once_from_the_fp32_product(stored: torch.dtype, tmp_path: Path) -> None:
    model = peft_adapter(tmp_path / "adapter", dtype=stored, r=3, lora_alpha=7)
    layer = model.base_model.model.model.layers[1].self_attn.v_proj

    blob = blob_of(tmp_path / "adapter", tmp_path / "blobs", torch.bfloat16)

    module = blob.modules["layers.1.self_attn.v_proj"]
    stored_b, stored_a = (getattr(layer, f"lora_{matrix}")["default"].weight.detach().float() for matrix in "BA")
    assert torch.equal(module.a, stored_a.to(torch.bfloat16))
    assert torch.equal(module.b, (stored_b * (7 / 3)).T.to(torch.bfloat16))


def test_a_blob_is_one_block_and_its_layers_are_views_of_it(tmp_path: Path) -> None:
    peft_adapter(tmp_path / "adapter", target_modules="all-linear", rank_pattern={"q_proj": 3})

    blob = blob_of(tmp_path / "adapter", tmp_path / "blobs", torch.bfloat16)

    start, end = blob.payload.data_ptr(), blob.payload.data_ptr() + blob.nbytes
    assert list(blob.modules) == list(base_shape().modules)
    for module in blob.modules.values():
        for matrix in (module.a, module.b):
            assert matrix.is_contiguous()
            assert matrix.data_ptr() % 64 == 0
            assert start <= matrix.data_ptr() < matrix.data_ptr() + matrix.nbytes <= end


def test_a_copy_of_the_payload_gives_the_same_layers(tmp_path: Path) -> None:
    peft_adapter(tmp_path / "adapter", target_modules="all-linear")
    blob = blob_of(tmp_path / "adapter", tmp_path / "blobs", torch.bfloat16)

    copies = blob.views(blob.payload.clone())

    assert copies.keys() == blob.modules.keys()
    for name, copy in copies.items():
        assert torch.equal(copy.a, blob.modules[name].a)
        assert torch.equal(copy.b, blob.modules[name].b)


def test_a_blob_stays_readable_after_its_file_is_removed(tmp_path: Path) -> None:
    model = peft_adapter(tmp_path / "adapter")
    blob = blob_of(tmp_path / "adapter", tmp_path / "blobs")

    for file in (tmp_path / "blobs").iterdir():
        file.unlink()

    assert_same_adapter(blob, model)


def test_a_stored_blob_opens_again_without_the_adapter(tmp_path: Path) -> None:
    model = peft_adapter(tmp_path / "adapter")
    key = BlobKey(adapter_digest(tmp_path / "adapter"), BASE_DIGEST, torch.float32)
    ingest("test", tmp_path / "adapter", key, base_shape(), tmp_path / "blobs")

    assert_same_adapter(open_blob(tmp_path / "blobs", key), model)
