"""The high-water mark of `seq`: the number of the newest receipt that was signed for a vault, in a file of the home.

It is outside the database, so that a database that is restored from a backup is recognised: a vault must never sign two
receipts with one number. A raised mark is on disk before any receipt up to it leaves the node. The file has two slots
that are written in turn, so a torn write spoils only the slot that was to be replaced.
"""

import os
import secrets
import zlib
from pathlib import Path

from contracts.crypto import Address
from node.store.durable import sync
from node.store.errors import MarkDamaged

SLOT_BYTES = 512
"""A sector: the disk writes it whole."""
_FOLDER = "seq-marks"


class SeqMark:
    """The mark of one vault. mark_id: names this file; the database keeps it, so that the two are known to belong.

    The process that owns the home has it open; one thread at a time raises it.
    """

    def __init__(self, path: Path, mark_id: str, value: int, writes: int) -> None:
        self.path, self.mark_id, self.value = path, mark_id, value
        self._writes = writes
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    @classmethod
    def open(cls, home: Path, vault: Address) -> "SeqMark | None":
        """The stored mark; None if this home has none. Raises MarkDamaged or OSError."""
        path = mark_path(home, vault)
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None
        slots = [_parsed(raw[start : start + SLOT_BYTES]) for start in (0, SLOT_BYTES)]
        newest = max((slot for slot in slots if slot is not None), default=None)
        if newest is None:
            raise MarkDamaged(path)
        writes, value, mark_id = newest
        return cls(path, mark_id, value, writes)

    @classmethod
    def create(cls, home: Path, vault: Address, value: int, mark_id: str | None = None) -> "SeqMark":
        """Writes the first mark of a vault; it is on disk when this returns. mark_id: None for a new one."""
        folder = home / _FOLDER
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path, fresh = folder / vault, folder / f"{vault}.new"
        mark_id = mark_id or secrets.token_hex(16)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(_slot(0, value, mark_id) + bytes(SLOT_BYTES))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        for directory in (folder, home):
            sync(directory)
        return cls(path, mark_id, value, 0)

    def raise_to(self, value: int) -> None:
        """Raises the mark; it is on disk when this returns. A lower value changes nothing. Raises OSError."""
        if value <= self.value:
            return
        slot = (self._writes + 1) % 2
        os.pwrite(self._descriptor, _slot(self._writes + 1, value, self.mark_id), slot * SLOT_BYTES)
        os.fdatasync(self._descriptor)
        self._writes, self.value = self._writes + 1, value

    def close(self) -> None:
        """Closes the file."""
        os.close(self._descriptor)


def mark_path(home: Path, vault: Address) -> Path:
    """The file of a vault's mark."""
    return home / _FOLDER / vault


def _slot(writes: int, value: int, mark_id: str) -> bytes:
    text = f"{writes} {value} {mark_id}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode().ljust(SLOT_BYTES, b"\0")


def _parsed(slot: bytes) -> tuple[int, int, str] | None:
    """(writes, value, mark_id) of an intact slot."""
    text, _, checksum = slot.rstrip(b"\0").decode("ascii", "replace").strip().rpartition(" ")
    if not text or f"{zlib.crc32(text.encode()):08x}" != checksum:
        return None
    writes, value, mark_id = text.split(" ")
    return int(writes), int(value), mark_id
