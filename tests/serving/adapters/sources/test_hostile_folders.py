"""`file:` folders that a stranger made: links out of the folder, and directories or pipes in place of files."""

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.adapters.digests import ADAPTER_FILES, TEMPLATE_FILE
from serving.errors import AdapterCorrupt, SourceRefused, SourceUnavailable
from tests.serving.adapters.conftest import OpenStore
from tests.serving.adapters.tiny import write_adapter

ANYWHERE = ["file:"]
LEAVES = "leads out of the adapter's folder"


def adapter_without(folder: Path, name: str) -> Path:
    """An adapter with a chat template, except that nothing has the name `name`; returns where that file would be."""
    write_adapter(folder)
    (folder / TEMPLATE_FILE).write_text("{{ messages[0].content }}")
    (folder / name).unlink()
    return folder / name


@pytest.fixture(params=ADAPTER_FILES)
def missing(request: pytest.FixtureRequest, srv: Path, open_store: OpenStore) -> Path:
    """Each file of an adapter in turn, which the test puts something else in the place of."""
    return adapter_without(srv / "x", request.param)


def sibling(missing: Path) -> Path:
    """A valid file of the same name, next to the adapter's folder but not in it."""
    elsewhere = missing.parent.parent / "elsewhere"
    adapter_without(elsewhere, missing.name)
    genuine = write_adapter(missing.parent.parent / "genuine", seed=2)
    (genuine / TEMPLATE_FILE).write_text("a secret")
    (genuine / missing.name).rename(elsewhere / missing.name)
    return elsewhere / missing.name


def absolute(missing: Path) -> None:
    missing.symlink_to(sibling(missing))


def relative(missing: Path) -> None:
    missing.symlink_to(Path("..", "elsewhere", sibling(missing).name))


def link_to_a_link(missing: Path) -> None:
    (missing.parent / "second").symlink_to(sibling(missing))
    missing.symlink_to("second")


def through_a_linked_folder(missing: Path) -> None:
    (missing.parent / "deeper").symlink_to(sibling(missing).parent)
    missing.symlink_to(Path("deeper", missing.name))


def out_and_in_again_elsewhere(missing: Path) -> None:
    sibling(missing)
    missing.symlink_to(Path("..", "x", "..", "elsewhere", missing.name))


def to_nothing_outside(missing: Path) -> None:
    missing.symlink_to("/nonexistent/secret")


def to_a_device(missing: Path) -> None:
    missing.symlink_to("/dev/zero")


def to_blobs_of_another_repository(missing: Path) -> None:
    """The folder is no snapshot of a cache, so its neighbour `blobs` is not its own."""
    other = missing.parent.parent / "blobs"
    sibling(missing).parent.rename(other)
    missing.symlink_to(other / missing.name)


LINKS = [
    absolute,
    relative,
    link_to_a_link,
    through_a_linked_folder,
    out_and_in_again_elsewhere,
    to_nothing_outside,
    to_a_device,
    to_blobs_of_another_repository,
]


@pytest.mark.parametrize("make_link", LINKS)
async def test_a_link_out_of_the_folder_is_refused(
    make_link: Callable[[Path], None], missing: Path, open_store: OpenStore, tmp_path: Path
) -> None:
    make_link(missing)
    store = open_store(allowed_sources=ANYWHERE)

    with pytest.raises(SourceRefused, match=f"{missing.name} {LEAVES}"):
        await store.add("x", f"file:{missing.parent}")

    assert store.count() == 0
    assert not list((tmp_path / "home" / "versions").iterdir())


async def test_a_snapshot_s_link_to_the_blobs_of_another_repository_is_refused(
    missing: Path, open_store: OpenStore, srv: Path
) -> None:
    """models--mine--x/snapshots/c/file may link to models--mine--x/blobs, not to another repository's."""
    snapshot = srv / "models--mine--x" / "snapshots" / "c"
    snapshot.parent.mkdir(parents=True)
    theirs = srv / "models--theirs--y" / "blobs"
    theirs.mkdir(parents=True)
    sibling(missing).rename(theirs / "blob")
    missing.parent.rename(snapshot)
    (snapshot / missing.name).symlink_to(theirs / "blob")

    with pytest.raises(SourceRefused, match=LEAVES):
        await open_store(allowed_sources=ANYWHERE).add("x", f"file:{snapshot}")


def a_directory(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    os.chdir(path.parent)  # the name of a socket has at most 108 bytes
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path.name)


def a_link_to_a_directory(path: Path) -> None:
    (path.parent / "sub").mkdir()
    path.symlink_to("sub")


def a_link_to_a_pipe(path: Path) -> None:
    os.mkfifo(path.parent / "pipe")
    path.symlink_to("pipe")


NO_FILES = {
    "directory": (a_directory, "a directory"),
    "named pipe": (os.mkfifo, "a named pipe"),
    "socket": (a_socket, "a socket"),
    "link to a directory": (a_link_to_a_directory, "a directory"),
    "link to a named pipe": (a_link_to_a_pipe, "a named pipe"),
}


@pytest.mark.parametrize(("make", "called"), NO_FILES.values(), ids=NO_FILES.keys())
async def test_what_is_no_file_is_called_what_it_is(
    make: Callable[[Path], None], called: str, missing: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(missing.parent)
    make(missing)

    with pytest.raises(AdapterCorrupt, match=f"{missing.name}: it is {called}, not a regular file"):
        await open_store().add("x", f"file:{missing.parent}")


def link(path: Path, target: str) -> None:
    path.symlink_to(target)


@pytest.mark.parametrize("target", ["gone", "second"], ids=["dangling", "loop"])
async def test_a_link_that_leads_nowhere_is_named(target: str, missing: Path, open_store: OpenStore) -> None:
    link(missing.parent / "second", missing.name)
    link(missing, target)

    with pytest.raises((AdapterCorrupt, SourceRefused), match=rf"{missing.name}.* a link that leads nowhere"):
        await open_store().add("x", f"file:{missing.parent}")


async def test_a_folder_that_links_to_itself_is_no_crash(open_store: OpenStore, srv: Path) -> None:
    link(srv / "loop", "loop")

    with pytest.raises(SourceUnavailable, match="the folder cannot be read: Too many levels of symbolic links"):
        await open_store().add("x", f"file:{srv / 'loop'}")


@pytest.mark.parametrize("uri", ["file:~nobody-of-this-name/x", "file:/" + "x" * 300, "file:/" + "x/" * 2000])
async def test_a_path_that_no_system_has_is_refused(uri: str, open_store: OpenStore) -> None:
    with pytest.raises((SourceRefused, SourceUnavailable)):
        await open_store(allowed_sources=ANYWHERE).add("x", uri)


@pytest.fixture
def forbidden(missing: Path) -> Path:
    missing.write_text("x")
    return missing


async def test_a_file_that_may_not_be_read_is_named(
    forbidden: Path, open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is simulated, because root, who runs the tests in containers, may read everything."""
    open_file = os.open

    def refusing(path: str, *args: int, **kwargs: int) -> int:
        if path == forbidden.name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return open_file(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", refusing)

    with pytest.raises(SourceUnavailable, match=f"{forbidden.name} cannot be read: Permission denied"):
        await open_store().add("x", f"file:{forbidden.parent}")


async def test_a_file_in_place_of_the_folder_is_called_one(open_store: OpenStore, srv: Path) -> None:
    folder = write_adapter(srv / "x")

    with pytest.raises(SourceUnavailable, match="it is a file; give the folder that holds"):
        await open_store().add("x", f"file:{folder / 'adapter_config.json'}")
