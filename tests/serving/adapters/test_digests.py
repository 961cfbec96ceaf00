"""Digests: stable, and checkable with nothing but sha256sum."""

import os
import subprocess
from pathlib import Path

import pytest

from serving.adapters.digests import adapter_digest, base_digest, tokenizer_digest
from serving.errors import BaseModelUnusable


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_an_adapters_digest_is_what_sha256sum_makes_of_its_files(tmp_path: Path) -> None:
    write(tmp_path, adapter_model__safetensors="w", adapter_config__json="c", chat_template__jinja="t", README__md="r")

    pipeline = "sha256sum adapter_config.json adapter_model.safetensors chat_template.jinja | sha256sum"
    summed = subprocess.run(["sh", "-c", pipeline], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert adapter_digest(tmp_path) == summed.split()[0]


def test_a_digest_of_known_content_never_changes(tmp_path: Path) -> None:
    write(tmp_path, adapter_model__safetensors="weights", adapter_config__json="{}")

    assert adapter_digest(tmp_path) == "b67bf92f07566d661151ba460028eaff65e2f84746b31ea10f15282a292252ac"


def test_only_the_files_that_matter_count(tmp_path: Path) -> None:
    write(tmp_path, adapter_model__safetensors="w", adapter_config__json="c")
    before = adapter_digest(tmp_path)

    write(tmp_path, README__md="changed", optimizer__pt="changed")
    os.utime(tmp_path / "adapter_config.json", (1, 1))
    assert adapter_digest(tmp_path) == before

    write(tmp_path, chat_template__jinja="")
    assert adapter_digest(tmp_path) != before


def test_bytes_moved_from_one_file_to_another_change_the_digest(tmp_path: Path) -> None:
    one = write(tmp_path / "one", adapter_model__safetensors="ab", adapter_config__json="c")
    two = write(tmp_path / "two", adapter_model__safetensors="a", adapter_config__json="bc")

    assert adapter_digest(one) != adapter_digest(two)


def test_a_base_digest_covers_weights_config_and_tokenizer(tmp_path: Path) -> None:
    digests = [base_digest(write(tmp_path, model__safetensors="w", config__json="{}"))]
    for change in (
        {"model__safetensors": "x"},
        {"config__json": "{ }"},
        {"tokenizer__json": "t"},
        {"merges__txt": "m"},
    ):
        digests.append(base_digest(write(tmp_path, **change)))

    assert len(set(digests)) == len(digests)
    write(tmp_path, README__md="r", training_args__bin="b")
    assert base_digest(tmp_path) == digests[-1]


def test_a_tokenizer_digest_ignores_the_weights(tmp_path: Path) -> None:
    write(tmp_path, tokenizer__json="t", model__safetensors="w")
    before = tokenizer_digest(tmp_path)

    write(tmp_path, model__safetensors="x")
    assert tokenizer_digest(tmp_path) == before
    write(tmp_path, tokenizer__json="u")
    assert tokenizer_digest(tmp_path) != before


def test_progress_of_a_base_digest_ends_at_one(tmp_path: Path) -> None:
    seen: list[float] = []

    base_digest(write(tmp_path, model__safetensors="w" * 1000, config__json="{}"), seen.append)

    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_a_folder_without_weights_is_no_base(tmp_path: Path) -> None:
    with pytest.raises(BaseModelUnusable, match=r"config\.json"):
        base_digest(write(tmp_path, config__json="{}"))
