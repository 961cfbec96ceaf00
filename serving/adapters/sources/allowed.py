"""Which sources the operator lets adapters come from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from serving.adapters.sources.web_address import WebAddress
from serving.errors import SourceRefused


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """file_roots: folders that `file:` paths must lie in. hub_prefixes: what a hub repository's id must start with.

    s3_prefixes: `bucket/prefix/` that objects must lie below; "" is any. web_places: what a web folder must lie below,
    also in a private network, for the operator names its host. any_public_web: any other host on the internet.
    """

    file_roots: tuple[Path, ...] = ()
    hub_prefixes: tuple[str, ...] = ()
    s3_prefixes: tuple[str, ...] = ()
    web_places: tuple[WebAddress, ...] = ()
    any_public_web: bool = False

    @classmethod
    def parse(cls, prefixes: Iterable[str]) -> "AllowedSources":
        """From spelled prefixes: `file:` (any folder), `file:/srv/adapters`, `hf:` (any repository), `hf:org/`, `s3:`
        (any bucket), `s3://bucket/prefix`, `https:` (any public host), `https://host/path`, `http://127.0.0.1:8080/`.

        Raises SourceRefused.
        """
        found = cls()
        for prefix in prefixes:
            found = found._with(prefix)
        return found

    def check_hub(self, source: str, repository: str) -> None:
        if not any(repository.startswith(prefix) for prefix in self.hub_prefixes):
            raise SourceRefused(source, "the operator does not allow adapters from this hub repository")

    def check_file(self, source: str, resolved: Path) -> None:
        """`resolved` has no symbolic links left, so being inside a root is being inside it."""
        if not any(resolved.is_relative_to(root) for root in self.file_roots):
            raise SourceRefused(source, "it leads outside the folders that the operator allows adapters from")

    def check_s3(self, source: str, place: str) -> None:
        """place: bucket/prefix."""
        if not any(f"{place}/".startswith(prefix) for prefix in self.s3_prefixes):
            raise SourceRefused(source, "the operator does not allow adapters from there (adapter_sources)")

    def check_web(self, source: str, place: WebAddress) -> bool:
        """Whether the operator names the host, which may then be private. Raises SourceRefused."""
        if any(allowed.covers(place) for allowed in self.web_places):
            return True
        if not self.any_public_web or place.scheme != "https":
            raise SourceRefused(source, f"the operator does not allow adapters from {place.origin}/ (adapter_sources)")
        return False

    def _with(self, prefix: str) -> "AllowedSources":
        scheme, _, rest = prefix.partition(":")
        if scheme == "file":
            return replace(self, file_roots=(*self.file_roots, Path(rest or "/").expanduser().resolve()))
        if scheme == "hf":
            return replace(self, hub_prefixes=(*self.hub_prefixes, rest))
        if scheme == "s3":
            place = rest.strip("/")
            return replace(self, s3_prefixes=(*self.s3_prefixes, f"{place}/" if place else ""))
        if prefix == "https:":
            return replace(self, any_public_web=True)
        if scheme in ("https", "http"):
            return replace(self, web_places=(*self.web_places, _web_place(prefix)))
        raise SourceRefused(prefix, "allowed sources start with file:, hf:, s3: or https:")


def _web_place(prefix: str) -> WebAddress:
    place = WebAddress.parse(prefix)
    if place is None:
        raise SourceRefused(prefix, "write https:, or https://host/path")
    if place.scheme == "http" and not place.is_loopback:
        raise SourceRefused(prefix, "http: is not protected, so it is for this machine only; write https:")
    return place
