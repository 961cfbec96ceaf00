"""The header of a safetensors file is bounded and checked before it is parsed; what is wrong with it is said."""

import json
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from serving.adapters.safetensors_header import InvalidHeader, StoredTensor, read_tensors


def written(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(start: int, end: int, dtype: str = "F32", shape: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [(end - start) // 4] if shape is None else shape,
        "data_offsets": [start, end],
    } | changes


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(4, dtype=torch.bfloat16), "none": torch.ones(0, 7)}
    save_file(tensors, tmp_path / "x", metadata={"format": "pt"})

    read = read_tensors(tmp_path / "x", 3)

    assert {key: (each.dtype, each.shape) for key, each in read.items()} == {
        "a": ("F32", (2, 3)),
        "b": ("BF16", (4,)),
        "none": ("F32", (0, 7)),
    }
    assert sorted(each.end - each.start for each in read.values()) == [0, 8, 24]


def test_ranges_may_be_listed_in_any_order(tmp_path: Path) -> None:
    path = written(tmp_path / "x", {"b": entry(4, 8), "a": entry(0, 4), "empty": entry(4, 4)}, bytes(8))

    assert read_tensors(path, 3)["b"] == StoredTensor("F32", (1,), 4, 8)


TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
DAMAGED: dict[str, tuple[Any, bytes, str]] = {
    "no JSON": (b"{not json", b"", "header is damaged: not valid JSON"),
    "no brace": (b"[]", b"", "does not start with '{'"),
    "not UTF-8": (b'{"\xff": 1}', b"", "not valid UTF-8"),
    "a key twice": (TWICE, bytes(4), "key 'a' occurs twice"),
    "nested deeply": (b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}", b"", "nested more than 4 deep"),
    "an entry that is a list": ({"a": []}, b"", "does not consist of dtype, shape and data_offsets"),
    "an entry with more fields": ({"a": entry(0, 4, more=1)}, bytes(4), "does not consist of"),
    "an unknown dtype": ({"a": entry(0, 4, dtype="F33")}, bytes(4), "unknown dtype 'F33'"),
    "a negative size": ({"a": entry(0, 4, shape=[-1])}, bytes(4), "no sizes"),
    "a fractional size": ({"a": entry(0, 4, shape=[1.0])}, bytes(4), "no sizes"),
    "a true size": ({"a": entry(0, 4, shape=[True])}, bytes(4), "no sizes"),
    "a huge size": ({"a": entry(0, 4, shape=[1 << 64])}, bytes(4), "no sizes"),
    "many dimensions": ({"a": entry(0, 4, shape=[2**60] * 40_000)}, bytes(4), "no sizes"),
    "sizes that multiply to more": (
        {"a": entry(0, 4, shape=[1 << 40, 1 << 40])},
        bytes(4),
        "needs 4835703278458516698824704",
    ),
    "offsets backwards": ({"a": entry(0, 4, data_offsets=[4, 0])}, bytes(4), "no sizes"),
    "three offsets": ({"a": entry(0, 4, data_offsets=[0, 4, 4])}, bytes(4), "no sizes"),
    "an overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12), "'b' and 'a' overlap at byte 4"),
    "the same bytes twice": ({"a": entry(0, 4), "b": entry(0, 4)}, bytes(4), "overlap at byte 0"),
    "a gap": ({"a": entry(0, 4), "b": entry(8, 12)}, bytes(12), "bytes 4 to 8 belong to no tensor"),
    "beyond the file": ({"a": entry(0, 8)}, bytes(4), "ends at byte 8, but only 4 bytes follow the header"),
    "more than the tensors": ({"a": entry(0, 4)}, bytes(9), "5 bytes at its end belong to no tensor"),
    "metadata of numbers": ({"__metadata__": {"a": 1}}, b"", "__metadata__ does not map strings to strings"),
    "metadata that is a list": ({"__metadata__": ["a"]}, b"", "__metadata__ does not map"),
}


@pytest.mark.parametrize(("header", "data", "reason"), DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_header_is_refused_with_what_is_wrong(header: Any, data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidHeader) as refusal:
        read_tensors(written(tmp_path / "x", header, data), 4)

    assert reason in str(refusal.value)


OTHER_CONTENT = {
    "empty": (b"", "it is empty"),
    "three bytes": (b"abc", "only 3 bytes"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n",
        "Git LFS pointer, not the file itself; run `git lfs pull`",
    ),
    "HTML": (b"<!DOCTYPE html><html><body>404</body></html>", "an HTML page"),
    "GGUF": (b"GGUF\x03\x00\x00\x00" + bytes(64), "a GGUF file"),
    "gzip": (b"\x1f\x8b\x08" + bytes(64), "a gzip archive"),
    "pickle": (b"\x80\x04\x95" + bytes(64), "a pickle, which can run code"),
    "torch.save": (b"PK\x03\x04" + bytes(64), "a pickle, which can run code"),
    "a length beyond the file": (
        struct.pack("<Q", 1 << 62) + b"{}",
        "says that its header alone has 4611686018427387904",
    ),
}


@pytest.mark.parametrize(("content", "reason"), OTHER_CONTENT.values(), ids=OTHER_CONTENT.keys())
def test_a_file_of_another_kind_is_called_what_it_is(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(InvalidHeader) as refusal:
        read_tensors(tmp_path / "x", 4)

    assert reason in str(refusal.value)


def test_a_long_header_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x", b"{" + b" " * (64 << 20) + b"}")
    tracemalloc.start()

    with pytest.raises(InvalidHeader, match="67108866 bytes; at most 1048576 are read"):
        read_tensors(path, 4)

    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1 << 20


def test_too_many_tensors_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    header = {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(5_000)}

    with pytest.raises(InvalidHeader, match="holds more than 4096 tensors; about 28 are expected"):
        read_tensors(written(tmp_path / "x", header), 28)


def test_the_bounds_grow_with_what_the_base_has(tmp_path: Path) -> None:
    name = "base_model.model.model.layers.{}.block_sparse_moe.experts.gate_up_proj.lora_A.weight"
    header = {name.format(i): {"dtype": "BF16", "shape": [0, 64], "data_offsets": [0, 0]} for i in range(30_000)}

    assert len(read_tensors(written(tmp_path / "x", header), 30_000)) == 30_000
