"""Adapters from the Hugging Face hub, or a server with the same API: `hf:org/name@revision`."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.hub_transfer import bar, translated
from serving.adapters.sources.source import ListedFile, Pinned, Progress, SourceSettings, choose_files
from serving.adapters.sources.transfer import Transfer, with_retries
from serving.errors import SourceRefused, SourceUnavailable

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_SPELLING = re.compile(
    r"(?P<repository>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w][\w./-]{0,199}))?"
)
_COMMIT = re.compile(r"[0-9a-f]{40}")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class HubSource:
    """One revision of one repository. A branch or tag is resolved to its commit; files are fetched by commit."""

    remote: ClassVar[bool] = True
    uri: str
    repository: str
    revision: str
    settings: SourceSettings

    @classmethod
    def parse(cls, uri: str, rest: str, allowed: AllowedSources, settings: SourceSettings) -> "HubSource":
        """The source that `rest` (after "hf:") names. Raises SourceRefused: malformed, or not allowed."""
        match = _SPELLING.fullmatch(rest)
        if not match or ".." in rest:
            raise SourceRefused(uri, "write hf:org/name or hf:org/name@revision")
        allowed.check_hub(uri, match["repository"])
        return cls(uri, match["repository"], match["revision"] or "main", settings)

    def resolve(self) -> Pinned:
        """The commit that the revision means now, and the adapter's files in it."""
        commit, listed = self.listing()
        files = choose_files(self.uri, listed, self.settings)
        return Pinned(f"hf:{self.repository}@{commit}", files, immutable=True)

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        """Downloads the files of `pinned` into `folder`."""
        commit = pinned.source.rpartition("@")[2]
        self.download(commit, pinned.files, folder, on_progress)

    def verify(self, pinned: Pinned, folder: Path) -> None:
        """Raises AdapterCorrupt if a file in `folder` has another digest than the hub says."""
        pinned.verify(folder, self.uri)

    def listing(self) -> tuple[str, list[ListedFile]]:
        """The commit that the revision means now, and all its files with the digests that the hub records."""
        info = self._with_retries(
            lambda: self._api().model_info(
                self.repository, revision=self.revision, files_metadata=True, timeout=self.settings.timeout_s
            )
        )
        if not info.sha or not _COMMIT.fullmatch(info.sha):
            raise SourceUnavailable(self.uri, "the hub did not name the commit; is it a Hugging Face hub?")
        listed = [
            ListedFile(file.rfilename, file.size, file.lfs.sha256 if file.lfs else None, file.blob_id)
            for file in info.siblings or ()
        ]
        return info.sha, listed

    def download(self, commit: str, files: tuple[ListedFile, ...], folder: Path, on_progress: Progress) -> None:
        """Downloads files of one commit into `folder`, each complete or not at all. Bounds the bytes and the time."""
        from huggingface_hub import hf_hub_download

        transfer = Transfer(self.uri, sum(file.nbytes or 0 for file in files), self.settings, on_progress)
        for file in files:
            self._with_retries(
                lambda name=file.name: hf_hub_download(  # type: ignore[misc]  # mypy infers no type for a bound default
                    self.repository,
                    name,
                    revision=commit,
                    local_dir=folder,
                    cache_dir=folder / ".cache",
                    etag_timeout=self.settings.timeout_s,
                    token=self.settings.hub_token,
                    endpoint=self.settings.hub_endpoint,
                    tqdm_class=bar(transfer),
                )
            )

    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi, constants

        constants.HF_HUB_DISABLE_TELEMETRY = True  # a node does not report to anybody which software it runs
        return HfApi(endpoint=self.settings.hub_endpoint, token=self.settings.hub_token)

    def _with_retries(self, attempt: Callable[[], Result]) -> Result:
        return with_retries(self.settings, translated(self.uri)(attempt))
