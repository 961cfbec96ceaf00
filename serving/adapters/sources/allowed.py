"""The sources that the operator allows adapters to come from."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from serving.adapters.sources.web_address import WebAddress
from serving.errors import SourceRefused


@dataclass(frozen=True, slots=True)
class AllowedSources:
    """The operator's allow-list, by kind of source.

    file_roots: folders that contain the allowed `file:` paths. hub_prefixes: prefixes of the allowed hub repositories'
    ids. s3_prefixes: `bucket/prefix/` of the allowed objects; "" allows all. web_prefixes: addresses that contain the
    allowed web folders; these may be in a private network, because the operator names the host. any_public_web: whether
    any other host on the internet is allowed.
    """

    file_roots: tuple[Path, ...] = ()
    hub_prefixes: tuple[str, ...] = ()
    s3_prefixes: tuple[str, ...] = ()
    web_prefixes: tuple[WebAddress, ...] = ()
    any_public_web: bool = False

    @classmethod
    def parse(cls, prefixes: Iterable[str]) -> "AllowedSources":
        """From written prefixes: `file:` (any folder), `file:/srv/adapters`, `hf:` (any repository), `hf:org/`, `s3:`
        (any bucket), `s3://bucket/prefix`, `https:` (any public host), `https://host/path`, `http://127.0.0.1:8080/`.

        Raises SourceRefused.
        """
        allowed = cls()
        for prefix in prefixes:
            allowed = allowed._with(prefix)
        return allowed

    def check_hub(self, source: str, repository: str) -> None:
        """Raises SourceRefused unless the repository ("org/name") is allowed."""
        if not any(repository.startswith(prefix) for prefix in self.hub_prefixes):
            raise SourceRefused(source, "the operator does not allow adapters from this hub repository")

    def check_file(self, source: str, resolved: Path) -> None:
        """Raises SourceRefused unless `resolved`, a path without symbolic links, is below an allowed folder."""
        if not any(resolved.is_relative_to(root) for root in self.file_roots):
            raise SourceRefused(source, "it leads outside the folders that the operator allows adapters from")

    def check_s3(self, source: str, prefix: str) -> None:
        """Raises SourceRefused unless `prefix` ("bucket/prefix") is allowed."""
        if not any(f"{prefix}/".startswith(allowed) for allowed in self.s3_prefixes):
            raise SourceRefused(source, "the operator does not allow adapters from this place (adapter_sources)")

    def check_web(self, source: str, address: WebAddress) -> bool:
        """Whether the operator names the host of `address`, which may then be private. Raises SourceRefused."""
        if any(allowed.covers(address) for allowed in self.web_prefixes):
            return True
        if not self.any_public_web or address.scheme != "https":
            raise SourceRefused(
                source, f"the operator does not allow adapters from {address.origin}/ (adapter_sources)"
            )
        return False

    def _with(self, prefix: str) -> "AllowedSources":
        scheme, _, rest = prefix.partition(":")
        if scheme == "file":
            return replace(self, file_roots=(*self.file_roots, Path(rest or "/").expanduser().resolve()))
        if scheme == "hf":
            return replace(self, hub_prefixes=(*self.hub_prefixes, rest))
        if scheme == "s3":
            below = rest.strip("/")
            return replace(self, s3_prefixes=(*self.s3_prefixes, f"{below}/" if below else ""))
        if prefix == "https:":
            return replace(self, any_public_web=True)
        if scheme in ("https", "http"):
            return replace(self, web_prefixes=(*self.web_prefixes, _web_prefix(prefix)))
        raise SourceRefused(prefix, "allowed sources start with file:, hf:, s3: or https:")


def _web_prefix(prefix: str) -> WebAddress:
    address = WebAddress.parse(prefix)
    if address is None:
        raise SourceRefused(prefix, "write https:, or https://host/path")
    if address.scheme == "http" and not address.is_loopback:
        raise SourceRefused(prefix, "http: is not protected, so it is for this machine only; write https:")
    return address
