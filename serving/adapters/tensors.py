"""The weights of adapter_model.safetensors, checked one by one against what the config says they are."""

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
from serving.lora.slot import EMBEDDING, HEAD

_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")  # a bare pickle, and the zip that torch.save writes
_FLOATS = ("F32", "F16", "BF16")
_ROWS = "token_adapter.trainable_tokens_delta"
_FIELDS = {
    _ROWS: "trainable_token_indices",
    "lora_B.bias": "lora_bias",
    ".bias": "bias",
    "lora_magnitude_vector": "use_dora",
}


class _Slice(Protocol):
    def get_shape(self) -> list[int]: ...
    def get_dtype(self) -> str: ...


class _SafeFile(Protocol):
    """What we use of safetensors' `safe_open`, which has no types."""

    def keys(self) -> list[str]: ...
    def get_slice(self, name: str) -> _Slice: ...
    def get_tensor(self, name: str) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class ModuleTensors:
    """The weights of one module as PEFT stores them; those that the module's spec names, the rest is None.

    In fp32, but for weight and kept, which may be gigabytes and stay as they are in the file.

    a: [rank, d_in].   b: [d_out, rank], not yet scaled.   magnitude, lora_bias, bias: [d_out].
    weight: of a saved layer, as the base's own lies.   kept: a copy of the base's weight that PEFT has put beside them.
    rows: [tokens, d], the adapter's rows of the embedding.
    """

    module: ModuleSpec
    a: torch.Tensor | None = None
    b: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None
    lora_bias: torch.Tensor | None = None
    bias: torch.Tensor | None = None
    weight: torch.Tensor | None = None
    kept: torch.Tensor | None = None
    rows: torch.Tensor | None = None


def check_layout(path: Path, spec: AdapterSpec, adapter: str) -> None:
    """Read the header only: the tensors are exactly those the config expands to, in shape and type.

    Raises AdapterCorrupt if the file is damaged or not safetensors, AdapterIncompatible otherwise.
    """
    _refuse_pickle(path, adapter)
    with _opened(path, adapter) as file:
        present = set(file.keys())
        _refuse_other_keys(present, spec, adapter)
        for module in spec.modules:
            for key, shape in (*_tensors(module).values(), *_kept(module)):
                if key in present:
                    _check_header(file.get_slice(key), key, shape, adapter)


def read_modules(path: Path, spec: AdapterSpec, adapter: str) -> Iterator[ModuleTensors]:
    """Every module's tensors, in the spec's order, of a file that passed `check_layout`.

    Raises AdapterCorrupt, AdapterIncompatible (NaN or infinity).
    """
    with _opened(path, adapter) as file:
        present = set(file.keys())
        for module in spec.modules:
            named = {name: key for name, (key, _) in _tensors(module).items()}
            for key, _ in _kept(module):
                if key in present:
                    named["kept"] = key
            yield ModuleTensors(
                module, **{name: _finite(file.get_tensor(key), name, key, adapter) for name, key in named.items()}
            )


@contextmanager
def _opened(path: Path, adapter: str) -> Iterator[_SafeFile]:
    try:
        with safe_open(str(path), framework="pt") as file:
            yield cast(_SafeFile, file)
    except (SafetensorError, OSError) as error:
        raise AdapterCorrupt(adapter, WEIGHTS_FILE, f"{error}; fetch or save it again") from error


def _tensors(module: ModuleSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Every tensor that must be there for a module: which field of `ModuleTensors` → (key, shape)."""
    stem = f"base_model.model.{module.full_name}"
    d_in, d_out, _ = module.shape
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {}
    if module.rank and module.is_embedding:
        tensors["a"] = f"{stem}.lora_embedding_A", (module.rank, d_in)
        tensors["b"] = f"{stem}.lora_embedding_B", (d_out, module.rank)
    elif module.rank:
        tensors["a"] = f"{stem}.lora_A.weight", (module.rank, d_in)
        tensors["b"] = f"{stem}.lora_B.weight", (d_out, module.rank)
    if module.magnitude:
        tensors["magnitude"] = f"{stem}.lora_magnitude_vector", (d_out,)
    if module.lora_bias:
        tensors["lora_bias"] = f"{stem}.lora_B.bias", (d_out,)
    if module.own_bias:
        tensors["bias"] = f"{stem}.base_layer.bias" if module.rank else f"{stem}.bias", (d_out,)
    if module.whole:
        tensors["weight"] = f"{stem}.weight", (d_in, d_out) if module.is_embedding else (d_out, d_in)
    if module.tokens:
        width = d_out if module.is_embedding else d_in
        tensors["rows"] = f"base_model.model.{module.embedding}.{_ROWS}", (len(module.tokens), width)
    return tensors


def _kept(module: ModuleSpec) -> Iterator[tuple[str, tuple[int, int]]]:
    """PEFT saves the base's own embedding and head beside the LoRA of them, unless it was told not to."""
    d_in, d_out, _ = module.shape
    if module.rank and module.name in (EMBEDDING, HEAD):
        shape = (d_in, d_out) if module.is_embedding else (d_out, d_in)
        yield f"base_model.model.{module.full_name}.base_layer.weight", shape


def _refuse_pickle(path: Path, adapter: str) -> None:
    """A safetensors file is the length of its header, any eight bytes, and then "{"."""
    with path.open("rb") as file:
        start = file.read(9)
    if start.startswith(_PICKLE_STARTS) and not start.endswith(b"{"):
        raise AdapterCorrupt(
            adapter, path.name, "it is a pickle, which can run code; save the adapter with safetensors instead"
        )


def _refuse_other_keys(keys: set[str], spec: AdapterSpec, adapter: str) -> None:
    expected = {key for module in spec.modules for key, _ in _tensors(module).values()}
    allowed = expected | {key for module in spec.modules for key, _ in _kept(module)}
    missing, extra = sorted(expected - keys), sorted(keys - allowed)
    if missing:
        raise AdapterIncompatible(
            adapter,
            _field(missing[0]),
            f"the config changes {len(spec.modules)} layers but {len(missing)} of their tensors are not in the "
            f"weights, e.g. {missing[0]!r}" + (f"; instead there is {extra[0]!r:.200}" if extra else ""),
        )
    if extra:
        raise AdapterIncompatible(
            adapter,
            _field(extra[0]),
            f"{len(extra)} tensors belong to no layer that the config changes so here, e.g. {extra[0]!r:.200}",
        )


def _field(key: str) -> str:
    """The field of the config that a tensor follows from."""
    for ending, field in _FIELDS.items():
        if key.endswith(ending):
            return field
    return "target_modules" if ".lora_" in key else "modules_to_save"


def _check_header(header: _Slice, key: str, shape: tuple[int, ...], adapter: str) -> None:
    if tuple(header.get_shape()) != shape:
        raise AdapterIncompatible(
            adapter, key, f"has shape {list(header.get_shape())}, but base and config make it {list(shape)}"
        )
    if header.get_dtype() not in _FLOATS:
        raise AdapterIncompatible(adapter, key, f"has type {header.get_dtype()}; one of {', '.join(_FLOATS)} is needed")


def _finite(stored: torch.Tensor, name: str, key: str, adapter: str) -> torch.Tensor:
    tensor = stored if name in ("weight", "kept") else stored.to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise AdapterIncompatible(adapter, key, "holds NaN or infinity")
    return tensor
