"""Adapters from an object store with the S3 API: `s3://bucket/prefix`, with the files directly below the prefix.

Credentials and region come from where AWS clients look for them: the environment (AWS_ACCESS_KEY_ID …), ~/.aws, or the
machine's role. So does the endpoint, unless the settings give one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.objects import REVISION, Objects
from serving.adapters.sources.source import ListedFile, Pinned, Progress, SourceSettings
from serving.errors import SourceRefused

if TYPE_CHECKING:
    from serving.adapters.sources.s3_client import S3Client

_SPELLING = re.compile(
    r"//(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(?:/[A-Za-z0-9!_.*'()=+@:, -]+)+)/?" + REVISION
)


@dataclass(frozen=True, slots=True)
class S3Source:
    """A prefix and, after '#', an optional version. ETags, and version ids where there are any, pin objects."""

    remote: ClassVar[bool] = True
    uri: str
    bucket: str
    prefix: str
    revision: str | None
    settings: SourceSettings

    @classmethod
    def parse(cls, uri: str, rest: str, allowed: AllowedSources, settings: SourceSettings) -> "S3Source":
        """The source that `rest` (after "s3:") names. Raises SourceRefused: malformed, or not allowed."""
        match = _SPELLING.fullmatch(rest)
        if not match or any(part in (".", "..") for part in rest.split("/")):
            raise SourceRefused(uri, "write s3://bucket/prefix")
        prefix = match["prefix"].strip("/")
        allowed.check_s3(uri, f"{match['bucket']}/{prefix}")
        return cls(uri, match["bucket"], prefix, match["revision"], settings)

    def resolve(self) -> Pinned:
        """The version that is at the prefix now. See `Objects.resolve`."""
        client = self._client()

        def look(name: str) -> ListedFile | None:
            return client.look(name, f"{self.prefix}/{name}")

        return self._objects().resolve(look)

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        """Downloads the objects of `pinned` into `folder`. See `Objects.fetch`."""
        client = self._client()

        def read(file: ListedFile, start: int) -> Iterator[bytes]:
            return client.read(file, f"{self.prefix}/{file.name}", start)

        self._objects().fetch(pinned, folder, read, on_progress)

    def verify(self, pinned: Pinned, folder: Path) -> None:
        """Raises AdapterCorrupt if a file in `folder` has not the announced size."""
        pinned.verify(folder, self.uri)

    def _objects(self) -> Objects:
        return Objects(self.uri, f"s3://{self.bucket}/{self.prefix}", self.revision, self.settings)

    def _client(self) -> "S3Client":
        from serving.adapters.sources.s3_client import S3Client

        return S3Client(self.uri, self.bucket, self.settings)
