"""The base's weights read from its files by module name, because the loaded model may have repacked its own."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from serving.adapters.durable import check_readable

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_FLOATS = ("F32", "F16", "BF16")
_CHUNK_ELEMENTS = 1 << 24


class BaseWeightsUnreadable(Exception):
    """The base's files lack a tensor, or hold it with another shape or dtype than expected."""


class BaseWeights:
    """Tensors of the safetensors files in one folder, mapped into memory only while they are read.

    The files must not change after the model was loaded from them; reading a changed file is an error.

    prefix: the name of the base model inside the causal LM ("model."), which files saved from the base model alone
    omit. tied: full name of a module → the module whose weight it shares, for files that store the weight once.
    """

    def __init__(self, folder: Path, prefix: str = "model.", tied: Mapping[str, str] | None = None) -> None:
        self._folder, self._prefix, self._tied = folder, prefix, tied or {}
        self._stamps = {path: _stamp(path) for path in folder.glob("*.safetensors")}

    def rows(self, module: str, d_out: int, d_in: int) -> Iterator[tuple[slice, torch.Tensor]]:
        """The weight of `module` [d_out, d_in] in float32, a chunk of rows at a time: (slice of rows, their values).

        Raises BaseWeightsUnreadable.
        """
        step = max(1, _CHUNK_ELEMENTS // d_in)
        for start in range(0, d_out, step):
            rows = slice(start, min(start + step, d_out))
            yield rows, self._read(module, "weight", (d_out, d_in), rows)

    def selected_rows(self, module: str, d_out: int, d_in: int, rows: Sequence[int]) -> torch.Tensor:
        """The given rows of the weight [d_out, d_in] in float32: [len(rows), d_in]. Raises BaseWeightsUnreadable."""
        return torch.cat([self._read(module, "weight", (d_out, d_in), slice(row, row + 1)) for row in rows])

    def bias(self, module: str, d_out: int) -> torch.Tensor:
        """The bias of `module` [d_out] in float32. Raises BaseWeightsUnreadable."""
        return self._read(module, "bias", (d_out,), slice(None))

    def _read(self, module: str, what: str, shape: tuple[int, ...], rows: slice) -> torch.Tensor:
        key, path = self._find(module, what)
        try:
            if _stamp(path) != self._stamps.get(path):
                raise BaseWeightsUnreadable(f"{path} has changed since the base was loaded; start the node again")
            with safe_open(str(path), framework="pt") as file:
                stored = file.get_slice(key)
                if tuple(stored.get_shape()) != shape or stored.get_dtype() not in _FLOATS:
                    actual = f"{stored.get_dtype()} {list(stored.get_shape())}"
                    raise BaseWeightsUnreadable(f"{key} in {path.name} is {actual}, not a float tensor {list(shape)}")
                read: torch.Tensor = stored[rows]
        except (SafetensorError, OSError) as error:
            check_readable(path)
            raise BaseWeightsUnreadable(f"{path}: {error}") from error
        return read.to(torch.float32)

    def _find(self, module: str, what: str) -> tuple[str, Path]:
        for name in (module, self._tied.get(module)):
            if name is not None:
                for key in (f"{name}.{what}", f"{name.removeprefix(self._prefix)}.{what}"):
                    if key in self._files:
                        return key, self._files[key]
        raise BaseWeightsUnreadable(f"no file in {self._folder} holds {module}.{what}")

    @cached_property
    def _files(self) -> dict[str, Path]:
        """Key → file, for the files that the model was loaded from."""
        whole, index = self._folder / _WHOLE, self._folder / _INDEX
        try:
            if whole.is_file():
                with safe_open(str(whole), framework="pt") as file:
                    return dict.fromkeys(file.keys(), whole)
            names: dict[str, str] = json.loads(index.read_bytes())["weight_map"]
        except (SafetensorError, OSError, ValueError, KeyError) as error:
            check_readable(whole)
            check_readable(index)
            raise BaseWeightsUnreadable(f"{self._folder}: {error}") from error
        return {key: self._folder / name for key, name in names.items()}


def _stamp(path: Path) -> tuple[int, int]:
    """Size and modification time. Raises OSError."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
