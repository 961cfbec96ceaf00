"""One ingested adapter as one file: mapped into memory, its whole payload contiguous, one copy away from a device.

0        16             48          header_end      payload_start (a multiple of 4096)
| magic, | sha256 of    | header,   | zeros         | A B A B …  each [r, in] or [r, out], row-major, 64-aligned |
| length | the header   | JSON      |               |                                                            |
"""

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from serving.adapters.durable import write_whole
from serving.adapters.file_id import FileId
from serving.errors import AdapterCorrupt
from serving.load_stages import LoadStages
from serving.lora.slot import LoraModule
from serving.types import AdapterDigest, BaseDigest

LAYOUT_VERSION = 2
_MAGIC = b"OLORA\x00\x00" + bytes([LAYOUT_VERSION])
_PREFIX = struct.Struct("<8sQ32s")
_PAGE_BYTES = 4096
_ALIGN_BYTES = 64
_MAX_HEADER_BYTES = 16 << 20
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Allocate = Callable[[int], torch.Tensor]
"""A buffer of so many bytes: uint8 [nbytes], contiguous, in host memory."""


def in_memory(nbytes: int) -> torch.Tensor:
    """Ordinary memory."""
    return torch.empty(nbytes, dtype=torch.uint8)


@dataclass(frozen=True, slots=True)
class BlobKey:
    """What an ingested blob depends on, and so what names it."""

    adapter: AdapterDigest
    base: BaseDigest
    dtype: torch.dtype

    def file_name(self) -> str:
        parts = f"{self.adapter}\n{self.base}\n{dtype_name(self.dtype)}\n{LAYOUT_VERSION}\n"
        return hashlib.sha256(parts.encode()).hexdigest() + ".blob"


@dataclass(frozen=True, slots=True)
class Placement:
    """Where one layer's A and B lie in the payload: byte offsets, each a multiple of 64."""

    name: str
    rank: int
    d_in: int
    d_out: int
    a_offset: int
    b_offset: int


@dataclass(frozen=True, slots=True, eq=False)
class AdapterBlob:
    """An adapter version in the serving dtype. `payload` is a uint8 view of the mapped file, to be read only.

    The mapping lives as long as any tensor that views it, also after the file was removed.
    """

    adapter: AdapterDigest
    dtype: torch.dtype
    payload: torch.Tensor
    placements: tuple[Placement, ...]
    modules: Mapping[str, LoraModule]

    @property
    def nbytes(self) -> int:
        return self.payload.numel()

    @property
    def rank(self) -> int:
        return max(placement.rank for placement in self.placements)

    def views(self, payload: torch.Tensor) -> dict[str, LoraModule]:
        """The layers as views of a copy of the payload. payload: [nbytes] uint8, on any device, at least 8-aligned."""
        return views(payload, self.placements, self.dtype)


def dtype_name(dtype: torch.dtype) -> str:
    return next(name for name, known in _DTYPES.items() if known == dtype)


def place(layers: list[tuple[str, int, int, int]], dtype: torch.dtype) -> tuple[tuple[Placement, ...], int]:
    """Placements for layers (name, rank, d_in, d_out) in that order, and the bytes of the whole payload."""
    placements, end = [], 0
    for name, rank, d_in, d_out in layers:
        a_offset = end
        b_offset = _aligned(a_offset + d_in * rank * dtype.itemsize, _ALIGN_BYTES)
        end = _aligned(b_offset + rank * d_out * dtype.itemsize, _ALIGN_BYTES)
        placements.append(Placement(name, rank, d_in, d_out, a_offset, b_offset))
    return tuple(placements), end


def views(payload: torch.Tensor, placements: tuple[Placement, ...], dtype: torch.dtype) -> dict[str, LoraModule]:
    """A and B of every layer as views of `payload`; no bytes are copied."""

    def matrix(offset: int, rows: int, columns: int) -> torch.Tensor:
        return payload[offset : offset + rows * columns * dtype.itemsize].view(dtype).view(rows, columns)

    return {
        p.name: LoraModule(matrix(p.a_offset, p.rank, p.d_in), matrix(p.b_offset, p.rank, p.d_out)) for p in placements
    }


def write_blob(folder: Path, key: BlobKey, placements: tuple[Placement, ...], payload: torch.Tensor) -> Path:
    """Store a payload under its key. Raises StorageFailed, leaving nothing half-written."""
    payload_bytes = payload.numpy().data
    header = json.dumps(
        {
            "adapter": key.adapter,
            "base": key.base,
            "dtype": dtype_name(key.dtype),
            "payload_sha256": hashlib.sha256(payload_bytes).hexdigest(),
            "payload_bytes": payload.numel(),
            "modules": [asdict(placement) for placement in placements],
        }
    ).encode()
    prefix = _PREFIX.pack(_MAGIC, len(header), hashlib.sha256(header).digest())
    padding = bytes(_aligned(len(prefix) + len(header), _PAGE_BYTES) - len(prefix) - len(header))
    path = folder / key.file_name()
    write_whole(path, (prefix, header, padding, payload_bytes))
    return path


