"""Files that are something else than their names say are recognised by how they start."""

import pytest

from serving.adapters.mistaken_content import mistaken_content

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 12345\n"


@pytest.mark.parametrize(
    ("start", "called"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (POINTER, "a Git LFS pointer"),
        (b"\n <!DOCTYPE HTML PUBLIC", "an HTML page"),
        (b'<HTML lang="en">', "an HTML page"),
        (b"\x28\xb5\x2f\xfd\x00", "a zstd archive"),
    ],
)
def test_other_content_is_called_what_it_is(start: bytes, called: str) -> None:
    assert str(mistaken_content(start)).startswith(called)


@pytest.mark.parametrize(
    "start",
    [b'{"peft_type": "LORA"}', b"{% for message in messages %}", b"\x40\x01\0\0\0\0\0\0{", b"<|user|>", b"versions"],
)
def test_files_of_an_adapter_are_not_mistaken(start: bytes) -> None:
    assert mistaken_content(start) is None
