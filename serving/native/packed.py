"""Weights in the layout that the kernels read."""

import torch

from serving.native.library import Library, Linear

PANEL_ROWS = 16


class PackedMatrix:
    """W: [d_out, d_in] in panels of 16 rows (kernels/linear.h). The original weight can be freed.

    In bfloat16 d_in must be even, so that a row is a whole number of words.
    """

    def __init__(self, library: Library, weight: torch.Tensor, bias: torch.Tensor | None, *, threads: int) -> None:
        assert weight.dtype == library.dtype
        d_out, d_in = weight.shape
        self._library = library
        self._packed = torch.empty(-(-d_out // PANEL_ROWS) * PANEL_ROWS, d_in, dtype=weight.dtype)
        self._bias = None if bias is None else bias.float().contiguous()
        library.pack(weight.contiguous(), self._packed, threads=threads)
        pointer = None if self._bias is None else self._bias.data_ptr()
        self.d_out = d_out
        self.linear = Linear(self._packed.data_ptr(), pointer, d_in, d_out)

    def __call__(self, x: torch.Tensor, *, threads: int, dtype: torch.dtype | None = None) -> torch.Tensor:
        """y = x Wᵀ + bias in the weights' dtype or float32.   x: [tokens, d_in] → [tokens, d_out]."""
        y = x.new_empty(x.shape[0], self.d_out, dtype=dtype or x.dtype)
        self._library.apply_linear(self.linear, x.contiguous(), y, threads=threads)
        return y

    def rows(self, numbers: torch.Tensor) -> torch.Tensor:
        """The given rows of W.   numbers: [n] int64 → [n, d_in]."""
        out = torch.empty(numbers.shape[0], self._packed.shape[1], dtype=self._packed.dtype)
        self._library.unpack(self._packed, numbers.contiguous(), out)
        return out
