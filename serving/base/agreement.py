"""Whether logits computed in steps agree with those of transformers, as far as the dtype allows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Limits:
    """How far logits may be from float32.

    tolerance: of a row's error relative to the size of the logits, where both forwards compute in float32.
    multiple: a forward in another dtype may be this many times as far from float32 as transformers' own forward in that
    dtype.
    """

    tolerance: float
    multiple: float


EXCERPT = Limits(tolerance=1e-4, multiple=2.0)
"""Measured: valid excerpts reach 1e-6 in float32, and 0.7 to 1.2 times in bfloat16. A scale that is wrong by 10 %, a
wrong window or a wrong norm in the kernels alone reaches 6 to 35 times."""
WHOLE = Limits(tolerance=1e-3, multiple=4.0)
"""Measured: valid models of 30 layers whose weights have a standard deviation of 1, where rounding to bfloat16 changes
half of the logits' size, reach 2e-4 in float32 and 3.2 times in bfloat16."""
_ROUNDED_FLOOR = 2e-3
"""About half the distance between neighbouring bfloat16 numbers: nothing rounded can be expected to be closer."""


def float32_error(got: torch.Tensor, exact: torch.Tensor) -> float:
    """The largest error of a row, relative to the size of the logits; infinite if a number is not finite.

    got, exact: [tokens, vocabulary] in float32. Errors and sizes are root mean squares over the vocabulary.
    """
    return _finite(float(_row_errors(got, exact).max()))


def rounding_multiple(
    got: torch.Tensor, own: torch.Tensor, exact: torch.Tensor, phases: Sequence[str]
) -> tuple[str, float]:
    """The phase in which `got` is worst, and its error there as a multiple of that of `own`.

    got, own, exact: [tokens, vocabulary]: in steps and by transformers in the served dtype, and in float32.
    phases: of the rows. Each phase is measured by its median row, because rounding alone can send single tokens to
    other experts of a mixture and change their rows entirely.
    """
    ours, theirs = _row_errors(got, exact), _row_errors(own, exact)
    multiples = {}
    for phase in dict.fromkeys(phases):
        rows = torch.tensor([each == phase for each in phases], device=got.device)
        multiples[phase] = _finite(float(ours[rows].median() / theirs[rows].median().clamp(min=_ROUNDED_FLOOR)))
    worst = max(multiples, key=lambda phase: multiples[phase])
    return worst, multiples[worst]


def _row_errors(got: torch.Tensor, exact: torch.Tensor) -> torch.Tensor:
    """[tokens]: each row's root mean square error over the root mean square of all logits."""
    size = exact.pow(2).mean().sqrt().clamp(min=torch.finfo(torch.float32).tiny)
    return (got - exact).pow(2).mean(dim=1).sqrt() / size


def _finite(value: float) -> float:
    return math.inf if math.isnan(value) else value
