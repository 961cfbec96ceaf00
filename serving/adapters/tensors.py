"""The LoRA weights of adapter_model.safetensors, checked one by one against what the config says they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open

from serving.adapters.digests import WEIGHTS_FILE
from serving.adapters.spec import AdapterSpec, ModuleSpec
from serving.errors import AdapterCorrupt, AdapterIncompatible

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")  # a bare pickle, and the zip that torch.save writes
_FLOATS = ("F32", "F16", "BF16")


class _Slice(Protocol):
    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...


class _SafeFile(Protocol):
    """What we use of safetensors' `safe_open`, which has no types."""

    def keys(self) -> list[str]: ...
    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class LoraPair:
    """The weights of one layer in fp32, as PEFT stores them.   a: [rank, d_in].   b: [d_out, rank], not yet scaled."""

    module: ModuleSpec
    a: torch.Tensor
    b: torch.Tensor


def check_layout(path: Path, spec: AdapterSpec, adapter: str) -> None:
    """Read the header only: the tensors are exactly those the config expands to, in shape and type.

    Raises AdapterCorrupt if the file is damaged or not safetensors, AdapterIncompatible otherwise.
    """
    _refuse_pickle(path, adapter)
    with _opened(path, adapter) as file:
        _refuse_other_keys(set(file.keys()), spec, adapter)
        for module in spec.modules:
            for matrix, shape in _matrices(module):
                _check_header(file.get_slice(_key(module, matrix)), _key(module, matrix), shape, adapter)


def read_pairs(path: Path, spec: AdapterSpec, adapter: str) -> Iterator[LoraPair]:
    """Every layer's A and B, in the spec's order, of a file that passed `check_layout`.

    Raises AdapterCorrupt, AdapterIncompatible (NaN or infinity).
    """
    with _opened(path, adapter) as file:
        for module in spec.modules:
            a, b = (_finite(file.get_tensor(_key(module, matrix)), _key(module, matrix), adapter) for matrix in "AB")
            yield LoraPair(module, a, b)


@contextmanager
def _opened(path: Path, adapter: str) -> Iterator[_SafeFile]:
    try:
        with safe_open(str(path), framework="pt") as file:
            yield cast(_SafeFile, file)
    except (SafetensorError, OSError) as error:
        raise AdapterCorrupt(adapter, WEIGHTS_FILE, f"{error}; fetch or save it again") from error


def _matrices(module: ModuleSpec) -> tuple[tuple[str, tuple[int, int]], tuple[str, tuple[int, int]]]:
    return ("A", (module.rank, module.d_in)), ("B", (module.d_out, module.rank))


def _key(module: ModuleSpec, matrix: str) -> str:
    return f"base_model.model.{module.full_name}.lora_{matrix}.weight"


def _refuse_pickle(path: Path, adapter: str) -> None:
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(_PICKLE_STARTS):
        raise AdapterCorrupt(
            adapter, path.name, "it is a pickle, which can run code; save the adapter with safetensors instead"
        )


def _refuse_other_keys(keys: set[str], spec: AdapterSpec, adapter: str) -> None:
    expected = {_key(module, matrix) for module in spec.modules for matrix in "AB"}
    missing, extra = sorted(expected - keys), sorted(keys - expected)
    if missing:
        raise AdapterIncompatible(
            adapter,
            "target_modules",
            f"the config adapts {len(spec.modules)} layers but {len(missing)} of their tensors are not in the weights, "
            f"e.g. {missing[0]!r}" + (f"; instead there is {extra[0]!r:.200}" if extra else ""),
        )
    if extra:
        raise AdapterIncompatible(
            adapter,
            "target_modules",
            f"{len(extra)} tensors belong to no layer that the config adapts here, e.g. {extra[0]!r:.200}",
        )


def _check_header(header: _Slice, key: str, shape: tuple[int, int], adapter: str) -> None:
    if tuple(header.get_shape()) != shape:
        raise AdapterIncompatible(
            adapter, key, f"has shape {list(header.get_shape())}, but base and config make it {list(shape)}"
        )
    if header.get_dtype() not in _FLOATS:
        raise AdapterIncompatible(adapter, key, f"has type {header.get_dtype()}; one of {', '.join(_FLOATS)} is needed")


def _finite(stored: torch.Tensor, key: str, adapter: str) -> torch.Tensor:
    tensor = stored.to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise AdapterIncompatible(adapter, key, "holds NaN or infinity")
    return tensor
