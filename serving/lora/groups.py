"""Linears that read the same input and are multiplied as one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Modules with a common input, whose outputs lie side by side: y = [y_0 | y_1 | …].   widths: of each y_i."""

    name: str
    members: tuple[str, ...]
    widths: tuple[int, ...]

    @classmethod
    def single(cls, module: str, width: int) -> "Group":
        return cls(module, (module,), (width,))

    @property
    def columns(self) -> dict[str, slice]:
        """Where each member's output lies."""
        ends = [sum(self.widths[: i + 1]) for i in range(len(self.widths))]
        return {
            member: slice(end - width, end) for member, width, end in zip(self.members, self.widths, ends, strict=True)
        }