@dataclass(frozen=True, slots=True)
class BlobHeader:
    """What a blob says of itself. start: where its payload begins."""

    placements: tuple[Placement, ...]
    start: int
    payload_bytes: int
    payload_sha256: str

    @property
    def rank(self) -> int:
        return max(placement.rank for placement in self.placements)


def read_header(folder: Path, key: BlobKey) -> BlobHeader:
    """The header of the blob of `key`, without a look at its weights. Raises FileNotFoundError, AdapterCorrupt."""
    with (folder / key.file_name()).open("rb") as file:
        return _header(file, key)


def open_blob(folder: Path, key: BlobKey) -> AdapterBlob:
    """Map and verify the blob of `key`; every byte is hashed. Raises FileNotFoundError, AdapterCorrupt."""
    with (folder / key.file_name()).open("rb") as file:
        header = _header(file, key)
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)  # copy-on-write: torch wants writable memory
    if len(mapped) != header.start + header.payload_bytes:
        raise _damaged(key, f"it has {len(mapped)} bytes instead of {header.start + header.payload_bytes}")
    if hashlib.sha256(memoryview(mapped)[header.start :]).hexdigest() != header.payload_sha256:
        raise _damaged(key, "its weights have changed")
    payload = torch.frombuffer(mapped, dtype=torch.uint8, offset=header.start)
    layers = views(payload, header.placements, key.dtype)
    return AdapterBlob(key.adapter, key.dtype, payload, header.placements, layers)


def blob_id(folder: Path, key: BlobKey) -> FileId:
    """Raises FileNotFoundError."""
    return FileId.of((folder / key.file_name()).stat())


def read_blob(
    folder: Path, key: BlobKey, verified: FileId | None, allocate: Allocate, stages: LoadStages
) -> tuple[AdapterBlob, FileId]:
    """The blob of `key` in a buffer of our own, and its file's id; hashed unless the file is the `verified` one.

    allocate is asked once. Raises FileNotFoundError, AdapterCorrupt.
    """
    with (folder / key.file_name()).open("rb") as file:
        header, found = _header(file, key), FileId.of(os.fstat(file.fileno()))
        if found.size != header.start + header.payload_bytes:
            raise _damaged(key, f"it has {found.size} bytes instead of {header.start + header.payload_bytes}")
        stages.ended("resolve")
        payload = allocate(header.payload_bytes)
        content = payload.numpy().data
        file.seek(header.start)
        if file.readinto(content) != header.payload_bytes:
            raise _damaged(key, "it was cut short while it was read")
        stages.ended("read")
    if found != verified:
        if hashlib.sha256(content).hexdigest() != header.payload_sha256:
            raise _damaged(key, "its weights have changed")
        stages.ended("verify")
    layers = views(payload, header.placements, key.dtype)
    return AdapterBlob(key.adapter, key.dtype, payload, header.placements, layers), found


def _header(file: BinaryIO, key: BlobKey) -> BlobHeader:
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise _damaged(key, "it is cut short")
    magic, header_bytes, header_sha256 = _PREFIX.unpack(prefix)
    if magic != _MAGIC or header_bytes > _MAX_HEADER_BYTES:
        raise _damaged(key, "it does not start like a blob")
    raw = file.read(header_bytes)
    if hashlib.sha256(raw).digest() != header_sha256:
        raise _damaged(key, "its header has changed")
    fields = json.loads(raw)  # ours: the hash has just shown that nobody else wrote it by accident
    if (fields["adapter"], fields["base"], fields["dtype"]) != (key.adapter, key.base, dtype_name(key.dtype)):
        raise _damaged(key, "it belongs to another adapter or base")
    return BlobHeader(
        placements=tuple(Placement(**placement) for placement in fields["modules"]),
        start=_aligned(_PREFIX.size + header_bytes, _PAGE_BYTES),
        payload_bytes=fields["payload_bytes"],
        payload_sha256=fields["payload_sha256"],
    )


def _damaged(key: BlobKey, reason: str) -> AdapterCorrupt:
    return AdapterCorrupt(key.adapter, key.file_name(), f"{reason}; the adapter must be ingested again")


def _aligned(offset: int, multiple: int) -> int:
    return -(-offset // multiple) * multiple
