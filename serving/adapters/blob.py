"""The blob: one ingested adapter in one file, with a contiguous payload that one copy moves to a device.

0        16             48          header_end      payload_start (a multiple of 4096)
| magic, | sha256 of    | header,   | zeros         | per module A, B and its other parts, row-major, 64-aligned  |
| length | the header   | JSON      |               |                                                             |

A: [rank, d_in] and B: [rank, d_out] in the serving dtype, a whole weight in the base's layout; gain, offset: [d_out] in
fp32.
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
from serving.adapters.layout import Placement, aligned, views
from serving.adapters.load_stages import LoadStages
from serving.errors import AdapterCorrupt
from serving.lora.slot import LoraModule
from serving.types import AdapterDigest, BaseDigest

LAYOUT_VERSION = 3
_MAGIC = b"OLORA\x00\x00" + bytes([LAYOUT_VERSION])
_PREFIX = struct.Struct("<8sQ32s")
_PAGE_BYTES = 4096
_MAX_HEADER_BYTES = 16 << 20
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Allocate = Callable[[int], torch.Tensor]
"""Number of bytes → a buffer of that size: uint8 [nbytes], contiguous, in host memory."""


def in_memory(nbytes: int) -> torch.Tensor:
    """A buffer of `nbytes` bytes in ordinary memory; the default `Allocate`."""
    return torch.empty(nbytes, dtype=torch.uint8)


@dataclass(frozen=True, slots=True)
class BlobKey:
    """Everything that the content of a blob depends on. The blob's file is named by it."""

    adapter: AdapterDigest
    base: BaseDigest
    dtype: torch.dtype

    def file_name(self) -> str:
        """The sha256 of the key and `LAYOUT_VERSION`, with the suffix .blob."""
        parts = f"{self.adapter}\n{self.base}\n{dtype_name(self.dtype)}\n{LAYOUT_VERSION}\n"
        return hashlib.sha256(parts.encode()).hexdigest() + ".blob"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a blob stores about its adapter besides the weights. The fields are those of `AdapterSpec`."""

    invocation: tuple[int, ...] = ()
    variant: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AdapterBlob:
    """An adapter version in the serving dtype. payload: a uint8 view of the mapped file or of a buffer; never written.

    A mapping lives as long as any tensor that views it, even after the file was removed.
    """

    adapter: AdapterDigest
    dtype: torch.dtype
    payload: torch.Tensor
    placements: tuple[Placement, ...]
    modules: Mapping[str, LoraModule]
    traits: Traits = Traits()

    @property
    def nbytes(self) -> int:
        """Bytes of the payload."""
        return self.payload.numel()

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(placement.rank for placement in self.placements)

    def views(self, payload: torch.Tensor) -> dict[str, LoraModule]:
        """The modules as views of a copy of the payload. payload: uint8 [nbytes], on any device, at least 8-aligned."""
        return views(payload, self.placements, self.dtype)


def dtype_name(dtype: torch.dtype) -> str:
    """The name of a serving dtype: "fp32" or "bf16"."""
    return next(name for name, known in _DTYPES.items() if known == dtype)


def write_blob(
    folder: Path, key: BlobKey, placements: tuple[Placement, ...], payload: torch.Tensor, traits: Traits
) -> Path:
    """Stores a payload in `folder` under its key. Raises StorageFailed, leaving no partial file."""
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
    padding = bytes(aligned(len(prefix) + len(header), _PAGE_BYTES) - len(prefix) - len(header))
    path = folder / key.file_name()
    write_whole(path, (prefix, header, padding, payload_bytes))
    return path


@dataclass(frozen=True, slots=True)
class BlobHeader:
    """The header of a blob's file. start: the offset of the payload in the file."""

    placements: tuple[Placement, ...]
    start: int
    payload_bytes: int
    payload_sha256: str
    traits: Traits

    @property
    def rank(self) -> int:
        """The largest rank of any module."""
        return max(placement.rank for placement in self.placements)


def read_header(folder: Path, key: BlobKey) -> BlobHeader:
    """The header of the blob of `key`; its weights are not read. Raises FileNotFoundError, AdapterCorrupt."""
    with (folder / key.file_name()).open("rb") as file:
        return _header(file, key)


def open_blob(folder: Path, key: BlobKey) -> AdapterBlob:
    """Maps and verifies the blob of `key`; every byte is hashed. Raises FileNotFoundError, AdapterCorrupt."""
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
    """The identity of the file of the blob of `key`. Raises FileNotFoundError."""
    return FileId.of((folder / key.file_name()).stat())


def read_blob(
    folder: Path, key: BlobKey, verified: FileId | None, allocate: Allocate, stages: LoadStages
) -> tuple[AdapterBlob, FileId]:
    """The blob of `key` in a buffer from `allocate`, and its file's identity.

    The bytes are hashed unless the file has the identity `verified`. `allocate` is called once. stages: gets the times
    of resolve, read and verify. Raises FileNotFoundError, AdapterCorrupt.
    """
    with (folder / key.file_name()).open("rb") as file:
        header, identity = _header(file, key), FileId.of(os.fstat(file.fileno()))
        if identity.size != header.start + header.payload_bytes:
            raise _damaged(key, f"it has {identity.size} bytes instead of {header.start + header.payload_bytes}")
        stages.ended("resolve")
        payload = allocate(header.payload_bytes)
        content = payload.numpy().data
        file.seek(header.start)
        if file.readinto(content) != header.payload_bytes:
            raise _damaged(key, "it was cut short while it was read")
        stages.ended("read")
    if identity != verified:
        if hashlib.sha256(content).hexdigest() != header.payload_sha256:
            raise _damaged(key, "its weights have changed")
        stages.ended("verify")
    layers = views(payload, header.placements, key.dtype)
    return AdapterBlob(key.adapter, key.dtype, payload, header.placements, layers, header.traits), identity


def _header(file: BinaryIO, key: BlobKey) -> BlobHeader:
    prefix = file.read(_PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise _damaged(key, "it is cut short")
    magic, header_bytes, header_sha256 = _PREFIX.unpack(prefix)
    if magic != _MAGIC or header_bytes > _MAX_HEADER_BYTES:
        raise _damaged(key, "it does not start with a blob's magic number and header length")
    raw = file.read(header_bytes)
    if hashlib.sha256(raw).digest() != header_sha256:
        raise _damaged(key, "its header has changed")
    fields = json.loads(raw)  # the hash has just shown that this is what `write_blob` wrote
    if (fields["adapter"], fields["base"], fields["dtype"]) != (key.adapter, key.base, dtype_name(key.dtype)):
        raise _damaged(key, "it belongs to another adapter or base")
    return BlobHeader(
        placements=tuple(Placement(**placement) for placement in fields["modules"]),
        start=aligned(_PREFIX.size + header_bytes, _PAGE_BYTES),
        payload_bytes=fields["payload_bytes"],
        payload_sha256=fields["payload_sha256"],
        traits=Traits(tuple(fields["invocation"]), fields["variant"]),
    )


def _damaged(key: BlobKey, reason: str) -> AdapterCorrupt:
    return AdapterCorrupt(key.adapter, key.file_name(), f"{reason}; the adapter must be ingested again")
