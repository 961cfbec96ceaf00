"""The high-water mark: what was raised is still there after a crash, and a torn write never lowers it."""

import stat
from pathlib import Path

import pytest

from contracts.crypto import to_address
from node.store.errors import MarkDamaged
from node.store.seq_mark import SLOT_BYTES, SeqMark, mark_path

VAULT = to_address("0x" + "7a" * 20)


def reopened(home: Path) -> SeqMark:
    mark = SeqMark.open(home, VAULT)
    assert mark is not None
    return mark


def test_a_home_without_a_mark_has_none(tmp_path: Path) -> None:
    assert SeqMark.open(tmp_path, VAULT) is None


def test_a_raised_mark_is_read_again(tmp_path: Path) -> None:
    mark = SeqMark.create(tmp_path, VAULT, 3)
    for value in range(4, 9):
        mark.raise_to(value)
        assert reopened(tmp_path).value == value

    assert reopened(tmp_path).mark_id == mark.mark_id


def test_a_mark_is_never_lowered(tmp_path: Path) -> None:
    mark = SeqMark.create(tmp_path, VAULT, 9)

    mark.raise_to(4)

    assert (mark.value, reopened(tmp_path).value) == (9, 9)


@pytest.mark.parametrize("raised", [1, 2, 5])
def test_a_torn_write_leaves_the_mark_before_it(tmp_path: Path, raised: int) -> None:
    mark = SeqMark.create(tmp_path, VAULT, 0)
    for value in range(1, raised + 1):
        mark.raise_to(value)
    path = mark_path(tmp_path, VAULT)
    before = path.read_bytes()
    mark.raise_to(raised + 1)
    after = path.read_bytes()
    changed = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
    torn = bytearray(after)
    torn[changed[-1] :] = b"\xff" * (len(after) - changed[-1]) if changed[-1] >= SLOT_BYTES else after[changed[-1] :]
    torn[changed[0]] ^= 0xFF
    path.write_bytes(bytes(torn))

    assert reopened(tmp_path).value == raised


def test_a_damaged_mark_is_named_and_not_taken_for_zero(tmp_path: Path) -> None:
    SeqMark.create(tmp_path, VAULT, 7)
    mark_path(tmp_path, VAULT).write_bytes(b"")

    with pytest.raises(MarkDamaged, match=VAULT):
        SeqMark.open(tmp_path, VAULT)


def test_only_the_owner_reads_the_mark(tmp_path: Path) -> None:
    SeqMark.create(tmp_path, VAULT, 7)
    path = mark_path(tmp_path, VAULT)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
