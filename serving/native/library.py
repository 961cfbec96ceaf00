"""ctypes bindings of the compiled kernels. The structs mirror those of the same names in kernels/*.h."""

import ctypes
from ctypes import POINTER, c_float, c_int, c_int64, c_void_p
from pathlib import Path
from typing import Any

import torch

_KINDS = 3  # the most linears that share an input


class Linear(ctypes.Structure):
    """A packed weight and its bias."""

    _fields_ = (("packed", c_void_p), ("bias", c_void_p), ("d_in", c_int64), ("d_out", c_int64))


class Group(ctypes.Structure):
    """The linears that share an input, as consecutive module numbers, and their output widths."""

    _fields_ = (("first_module", c_int64), ("members", c_int64), ("widths", c_int64 * _KINDS))


class Attention(ctypes.Structure):
    """The attention of one layer. window: 0 for none.   cache: the layer's arena of pages."""

    _fields_ = (
        ("heads", c_int64),
        ("kv_heads", c_int64),
        ("key_dim", c_int64),
        ("value_dim", c_int64),
        ("window", c_int64),
        ("scale", c_float),
        ("query_norm", c_void_p),
        ("key_norm", c_void_p),
        ("norm_eps", c_float),
        ("cache", c_void_p),
    )


class Layer(ctypes.Structure):
    """The weights of one decoder layer."""

    _fields_ = (
        ("before_attention", c_void_p),
        ("before_mlp", c_void_p),
        ("qkv", Linear),
        ("out", Linear),
        ("gate_up", Linear),
        ("down", Linear),
        ("qkv_group", Group),
        ("out_group", Group),
        ("gate_up_group", Group),
        ("down_group", Group),
        ("attention", Attention),
    )


class Decoder(ctypes.Structure):
    """All layers of a model."""

    _fields_ = (
        ("layers", POINTER(Layer)),
        ("count", c_int64),
        ("hidden", c_int64),
        ("intermediate", c_int64),
        ("norm_eps", c_float),
    )


class Tokens(ctypes.Structure):
    """The tokens of a step: their positions, their places in the cache and their sequences' pages."""

    _fields_ = (
        ("count", c_int64),
        ("positions", c_void_p),
        ("stored_at", c_void_p),
        ("pages", c_void_p),
        ("cos", c_void_p),
        ("sin", c_void_p),
    )


class Adapters(ctypes.Structure):
    """The pieces of a step that have an adapter, and scratch memory for x Aᵀ."""

    _fields_ = (("pieces", c_void_p), ("count", c_int64), ("hidden", c_void_p), ("most_rank", c_int64))


class Buffers(ctypes.Structure):
    """Memory for the intermediate results of a step."""

    _fields_ = tuple(
        (name, c_void_p) for name in ("hidden", "normed", "qkv", "attended", "projected", "gate_up", "activated")
    )


class Library:
    """The kernels for one dtype.

    Long calls release the GIL. Short calls keep it: re-acquiring it costs more than the call.
    """

    def __init__(self, path: Path, dtype: torch.dtype) -> None:
        """Raises OSError if the library cannot be loaded."""
        self.dtype = dtype
        loaded = ctypes.CDLL(str(path))
        self._decode_layers = _function(
            loaded.decode_layers, POINTER(Decoder), POINTER(Tokens), POINTER(Adapters), POINTER(Buffers), c_int
        )
        self._apply_linear = _function(loaded.apply_linear, POINTER(Linear), c_void_p, c_int64, c_void_p, c_int, c_int)
        self._apply_adapters = _function(
            loaded.apply_adapters, POINTER(Adapters), POINTER(Group), c_void_p, c_int64, c_void_p, c_int
        )
        self._pack = _function(loaded.pack_matrix, c_void_p, c_int64, c_int64, c_void_p, c_int)
        self._unpack = _function(ctypes.PyDLL(str(path)).unpack_rows, c_void_p, c_void_p, c_int64, c_int64, c_void_p)

    def decode_layers(
        self, decoder: Decoder, tokens: Tokens, adapters: Adapters, buffers: Buffers, *, threads: int
    ) -> None:
        """Runs all layers on buffers.hidden, in place."""
        self._decode_layers(decoder, tokens, adapters, buffers, threads)

    def apply_linear(self, linear: Linear, x: torch.Tensor, y: torch.Tensor, *, threads: int) -> None:
        """y = x Wᵀ + bias.   x: [tokens, d_in], y: [tokens, d_out] in the library's dtype or float32; contiguous."""
        as_float = y.dtype == torch.float32
        self._apply_linear(linear, x.data_ptr(), x.shape[0], y.data_ptr(), as_float, threads)

    def apply_adapters(
        self, adapters: Adapters, group: Group, x: torch.Tensor, y: torch.Tensor, *, threads: int
    ) -> None:
        """Applies the step's adapters to y in place.   x: [tokens, d_in], y: [tokens, all widths]; contiguous."""
        self._apply_adapters(adapters, group, x.data_ptr(), x.shape[1], y.data_ptr(), threads)

    def pack(self, weight: torch.Tensor, packed: torch.Tensor, *, threads: int) -> None:
        """Packs a contiguous weight [d_out, d_in] into panels (kernels/linear.h)."""
        self._pack(weight.data_ptr(), weight.shape[0], weight.shape[1], packed.data_ptr(), threads)

    def unpack(self, packed: torch.Tensor, rows: torch.Tensor, out: torch.Tensor) -> None:
        """The given rows of a packed matrix.   rows: [n] int64.   out: [n, d_in]."""
        self._unpack(packed.data_ptr(), rows.data_ptr(), rows.shape[0], out.shape[1], out.data_ptr())


def _function(function: "ctypes._NamedFuncPointer", *arguments: Any) -> "ctypes._NamedFuncPointer":
    function.argtypes = arguments
    function.restype = None
    return function
