"""The header of a safetensors file, bounded and checked before any library parses it.

    0        8              8 + n
    | n, u64 | header, JSON | tensors, one after another |

The header maps each key to its dtype, its shape and the half-open range of its bytes after the header; `__metadata__`
maps strings to strings. Source: https://huggingface.co/docs/safetensors (the format section).

Parsing holds the GIL, in Python and in the library's Rust code alike, so an unbounded header would stop every stream.
"""

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from serving.adapters.mistaken_content import START_BYTES, mistaken_content
from serving.adapters.strict_json import InvalidJson, parse_object

_LENGTH = struct.Struct("<Q")
_FIELDS = {"dtype", "shape", "data_offsets"}
_ELEMENT_BITS = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 8),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 16),
    **dict.fromkeys(("U32", "I32", "F32"), 32),
    **dict.fromkeys(("U64", "I64", "F64", "C64"), 64),
    **{"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6},
}
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")  # a bare pickle, and the zip that torch.save writes
_KEY_BYTES = 512
_MIN_HEADER_BYTES = 1 << 20
_MIN_KEYS = 4096
_MAX_DIMENSIONS = 8


class InvalidHeader(Exception):
    """The file is not safetensors, is damaged, or has a header that this node does not read. The message says why."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """What the header says of one tensor: dtype ("F32", "BF16"), shape, and its bytes [start, end) after the header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_tensors(path: Path, expected_keys: int) -> dict[str, StoredTensor]:
    """Key → tensor, of a file that should hold `expected_keys` tensors. Every byte after the header belongs to one.

    The header may take 512 bytes for each expected key but at least 1 MiB, and twice the expected keys but at least
    4,096. Raises InvalidHeader, OSError.
    """
    with path.open("rb") as file:
        file_bytes = os.fstat(file.fileno()).st_size
        start = file.read(START_BYTES)
        _refuse_other_content(start)
        (header_bytes,) = _LENGTH.unpack_from(start)
        limit = max(_MIN_HEADER_BYTES, _KEY_BYTES * expected_keys)
        if header_bytes > file_bytes - _LENGTH.size:
            raise InvalidHeader(
                f"the file has {file_bytes} bytes, but says that its header alone has {header_bytes}; it is cut short "
                "or not safetensors"
            )
        if header_bytes > limit:
            raise InvalidHeader(f"its header has {header_bytes} bytes; at most {limit} are read for this base")
        file.seek(_LENGTH.size)
        raw = file.read(header_bytes)
    if raw[:1] != b"{":
        raise InvalidHeader("its header does not start with '{', so it is not safetensors")
    most_keys = max(_MIN_KEYS, 2 * expected_keys)
    if raw.count(b'"data_offsets"') > most_keys:
        raise InvalidHeader(f"it holds more than {most_keys} tensors; about {expected_keys} are expected")
    try:
        fields = parse_object(raw, max_depth=4)
    except InvalidJson as error:
        raise InvalidHeader(f"its header is damaged: {error}") from error
    _check_metadata(fields.pop("__metadata__", {}))
    tensors = {key: _tensor(key, entry) for key, entry in fields.items()}
    _check_ranges(tensors, file_bytes - _LENGTH.size - header_bytes)
    return tensors


def _refuse_other_content(start: bytes) -> None:
    if start.startswith(_PICKLE_STARTS) and start[8:9] != b"{":  # any eight bytes may be the length of a header
        raise InvalidHeader("it is a pickle, which can run code; save the adapter with safetensors instead")
    mistaken = mistaken_content(start)
    if mistaken is not None:
        raise InvalidHeader(f"it is {mistaken}")
    if len(start) < _LENGTH.size:
        raise InvalidHeader(f"it has only {len(start)} bytes, so it is cut short")


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise InvalidHeader("its __metadata__ does not map strings to strings")


def _tensor(key: str, entry: Any) -> StoredTensor:
    if not isinstance(entry, dict) or entry.keys() != _FIELDS:
        raise InvalidHeader(f"the header's entry {key!r:.200} does not consist of dtype, shape and data_offsets")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _ELEMENT_BITS:
        raise InvalidHeader(f"{key!r:.200} has the unknown dtype {dtype!r:.40}")
    if not _is_sizes(shape) or not _is_sizes(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise InvalidHeader(f"{key!r:.200} has a shape or data_offsets that are no sizes")
    needed_bits = prod(shape) * _ELEMENT_BITS[dtype]
    if needed_bits != 8 * (offsets[1] - offsets[0]):
        raise InvalidHeader(
            f"{key!r:.200} takes {offsets[1] - offsets[0]} bytes, but {dtype} {shape!s:.80} needs "
            f"{-(-needed_bits // 8)}"
        )
    return StoredTensor(dtype, tuple(shape), offsets[0], offsets[1])


def _is_sizes(value: Any) -> bool:
    if not isinstance(value, list) or len(value) > _MAX_DIMENSIONS:
        return False
    return all(type(each) is int and 0 <= each < 1 << 63 for each in value)


def _check_ranges(tensors: Mapping[str, StoredTensor], data_bytes: int) -> None:
    """Checks that the tensors' ranges follow one another and fill the file. Raises InvalidHeader."""
    end, before = 0, None
    for key, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.end > data_bytes:
            raise InvalidHeader(
                f"{key!r:.200} ends at byte {tensor.end}, but only {data_bytes} bytes follow the header; the file is "
                "cut short"
            )
        if tensor.start < end:
            raise InvalidHeader(f"{key!r:.200} and {before!r:.200} overlap at byte {tensor.start}")
        if tensor.start > end:
            raise InvalidHeader(f"bytes {end} to {tensor.start} belong to no tensor")
        end, before = tensor.end, key
    if end != data_bytes:
        raise InvalidHeader(f"{data_bytes - end} bytes at its end belong to no tensor")
