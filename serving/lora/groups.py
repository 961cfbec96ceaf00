"""Linears that read the same input and are multiplied as one."""

from collections.abc import Iterable
from dataclasses import dataclass

from serving.lora.slot import Slot


@dataclass(frozen=True, slots=True)
class Group:
    """Modules with a common input, whose outputs lie side by side: y = [y_0 | y_1 | …].   widths: of each y_i."""

    name: str
    members: tuple[str, ...]
    widths: tuple[int, ...]


def groups_of(slots: Iterable[Slot], fused: Iterable[Group]) -> dict[str, tuple[Group, int]]:
    """The groups that any of `slots` changes, by name, with the width of their input.

    A module in no fused group is one of its own.
    """
    shapes = {name: (pair.a.shape[0], pair.b.shape[1]) for slot in slots for name, pair in slot.modules.items()}
    found: dict[str, tuple[Group, int]] = {}
    for group in fused:
        inputs = [shapes.pop(member)[0] for member in group.members if member in shapes]
        if inputs:
            found[group.name] = group, inputs[0]
    for name, (d_in, d_out) in shapes.items():
        found[name] = Group(name, (name,), (d_out,)), d_in
    return found
