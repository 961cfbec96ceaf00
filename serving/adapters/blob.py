"""One ingested adapter as one file: mapped into memory, its whole payload contiguous, one copy away from a device.

0        16             48          header_end      payload_start (a multiple of 4096)
| magic, | sha256 of    | header,   | zeros         | per module A, B and what else it has, row-major, 64-aligned |
| length | the header   | JSON      |               |                                                             |

A: [rank, d_in] and B: [rank, d_out] in the serving dtype, a whole weight as the base's; gain, offset: [d_out] in fp32.
"""

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

import torch

from serving.adapters.durable import write_whole
from serving.adapters.file_id import FileId
from serving.adapters.load_stages import LoadStages
from serving.errors import AdapterCorrupt
from serving.lora.slot import LoraModule
from serving.types import AdapterDigest, BaseDigest

LAYOUT_VERSION = 3
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
    """Where one module's parts lie in the payload: byte offsets, each a multiple of 64; None where it has no such part.

    weight_rows: of a whole weight, whose other side is the rest of d_in * d_out.
    """

    name: str
    rank: int
    d_in: int
    d_out: int
    a_at: int
    b_at: int
    gain_at: int | None = None
    offset_at: int | None = None
    weight_at: int | None = None
    weight_rows: int = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """One module's sizes before it has a place."""

    name: str
    rank: int
    d_in: int
    d_out: int
    gain: bool = False
    offset: bool = False
    weight_rows: int = 0


@dataclass(frozen=True, slots=True)
class Traits:
    """What a blob says of its adapter besides the weights; see `AdapterSpec`."""

    invocation: tuple[int, ...] = ()
    variant: str | None = None


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
    traits: Traits = Traits()

    @property
    def nbytes(self) -> int:
        return self.payload.numel()

    @property
    def rank(self) -> int:
        return max(placement.rank for placement in self.placements)

    def views(self, payload: torch.Tensor) -> dict[str, LoraModule]:
        """The modules as views of a copy of the payload. payload: [nbytes] uint8, on any device, at least 8-aligned."""
        return views(payload, self.placements, self.dtype)


def dtype_name(dtype: torch.dtype) -> str:
    return next(name for name, known in _DTYPES.items() if known == dtype)


def place(extents: Iterable[Extent], dtype: torch.dtype) -> tuple[tuple[Placement, ...], int]:
    """Placements for modules in their order, and the bytes of the whole payload."""
    placements, end = [], 0

    def take(nbytes: int) -> int:
        nonlocal end
        start, end = end, _aligned(end + nbytes, _ALIGN_BYTES)
        return start

    for each in extents:
        size, vector = dtype.itemsize, 4 * each.d_out
        placements.append(
            Placement(
                each.name,
                each.rank,
                each.d_in,
                each.d_out,
                a_at=take(each.rank * each.d_in * size),
                b_at=take(each.rank * each.d_out * size),
                gain_at=take(vector) if each.gain else None,
                offset_at=take(vector) if each.offset else None,
                weight_at=take(each.d_in * each.d_out * size) if each.weight_rows else None,
                weight_rows=each.weight_rows,
            )
        )
    return tuple(placements), end


def views(payload: torch.Tensor, placements: tuple[Placement, ...], dtype: torch.dtype) -> dict[str, LoraModule]:
    """The parts of every module as views of `payload`; no bytes are copied."""

    def part(at: int, elements: int, kind: torch.dtype) -> torch.Tensor:
        return payload[at : at + elements * kind.itemsize].view(kind)

    def vector(at: int | None, elements: int) -> torch.Tensor | None:
        return None if at is None else part(at, elements, torch.float32)

    return {
        p.name: LoraModule(
            a=part(p.a_at, p.rank * p.d_in, dtype).view(p.rank, p.d_in),
            b=part(p.b_at, p.rank * p.d_out, dtype).view(p.rank, p.d_out),
            gain=vector(p.gain_at, p.d_out),
            offset=vector(p.offset_at, p.d_out),
            weight=None if p.weight_at is None else part(p.weight_at, p.d_in * p.d_out, dtype).view(p.weight_rows, -1),
        )
        for p in placements
    }


def write_blob(
    folder: Path, key: BlobKey, placements: tuple[Placement, ...], payload: torch.Tensor, traits: Traits
) -> Path:
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
            **asdict(traits),
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
    traits: Traits

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
    return AdapterBlob(key.adapter, key.dtype, payload, header.placements, layers, header.traits)


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
    return AdapterBlob(key.adapter, key.dtype, payload, header.placements, layers, header.traits), found


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
        traits=Traits(tuple(fields["invocation"]), fields["variant"]),
    )


def _damaged(key: BlobKey, reason: str) -> AdapterCorrupt:
    return AdapterCorrupt(key.adapter, key.file_name(), f"{reason}; the adapter must be ingested again")


def _aligned(offset: int, multiple: int) -> int:
    return -(-offset // multiple) * multiple
