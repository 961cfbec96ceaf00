"""Digests that name adapter versions, base models and tokenizers.

All three follow one rule: take those of the listed files that exist, sort them by name, write a line `<sha256 of the
file>  <name>` (ended by a newline) for each, and take the sha256 of all lines, in lower-case hex. Anybody can check a
digest with coreutils: `sha256sum adapter_config.json adapter_model.safetensors chat_template.jinja | sha256sum`.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from serving.errors import BaseModelUnusable
from serving.types import AdapterDigest, BaseDigest

WEIGHTS_FILE = "adapter_model.safetensors"
CONFIG_FILE = "adapter_config.json"
TEMPLATE_FILE = "chat_template.jinja"
ADAPTER_FILES = (CONFIG_FILE, WEIGHTS_FILE, TEMPLATE_FILE)

TOKENIZER_FILES = (
    "added_tokens.json",
    "chat_template.jinja",
    "merges.txt",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "vocab.json",
)
BASE_PATTERNS = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "generation_config.json",
    *TOKENIZER_FILES,
)


def file_digest(path: Path) -> str:
    """The sha256 of the file's content, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(digests: Mapping[str, str]) -> str:
    """The digest of `file name → sha256 of the file`, by the rule of this module."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def adapter_digest(folder: Path) -> AdapterDigest:
    """The digest of the adapter version in `folder`: config, weights and, if there is one, chat template."""
    return AdapterDigest(files_digest({name: file_digest(folder / name) for name in _existing(folder, ADAPTER_FILES)}))


def tokenizer_digest(folder: Path) -> str:
    """The digest of the tokenizer in `folder`, chat template included."""
    return files_digest({name: file_digest(folder / name) for name in _existing(folder, TOKENIZER_FILES)})


def base_digest(
    folder: Path,
    on_progress: Callable[[float], None] = lambda fraction: None,
    digest_of: Callable[[Path], str] = file_digest,
) -> BaseDigest:
    """The digest of the base model in `folder`: weights, config and tokenizer. Raises BaseModelUnusable.

    digest_of: gives a file's sha256; the default reads every byte.
    """
    names = _existing(folder, BASE_PATTERNS)
    if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
        raise BaseModelUnusable(f"{folder} is not a model folder: it needs config.json and *.safetensors.")
    total_bytes = sum((folder / name).stat().st_size for name in names)
    digests: dict[str, str] = {}
    done_bytes = 0
    for name in names:
        digests[name] = digest_of(folder / name)
        done_bytes += (folder / name).stat().st_size
        on_progress(done_bytes / total_bytes)
    return BaseDigest(files_digest(digests))


def _existing(folder: Path, patterns: Iterable[str]) -> list[str]:
    return sorted({path.name for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
