"""Adapters from an object store that speaks S3: `s3://bucket/prefix`, with the files right below the prefix.

Credentials, region and, unless the settings say it, the endpoint come from where AWS clients look for them: the
environment (AWS_ACCESS_KEY_ID …), ~/.aws, or the machine's role.
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
    """A prefix and, after '#', the version of it that is meant. Objects are pinned by ETag and, if kept, version id."""

    remote: ClassVar[bool] = True
    spelled: str
    bucket: str
    prefix: str
    revision: str | None
    settings: SourceSettings

    @classmethod
    def parse(cls, spelled: str, rest: str, allowed: AllowedSources, settings: SourceSettings) -> "S3Source":
        """Raises SourceRefused."""
        match = _SPELLING.fullmatch(rest)
        if not match or any(part in (".", "..") for part in rest.split("/")):
            raise SourceRefused(spelled, "write s3://bucket/prefix")
        prefix = match["prefix"].strip("/")
        allowed.check_s3(spelled, f"{match['bucket']}/{prefix}")
        return cls(spelled, match["bucket"], prefix, match["revision"], settings)

    def resolve(self) -> Pinned:
        client = self._client()

        def look(name: str) -> ListedFile | None:
            return client.look(name, f"{self.prefix}/{name}")

        return self._objects().resolve(look)

    def fetch(self, pinned: Pinned, folder: Path, on_progress: Progress) -> None:
        client = self._client()

        def read(file: ListedFile, start: int) -> Iterator[bytes]:
            return client.read(file, f"{self.prefix}/{file.name}", start)

        self._objects().fetch(pinned, folder, read, on_progress)

    def verify(self, pinned: Pinned, folder: Path) -> None:
        for file in pinned.files:
            file.verify(folder, self.spelled)

    def _objects(self) -> Objects:
        return Objects(self.spelled, f"s3://{self.bucket}/{self.prefix}", self.revision, self.settings)

    def _client(self) -> "S3Client":
        from serving.adapters.sources.s3_client import S3Client

        return S3Client(self.spelled, self.bucket, self.settings)
