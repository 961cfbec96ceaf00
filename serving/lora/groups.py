"""Linears with the same input, which are multiplied together."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Modules with the same input, whose outputs are concatenated: y = [y_0 | y_1 | …].   widths: of each y_i."""

    name: str
    members: tuple[str, ...]
    widths: tuple[int, ...]

    @classmethod
    def single(cls, module: str, width: int) -> "Group":
        """A group of one module with `width` outputs."""
        return cls(module, (module,), (width,))

    @property
    def columns(self) -> dict[str, slice]:
        """The columns of y that each member writes."""
        ends = [sum(self.widths[: i + 1]) for i in range(len(self.widths))]
        return {
            member: slice(end - width, end) for member, width, end in zip(self.members, self.widths, ends, strict=True)
        }
