"""Which files make up an adapter, and whether what arrived is what was announced."""

import hashlib
from pathlib import Path

import pytest

from serving.adapters.sources.source import ListedFile, SourceSettings, choose_files
from serving.errors import AdapterCorrupt, SourceRefused

CONFIG, WEIGHTS, TEMPLATE = "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"


def chosen(*files: ListedFile, **settings: int) -> list[str]:
    return [file.name for file in choose_files("test", files, SourceSettings(**settings))]  # type: ignore[arg-type]


def test_config_template_and_weights_are_chosen_and_nothing_else() -> None:
    others = [ListedFile(name) for name in ("README.md", "tokenizer.json", "adapter_model.bin", f"old/{WEIGHTS}")]

    assert chosen(*others, ListedFile(WEIGHTS), ListedFile(TEMPLATE), ListedFile(CONFIG)) == [CONFIG, TEMPLATE, WEIGHTS]
    assert chosen(ListedFile(WEIGHTS), ListedFile(CONFIG)) == [CONFIG, WEIGHTS]


@pytest.mark.parametrize("missing", [CONFIG, WEIGHTS])
def test_a_missing_file_is_named(missing: str) -> None:
    with pytest.raises(AdapterCorrupt, match=f"{missing}: it is missing"):
        chosen(*(ListedFile(name) for name in (CONFIG, WEIGHTS) if name != missing))


@pytest.mark.parametrize("name", ["adapter_model.bin", "x.pt", "x.pth", "x.pkl", "x.pickle", "x.ckpt"])
def test_weights_that_are_a_pickle_are_refused(name: str) -> None:
    with pytest.raises(SourceRefused, match="pickle"):
        chosen(ListedFile(CONFIG), ListedFile(name))


@pytest.mark.parametrize(("name", "limit"), [(WEIGHTS, 1000), (CONFIG, 10), (TEMPLATE, 10)])
def test_each_file_has_its_own_limit(name: str, limit: int) -> None:
    def files(nbytes: int) -> list[ListedFile]:
        sizes = {CONFIG: 1, TEMPLATE: 1, WEIGHTS: 1, name: nbytes}
        return [ListedFile(each, size) for each, size in sizes.items()]

    assert chosen(*files(limit), weights_bytes=1000, small_file_bytes=10)
    with pytest.raises(SourceRefused, match=f"{name} is larger than the {limit} bytes"):
        chosen(*files(limit + 1), weights_bytes=1000, small_file_bytes=10)


def test_a_file_as_announced_passes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    git_sha1 = hashlib.sha1(b"blob 7\0content", usedforsecurity=False).hexdigest()

    for announced in (
        ListedFile("x"),
        ListedFile("x", 7),
        ListedFile("x", sha256=hashlib.sha256(b"content").hexdigest()),
        ListedFile("x", git_sha1=git_sha1),
    ):
        announced.verify(tmp_path, "test")


@pytest.mark.parametrize(
    ("announced", "reason"),
    [
        (ListedFile("none"), "did not arrive"),
        (ListedFile("x", 8), "7 bytes arrived instead of 8"),
        (ListedFile("x", sha256="0" * 64), "its sha256 is not 0000"),
        (ListedFile("x", git_sha1="0" * 40), "its git hash is not 0000"),
    ],
)
def test_anything_else_is_corrupt(announced: ListedFile, reason: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")

    with pytest.raises(AdapterCorrupt, match=reason):
        announced.verify(tmp_path, "test")
