"""The tensors of adapter_model.safetensors, each checked against the key, shape and dtype that the config implies."""

from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from safetensors import SafetensorError, safe_open

from serving.adapters.digests import WEIGHTS_FILE
from serving.adapters.durable import check_readable, read_failed
from serving.adapters.safetensors_header import InvalidHeader, StoredTensor, read_tensors
from serving.adapters.spec import AdapterSpec, ModuleSpec
from serving.errors import AdapterCorrupt, AdapterIncompatible
from serving.lora.slot import EMBEDDING, HEAD

_FLOATS = ("F32", "F16", "BF16")
_ROWS = "token_adapter.trainable_tokens_delta"
_FIELDS = {
    _ROWS: "trainable_token_indices",
    "lora_B.bias": "lora_bias",
    ".bias": "bias",
    "lora_magnitude_vector": "use_dora",
}


class _SafeFile(Protocol):
    """The methods of safetensors' `safe_open` that are used here; the library has no type hints for them."""

    def keys(self) -> list[str]: ...
    def get_tensor(self, name: str) -> torch.Tensor: ...


@dataclass(frozen=True, slots=True, eq=False)
class ModuleTensors:
    """The weights of one module as PEFT stores them: those that the module's spec implies; the others are None.

    They are in fp32, except weight and kept, which may take gigabytes and keep the dtype of the file.

    a: [rank, d_in].   b: [d_out, rank], not yet scaled.   magnitude, lora_bias, bias: [d_out].
    weight: a saved layer, in the base's layout.   kept: the copy of the base's weight that PEFT saved with the LoRA.
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
    """Checks the header alone: the tensors are exactly those the config expands to, in shape and dtype.

    Raises AdapterCorrupt if the file is damaged or not safetensors, StorageFailed if this machine cannot read it, and
    AdapterIncompatible otherwise.
    """
    required = {key: shape for module in spec.modules for key, shape in _tensors(module).values()}
    allowed = required | {key: shape for module in spec.modules for key, shape in _kept(module)}
    try:
        stored = read_tensors(path, len(allowed))
    except InvalidHeader as problem:
        raise AdapterCorrupt(adapter, WEIGHTS_FILE, str(problem)) from problem
    except (FileNotFoundError, IsADirectoryError) as error:
        raise AdapterCorrupt(adapter, WEIGHTS_FILE, f"it cannot be read: {error.strerror}") from error
    except OSError as error:
        raise read_failed(path, error) from error
    _refuse_other_keys(stored.keys(), required.keys(), allowed.keys(), len(spec.modules), adapter)
    for key, shape in allowed.items():
        if key in stored:
            _check_tensor(stored[key], key, shape, adapter)


def read_modules(path: Path, spec: AdapterSpec, adapter: str) -> Iterator[ModuleTensors]:
    """Yields every module's tensors, in the spec's order, from a file that passed `check_layout`.

    Raises AdapterCorrupt, AdapterIncompatible (NaN or infinity), StorageFailed.
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
    except OSError as error:
        check_readable(path)  # safetensors reports every failure to open a file as "no such file"
        raise AdapterCorrupt(adapter, WEIGHTS_FILE, f"{error}; fetch or save it again") from error
    except SafetensorError as error:
        raise AdapterCorrupt(adapter, WEIGHTS_FILE, f"{error}; fetch or save it again") from error


def _tensors(module: ModuleSpec) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The required tensors of a module: field of `ModuleTensors` → (key, shape)."""
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
    """Optional tensors: PEFT saves a copy of the base's embedding and head with a LoRA of them, by default."""
    d_in, d_out, _ = module.shape
    if module.rank and module.name in (EMBEDDING, HEAD):
        shape = (d_in, d_out) if module.is_embedding else (d_out, d_in)
        yield f"base_model.model.{module.full_name}.base_layer.weight", shape


def _refuse_other_keys(keys: Set[str], required: Set[str], allowed: Set[str], layers: int, adapter: str) -> None:
    missing, extra = sorted(required - keys), sorted(keys - allowed)
    if missing:
        raise AdapterIncompatible(
            adapter,
            _field(missing[0]),
            f"the config changes {layers} layers but {len(missing)} of their tensors are not in the weights, e.g. "
            f"{missing[0]!r}" + (f"; instead there is {extra[0]!r:.200}" if extra else ""),
        )
    if extra:
        raise AdapterIncompatible(
            adapter,
            _field(extra[0]),
            f"{len(extra)} tensors belong to no layer that the config changes, e.g. {extra[0]!r:.200}",
        )


def _field(key: str) -> str:
    """The field of the config that implies a tensor of this key."""
    for ending, field in _FIELDS.items():
        if key.endswith(ending):
            return field
    return "target_modules" if ".lora_" in key else "modules_to_save"


def _check_tensor(stored: StoredTensor, key: str, shape: tuple[int, ...], adapter: str) -> None:
    if stored.shape != shape:
        problem = f"has shape {list(stored.shape)}, but base and config make it {list(shape)}"
        raise AdapterIncompatible(adapter, key, problem)
    if stored.dtype not in _FLOATS:
        raise AdapterIncompatible(adapter, key, f"has type {stored.dtype}; one of {', '.join(_FLOATS)} is needed")


def _finite(stored: torch.Tensor, name: str, key: str, adapter: str) -> torch.Tensor:
    tensor = stored if name in ("weight", "kept") else stored.to(torch.float32)
    if not bool(torch.isfinite(tensor).all()):
        raise AdapterIncompatible(adapter, key, "holds NaN or infinity")
    return tensor
