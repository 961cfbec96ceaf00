"""Weights that are not exactly what the config says are refused, and a refused or interrupted ingest leaves nothing."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from serving.adapters.blob import AdapterBlob, BlobKey
from serving.adapters.digests import adapter_digest
from serving.adapters.ingest import ingest
from serving.errors import AdapterCorrupt, AdapterIncompatible, StorageFailed
from tests.serving.adapters.tiny import BASE_DIGEST, base_shape, weights, write_adapter

Q0 = "base_model.model.model.layers.0.self_attn.q_proj"
WEIGHTS = "adapter_model.safetensors"


def key_of(folder: Path) -> BlobKey:
    return BlobKey(adapter_digest(folder), BASE_DIGEST, torch.float32)


def ingest_it(folder: Path) -> AdapterBlob:
    return ingest("test", folder, key_of(folder), base_shape(), folder.parent / "blobs")


def assert_no_blob(folder: Path) -> None:
    blobs = folder.parent / "blobs"
    assert not blobs.exists() or not list(blobs.iterdir())


def changed(**tensors: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The good weights with some replaced or, for None, left out; A and B of layer 0's q_proj are `a` and `b`."""
    names = {"a": f"{Q0}.lora_A.weight", "b": f"{Q0}.lora_B.weight"}
    merged: dict[str, torch.Tensor | None] = {**weights(), **{names.get(n, n): tensor for n, tensor in tensors.items()}}
    return {name: tensor for name, tensor in merged.items() if tensor is not None}


NAN_A = torch.full((2, 32), 1.0).index_fill(1, torch.tensor([3]), float("nan"))
INCOMPATIBLE = {
    "one of the two matrices is missing": (changed(b=None), "1 of their tensors are not in the weights"),
    "a layer is missing": (changed(a=None, b=None), "2 of their tensors are not in the weights"),
    "no layer is there": ({"other": torch.ones(1)}, "4 of their tensors are not in the weights"),
    "the keys have another prefix": (
        {name.replace("model.model.", "model.", 1): tensor for name, tensor in weights().items()},
        "instead there is 'base_model.model.layers",
    ),
    "a layer too many": (
        changed(**{Q0.replace("q_", "k_") + ".lora_A.weight": torch.ones(2, 32)}),
        "belong to no layer",
    ),
    "a DoRA magnitude": (changed(**{f"{Q0}.lora_magnitude_vector": torch.ones(32)}), "lora_magnitude_vector"),
    "a saved module": (changed(**{"base_model.model.lm_head.weight": torch.ones(64, 32)}), "lm_head"),
    "a bias": (changed(**{f"{Q0}.lora_B.bias": torch.ones(32)}), "bias"),
    "a rank the config does not say": (changed(a=torch.ones(3, 32), b=torch.ones(32, 3)), r"has shape \[3, 32\]"),
    "a wider base": (changed(a=torch.ones(2, 64)), r"make it \[2, 32\]"),
    "transposed": (changed(a=torch.ones(32, 2)), "has shape"),
    "one dimension": (changed(a=torch.ones(64)), "has shape"),
    "integers": (changed(a=torch.ones(2, 32, dtype=torch.int8)), "has type I8"),
    "doubles": (changed(a=torch.ones(2, 32, dtype=torch.float64)), "has type F64"),
    "not a number": (changed(a=NAN_A), "NaN or infinity"),
    "infinity": (changed(b=torch.full((32, 2), float("-inf"))), "NaN or infinity"),
    "an overflow once scaled": (changed(b=torch.full((32, 2), 3e38)), "overflows"),
    "nothing learnt": ({name: torch.zeros_like(t) if "_B" in name else t for name, t in weights().items()}, "all zero"),
}


@pytest.mark.parametrize(("tensors", "reason"), INCOMPATIBLE.values(), ids=INCOMPATIBLE.keys())
def test_weights_that_do_not_fit_are_refused(tensors: dict[str, torch.Tensor], reason: str, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", tensors)

    with pytest.raises(AdapterIncompatible, match=reason):
        ingest_it(folder)

    assert_no_blob(folder)


def test_an_adapter_of_another_base_is_refused_by_its_name_before_its_weights_are_read(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", base_model_name_or_path="acme/large")
    (folder / WEIGHTS).write_bytes(b"")

    with pytest.raises(AdapterIncompatible, match="made for 'acme/large', this node serves 'tiny-base'"):
        ingest_it(folder)


def test_a_small_file_cannot_make_the_node_reserve_what_its_config_promises(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter", r=1024)

    with pytest.raises(AdapterIncompatible, match="has shape"):
        ingest_it(folder)


@pytest.mark.parametrize("kept", [0, 1, 7, 8, 100, -1])
def test_truncated_weights_are_corrupt(kept: int, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:kept])

    with pytest.raises(AdapterCorrupt, match=WEIGHTS):
        ingest_it(folder)

    assert_no_blob(folder)


@pytest.mark.parametrize(
    "body",
    [
        struct.pack("<Q", 1 << 62),
        struct.pack("<Q", 8) + b"not json",
        struct.pack("<Q", 2) + b"{}" + b"x" * 64,
        b"\x00" * 64,
    ],
)
def test_bytes_that_are_not_safetensors_are_corrupt(body: bytes, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    (folder / WEIGHTS).write_bytes(body)

    with pytest.raises((AdapterCorrupt, AdapterIncompatible)):
        ingest_it(folder)


def test_a_pickle_under_the_name_of_safetensors_is_never_loaded(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    torch.save(weights(), folder / WEIGHTS)

    with pytest.raises(AdapterCorrupt, match="pickle, which can run code"):
        ingest_it(folder)


def test_a_header_whose_length_begins_like_a_pickle_is_no_pickle(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    body = (folder / WEIGHTS).read_bytes()
    length = int.from_bytes(body[:8], "little")
    padding = (0x80 - length) % 256
    longer = (length + padding).to_bytes(8, "little") + body[8 : 8 + length] + b" " * padding + body[8 + length :]
    (folder / WEIGHTS).write_bytes(longer)

    assert longer[0] == 0x80
    assert ingest_it(folder).rank == 2


def test_an_interrupted_ingest_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    """A child may write only 2,000 bytes per file, as on a full disk, and prints what it raised."""
    folder = write_adapter(tmp_path / "adapter", weights(rank=32), r=32)
    limited = f"""
import resource, signal
from pathlib import Path
from tests.serving.adapters.test_ingest_refusals import ingest_it
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    ingest_it(Path({str(folder)!r}))
except Exception as error:
    print(type(error).__name__, error)
"""

    root = Path(__file__).parents[3]
    child = subprocess.run([sys.executable, "-c", limited], cwd=root, capture_output=True, text=True, check=True)
    seen = child.stdout

    assert seen.startswith("StorageFailed Cannot write")
    assert "Free some space" in seen
    assert_no_blob(folder)
    assert ingest_it(folder).rank == 32


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "adapter")
    (tmp_path / "blobs").write_text("a file where the folder should be")

    with pytest.raises(StorageFailed, match="blobs"):
        ingest_it(folder)
