"""What a file often holds instead of what its name says, recognised by its first bytes."""

_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_STARTS = (
    (b"GGUF", "a GGUF file; convert it to a PEFT adapter with safetensors weights"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"<!doctype html", "an HTML page, which a web server sent in place of the file; check the address"),
    (b"<html", "an HTML page, which a web server sent in place of the file; check the address"),
)

START_BYTES = 128
"""How many bytes `mistaken_content` looks at."""


def mistaken_content(start: bytes) -> str | None:
    """What a file that starts with `start` is, and what to do, if it is no adapter file at all; else None.

    "a Git LFS pointer, not the file itself; run `git lfs pull`". Source of the format: git-lfs docs/spec.md.
    """
    if not start.strip():
        return "empty"
    if start.startswith(_LFS_POINTER):
        return "a Git LFS pointer, not the file itself; run `git lfs pull` in its repository"
    lowered = start.lstrip(b"\xef\xbb\xbf \t\r\n")[:START_BYTES].lower()
    for magic, called in _STARTS:
        if start.startswith(magic) or lowered.startswith(magic):
            return called
    return None
