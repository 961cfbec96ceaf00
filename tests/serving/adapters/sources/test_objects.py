"""Files of servers that list nothing: found by name, pinned by strong ETags, resumed, and never mixed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.adapters.sources.objects import Look, Objects, Read
from serving.adapters.sources.source import ListedFile, SourceSettings
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
CONTENT = {CONFIG: b"{}", WEIGHTS: b"0123456789"}


def objects(revision: str | None = None) -> Objects:
    return Objects("test", "https://host/x", revision, SourceSettings(attempts=2, pause_s=0.0))


def looking(etags: dict[str, str | None]) -> Look:
    """A server whose files have these ETags."""

    def look(name: str) -> ListedFile | None:
        return ListedFile(name, len(CONTENT.get(name, b"")), etag=etags[name]) if name in etags else None

    return look


def reading(chunk_bytes: int = 4, most: int = 1 << 30) -> Read:
    """Sends `chunk_bytes` at a time and breaks off after `most` bytes of each answer."""

    def read(file: ListedFile, start: int) -> Iterator[bytes]:
        for at in range(start, min(len(CONTENT[file.name]), start + most), chunk_bytes):
            yield CONTENT[file.name][at : at + chunk_bytes]

    return read


def test_strong_etags_pin_a_version() -> None:
    first, same, other = (objects().resolve(looking({CONFIG: '"c"', WEIGHTS: etag})) for etag in ('"1"', '"1"', '"2"'))

    assert first.immutable
    assert first.source.startswith("https://host/x#")
    assert first == same
    assert first.source != other.source


def test_without_a_strong_etag_nothing_is_pinned() -> None:
    pinned = objects().resolve(looking({CONFIG: '"c"', WEIGHTS: None}))

    assert (pinned.source, pinned.immutable) == ("https://host/x", False)


def test_another_version_than_the_wanted_one_is_refused() -> None:
    wanted = objects().resolve(looking({CONFIG: '"c"', WEIGHTS: '"1"'})).source.partition("#")[2]

    assert objects(wanted).resolve(looking({CONFIG: '"c"', WEIGHTS: '"1"'})).immutable
    with pytest.raises(SourceRefused, match="it has another version now"):
        objects(wanted).resolve(looking({CONFIG: '"c"', WEIGHTS: '"2"'}))


def test_a_pickle_in_place_of_the_weights_is_named() -> None:
    with pytest.raises(SourceRefused, match="pickle"):
        objects().resolve(looking({CONFIG: '"c"', "adapter_model.bin": '"p"'}))
    with pytest.raises(AdapterCorrupt, match=f"{WEIGHTS}: it is missing"):
        objects().resolve(looking({CONFIG: '"c"'}))


@pytest.mark.parametrize("chunk_bytes", [1, 3, 100])
def test_files_arrive_whole_in_chunks_of_any_size(chunk_bytes: int, tmp_path: Path) -> None:
    seen: list[float] = []
    pinned = objects().resolve(looking({CONFIG: '"c"', WEIGHTS: '"1"'}))

    objects().fetch(pinned, tmp_path, reading(chunk_bytes), seen.append)

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == CONTENT
    assert seen[-1] == 1.0


def test_a_broken_transfer_is_resumed_and_nothing_has_its_name_before_all_is_there(tmp_path: Path) -> None:
    pinned = objects().resolve(looking({CONFIG: '"c"', WEIGHTS: '"1"'}))

    with pytest.raises(SourceUnavailable, match=f"{WEIGHTS} broke off after 8 bytes"):
        objects().fetch(pinned, tmp_path, reading(most=4), lambda fraction: None)
    assert not {path.name for path in tmp_path.iterdir()} & set(CONTENT)

    objects().fetch(pinned, tmp_path, reading(most=4), lambda fraction: None)
    assert (tmp_path / WEIGHTS).read_bytes() == CONTENT[WEIGHTS]


def test_a_file_longer_than_announced_is_given_up(tmp_path: Path) -> None:
    pinned = objects().resolve(looking({CONFIG: '"c"', WEIGHTS: '"1"'}))

    def read(file: ListedFile, start: int) -> Iterator[bytes]:
        yield b"x" * 11

    with pytest.raises(SourceUnavailable, match="is longer than announced"):
        objects().fetch(pinned, tmp_path, read, lambda fraction: None)
