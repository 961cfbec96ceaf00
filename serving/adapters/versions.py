"""The files of adapter versions on disk: the published files, and the blob made of them for this base and dtype."""

import logging
import os
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch

from serving.adapters.base_shape import BaseShape
from serving.adapters.blob import AdapterBlob, Allocate, BlobKey, Traits, blob_id, read_blob, read_header
from serving.adapters.digests import ADAPTER_FILES, TEMPLATE_FILE, adapter_digest
from serving.adapters.durable import PARTIAL_SUFFIX, read_failed, storage_failed, sync_folder
from serving.adapters.file_id import FileId
from serving.adapters.index import Ingested
from serving.adapters.ingest import ingest
from serving.adapters.load_stages import LoadStages
from serving.errors import AdapterCorrupt, ServingError
from serving.types import AdapterDigest, BaseDigest

log = logging.getLogger("serving.adapters")


class VersionFiles:
    """home/versions/<digest>/ and home/blobs/. Folder and file names are digests, never text from a request.

    Used by several threads at once. problems: versions that this base cannot serve, and why.
    """

    def __init__(self, home: Path, base: BaseShape, base_digest: BaseDigest, dtype: torch.dtype) -> None:
        self._versions = home / "versions"
        self._blobs = home / "blobs"
        self._base = base
        self._base_digest = base_digest
        self._dtype = dtype
        self._sizes: dict[AdapterDigest, Ingested] = {}
        self._verified: dict[AdapterDigest, FileId] = {}
        self._ingesting = threading.Lock()
        self._held: Counter[AdapterDigest] = Counter()
        self._holding = threading.Lock()
        self.problems: dict[AdapterDigest, ServingError] = {}

    def prepare(self, known: Mapping[AdapterDigest, Ingested | None]) -> dict[AdapterDigest, Ingested]:
        """Makes the folders match the index: deletes leftovers, ingests versions without a blob, returns the new blobs.

        A blob file with the expected name is not opened: its bytes are verified when it is loaded. A version that does
        not fit this base, or whose files are gone, is not served; its files stay. Raises StorageFailed.
        """
        blobs = {digest: self._key(digest).file_name() for digest in known}
        _sweep(self._versions, {str(digest) for digest in known})
        present = _sweep(self._blobs, set(blobs.values()))
        fresh: dict[AdapterDigest, Ingested] = {}
        for digest, ingested in known.items():
            if ingested is not None and ingested.blob == blobs[digest] and ingested.blob in present:
                self._sizes[digest] = ingested
                continue
            try:
                self._sizes[digest] = fresh[digest] = self._measured(digest)
            except ServingError as problem:
                self.problems[digest] = problem
                log.warning("adapter_not_served adapter=%s error=%s", digest, problem)
        return fresh

    def publish(self, staged: Path, digest: AdapterDigest, adapter: str) -> None:
        """Ingests the adapter in the folder `staged` and keeps its files. adapter: the name to use in errors.

        Raises AdapterCorrupt, AdapterIncompatible, StorageFailed; then nothing is kept.
        """
        with self._ingesting:  # one at a time: an ingest holds a whole adapter in memory
            blob = ingest(adapter, staged, self._key(digest), self._base, self._blobs)
            self._keep(staged, digest)
            self._verified[digest] = blob_id(self._blobs, self._key(digest))
            self._sizes[digest] = self._ingested(digest, blob.rank, blob.nbytes, blob.traits)

    def size(self, digest: AdapterDigest) -> Ingested | None:
        """The version's blob and its bytes in memory; None if it is not stored or does not fit this base."""
        return self._sizes.get(digest)

    def open(self, digest: AdapterDigest, allocate: Allocate, stages: LoadStages) -> AdapterBlob:
        """The version's blob in a buffer from `allocate`. A damaged blob is ingested again, into memory of its own.

        Every byte is hashed at ingest and at the first read after a start, which finds bytes that have rotted or were
        changed on disk. A file whose inode, size and times are those of the hashed file is not hashed again: hashing
        again would only read the page cache, which hides disk rot, and it dominates a warm load. Raises AdapterCorrupt,
        StorageFailed.
        """
        key, verified = self._key(digest), self._verified.get(digest)
        try:
            blob, self._verified[digest] = read_blob(self._blobs, key, verified, allocate, stages)
            return blob
        except (FileNotFoundError, AdapterCorrupt) as problem:
            log.warning("adapter_blob_damaged adapter=%s error=%s", digest, problem)
        except OSError as error:
            raise read_failed(self._blobs / key.file_name(), error) from error
        with self._ingesting:
            blob = self._ingest_again(digest)
        self._verified[digest] = blob_id(self._blobs, key)
        payload = blob.payload.clone()  # a mapped file that is cut short would end the process
        return replace(blob, payload=payload, modules=blob.views(payload))

    def chat_template(self, digest: AdapterDigest) -> str | None:
        """The chat template that the version brings; None if it has none. Raises AdapterCorrupt, StorageFailed."""
        path = self._versions / digest / TEMPLATE_FILE
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise read_failed(path, error) from error
        except UnicodeDecodeError as error:
            raise AdapterCorrupt(digest, TEMPLATE_FILE, f"not readable as UTF-8 text: {error}") from error

    def hold(self, digest: AdapterDigest) -> None:
        """Keeps the version from being deleted until as many calls of `release`; it need not be stored yet."""
        with self._holding:
            self._held[digest] += 1

    def release(self, digest: AdapterDigest) -> None:
        """Takes one `hold` back. A deletion that it prevented must be asked for again."""
        with self._holding:
            self._held[digest] -= 1
            if not self._held[digest]:
                del self._held[digest]

    def delete(self, digest: AdapterDigest) -> None:
        """Removes the version from disk unless it is held. Blobs that are mapped stay readable until unmapped.

        Raises StorageFailed.
        """
        with self._ingesting:  # a version that is published again meanwhile is not unlinked after that
            with self._holding:
                if digest in self._held:
                    return
                self._sizes.pop(digest, None)
                self._verified.pop(digest, None)
            _delete(self._blobs / self._key(digest).file_name())
            _delete(self._versions / digest)

    def disk_bytes(self) -> int:
        """Bytes of all version folders and blobs."""
        folders = (self._versions, self._blobs)
        return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())

    def _key(self, digest: AdapterDigest) -> BlobKey:
        return BlobKey(digest, self._base_digest, self._dtype)

    def _ingested(self, digest: AdapterDigest, rank: int, nbytes: int, traits: Traits) -> Ingested:
        return Ingested(blob=self._key(digest).file_name(), rank=rank, nbytes=nbytes, **asdict(traits))

    def _measured(self, digest: AdapterDigest) -> Ingested:
        try:
            header = read_header(self._blobs, self._key(digest))
            return self._ingested(digest, header.rank, header.payload_bytes, header.traits)
        except (FileNotFoundError, AdapterCorrupt):
            blob = self._ingest_again(digest)
            return self._ingested(digest, blob.rank, blob.nbytes, blob.traits)
        except OSError as error:
            raise read_failed(self._blobs / self._key(digest).file_name(), error) from error

    def _ingest_again(self, digest: AdapterDigest) -> AdapterBlob:
        files = self._versions / digest
        try:
            intact = files.is_dir() and adapter_digest(files) == digest
        except OSError as error:
            raise read_failed(files, error) from error
        if not intact:
            raise AdapterCorrupt(
                digest, str(files), "its files are gone or have changed; remove the adapter and add it again"
            )
        return ingest(digest, files, self._key(digest), self._base, self._blobs)

    def _keep(self, staged: Path, digest: AdapterDigest) -> None:
        kept, partial = self._versions / digest, self._versions / (digest + PARTIAL_SUFFIX)
        try:
            _delete(partial)
            partial.mkdir(parents=True)
            for name in ADAPTER_FILES:
                if (staged / name).is_file():
                    _move_durably(staged / name, partial / name)
            _delete(kept)
            partial.rename(kept)
            sync_folder(self._versions)
        except OSError as error:
            raise storage_failed(kept, error) from error


def _move_durably(source: Path, target: Path) -> None:
    with source.open("rb") as file:
        os.fsync(file.fileno())
    source.rename(target)


def _sweep(folder: Path, kept: set[str]) -> set[str]:
    """Deletes all but `kept`; returns the kept entries that exist. Raises StorageFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = set(os.listdir(folder))
    except OSError as error:
        raise storage_failed(folder, error) from error
    for name in present - kept:
        _delete(folder / name)
    return present & kept


def _delete(path: Path) -> None:
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_failed(path, error) from error
