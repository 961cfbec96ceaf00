"""Nothing is stored that every request would fail with: chat templates and files of another kind are refused."""

from pathlib import Path

import pytest

from serving.adapters.digests import CONFIG_FILE, TEMPLATE_FILE, WEIGHTS_FILE
from serving.errors import AdapterCorrupt, AdapterIncompatible
from tests.serving.adapters.biased import ingested
from tests.serving.adapters.tiny import base_shape, write_adapter

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
TEMPLATES = {
    "a syntax error": (b"{{ messages[0].content }}\n{% if %}", "line 2: TemplateSyntaxError"),
    "not UTF-8": (b"one\ntwo \xff\xfe three", "line 2: not valid UTF-8 .byte 0xff at offset 8"),
    "UTF-16": ("{{ messages }}".encode("utf-16"), "line 1: not valid UTF-8"),
    "empty": (b"", "it is empty"),
    "a Git LFS pointer": (POINTER, "a Git LFS pointer"),
    "an HTML page": (b"<!DOCTYPE html><title>Not found</title>", "an HTML page"),
}


@pytest.mark.parametrize(("template", "reason"), TEMPLATES.values(), ids=TEMPLATES.keys())
def test_an_unusable_chat_template_is_refused_with_its_adapter(template: bytes, reason: str, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "x")
    (folder / TEMPLATE_FILE).write_bytes(template)

    with pytest.raises(AdapterCorrupt, match=rf"chat_template\.jinja: .*{reason}"):
        ingested(folder, base_shape())

    assert not (tmp_path / "blobs").exists()


def test_a_usable_chat_template_is_no_obstacle(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "x")
    (folder / TEMPLATE_FILE).write_text("{{ messages[0].content }} ü", encoding="utf-8")

    assert ingested(folder, base_shape()).rank == 2


@pytest.mark.parametrize("name", [CONFIG_FILE, WEIGHTS_FILE])
def test_a_git_lfs_pointer_is_called_one(name: str, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "x")
    (folder / name).write_bytes(POINTER)

    with pytest.raises(AdapterCorrupt, match=rf"{name}: it is a Git LFS pointer, .*git lfs pull"):
        ingested(folder, base_shape())


def test_a_million_keys_are_refused_before_they_are_parsed(tmp_path: Path) -> None:
    """87 MB of header, as a stranger made it: parsing it takes seconds and 1.6 GB, with the GIL held."""
    folder = write_adapter(tmp_path / "x")
    weights = folder / WEIGHTS_FILE
    content = weights.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length].rstrip(), content[8 + length :]
    entry = f'"dtype":"F32","shape":[0],"data_offsets":[{len(data)},{len(data)}]'
    header = header[:-1] + b"".join(b',"x%d":{%s}' % (i, entry.encode()) for i in range(1_300_000)) + b"}"
    weights.write_bytes(len(header).to_bytes(8, "little") + header + data)

    with pytest.raises(AdapterCorrupt, match=r"its header has \d{8} bytes; at most 1048576 are read"):
        ingested(folder, base_shape())


@pytest.mark.parametrize("field", ["rank_pattern", "alpha_pattern"])
def test_a_config_of_very_many_patterns_is_given_up(field: str, tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "x", **{field: {f"p{i}": 1 for i in range(30_000)}})

    with pytest.raises(AdapterIncompatible, match="too many patterns"):
        ingested(folder, base_shape())


def test_a_config_of_very_many_targets_is_read_quickly(tmp_path: Path) -> None:
    folder = write_adapter(tmp_path / "x", target_modules=["q_proj", *(f"t{i}" for i in range(50_000))])

    assert ingested(folder, base_shape()).rank == 2
