"""Which sources the operator lets adapters come from."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from serving.errors import SourceRefused


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """file_roots: folders that `file:` paths must lie in. hub_prefixes: what a hub repository's id must start with."""

    file_roots: tuple[Path, ...]
    hub_prefixes: tuple[str, ...]

    @classmethod
    def parse(cls, prefixes: Iterable[str]) -> "AllowedSources":
        """From spelled prefixes: `file:` (any folder), `file:/srv/adapters`, `hf:` (any repository), `hf:org/`.

        Raises SourceRefused.
        """
        file_roots, hub_prefixes = [], []
        for prefix in prefixes:
            scheme, _, rest = prefix.partition(":")
            if scheme == "file":
                file_roots.append(Path(rest or "/").expanduser().resolve())
            elif scheme == "hf":
                hub_prefixes.append(rest)
            else:
                raise SourceRefused(prefix, "allowed sources start with file: or hf:")
        return cls(tuple(file_roots), tuple(hub_prefixes))

    def check_hub(self, source: str, repository: str) -> None:
        if not any(repository.startswith(prefix) for prefix in self.hub_prefixes):
            raise SourceRefused(source, "the operator does not allow adapters from this hub repository")

    def check_file(self, source: str, resolved: Path) -> None:
        """`resolved` has no symbolic links left, so being inside a root is being inside it."""
        if not any(resolved.is_relative_to(root) for root in self.file_roots):
            raise SourceRefused(source, "it leads outside the folders that the operator allows adapters from")
