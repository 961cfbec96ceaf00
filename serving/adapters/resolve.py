"""The base model's folder: given by the operator, or fetched once from a hub and pinned in the node's home."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from serving.adapters.digests import BASE_PATTERNS
from serving.adapters.durable import storage_failed, write_whole
from serving.adapters.mistaken_content import START_BYTES, mistaken_content
from serving.adapters.sources.allowed import AllowedSources
from serving.adapters.sources.contained import ContainedFolder, LinkLeavesFolder, NotRegularFile
from serving.adapters.sources.hub import HubSource
from serving.adapters.sources.source import ListedFile, SourceSettings
from serving.errors import AdapterCorrupt, BaseModelUnusable

_ANY_HUB = AllowedSources(hub_prefixes=("",))
_DOWNLOAD_S = 24 * 3600.0


def resolve_base(
    base: str | Path,
    home: Path,
    *,
    settings: SourceSettings | None = None,
    on_progress: Callable[[float], None] = lambda fraction: None,
) -> Path:
    """The folder of the base model: `base` itself, or the download of `hf:org/name@revision` (or `org/name`).

    home: where downloads are kept. A downloaded base stays at the commit of its first download, and the hub is not
    asked again, so a node restarts offline and with the same weights. on_progress: called with a fraction, 0 to 1.
    Blocking.

    Raises BaseModelUnusable, SourceRefused, SourceUnavailable, StorageFailed.
    """
    uri = str(base)
    folder = Path(base).expanduser()
    if not uri.startswith("hf:"):
        if folder.is_dir():
            folder = folder.resolve()
            _check_files(folder)
            return folder
        if uri.count("/") != 1 or uri.startswith((".", "/", "~")):
            raise BaseModelUnusable(f"There is no folder {folder}. Give a model folder or hf:org/name@revision.")
        uri = f"hf:{uri}"
    settings = replace(settings or SourceSettings(), download_s=_DOWNLOAD_S)
    source = HubSource.parse(uri, uri.removeprefix("hf:"), _ANY_HUB, settings)
    bases = home / "bases" / source.repository.replace("/", "--")
    pinned = _pinned_commit(bases, source.revision)
    if pinned is None:
        pinned = _fetch(source, bases, on_progress)
    return bases / pinned


def _check_files(folder: Path) -> None:
    """Refuses a given folder with files that a stranger planted or that a download left incomplete.

    Weights may be links to another disk. Other files may not leave the folder: a template becomes part of every prompt.
    """
    for name in sorted(os.listdir(folder)):
        if not any(fnmatch(name, pattern) for pattern in BASE_PATTERNS):
            continue
        try:
            path = Path(os.path.realpath(folder / name)) if name.endswith(".safetensors") else folder / name
            with ContainedFolder(path.parent).open(path.name) as file:
                start = file.read(START_BYTES)
        except LinkLeavesFolder as error:
            problem = "is a link that leads out of the folder. Copy the file itself into the folder."
            raise BaseModelUnusable(f"{folder / name} {problem}") from error
        except NotRegularFile as error:
            raise BaseModelUnusable(f"{folder / name} cannot be read: {error}.") from error
        except OSError as error:
            raise BaseModelUnusable(f"{folder / name} cannot be read: {error.strerror}.") from error
        mistaken = mistaken_content(start) if start.strip() else None  # an optional file may be empty
        if mistaken is not None:
            raise BaseModelUnusable(f"{folder / name} is {mistaken}.")


def _pinned_commit(bases: Path, revision: str) -> str | None:
    """The commit that `revision` is pinned to, if its folder is complete; else None."""
    commit = _revisions(bases).get(revision)
    return commit if commit is not None and (bases / commit).is_dir() else None


def _fetch(source: HubSource, bases: Path, on_progress: Callable[[float], None]) -> str:
    commit, listed = source.listing()
    files = _model_files(source, listed)
    target, partial = bases / commit, bases / f"{commit}.partial"
    if not target.is_dir():
        partial.mkdir(parents=True, exist_ok=True)
        source.download(commit, files, partial, on_progress)
        for file in files:
            _verify(file, partial, source)
        shutil.rmtree(partial / ".cache", ignore_errors=True)
        try:
            partial.rename(target)
        except OSError as error:
            raise storage_failed(target, error) from error
    pins = {**_revisions(bases), source.revision: commit}
    write_whole(bases / "revisions.json", [json.dumps(pins, indent=1, sort_keys=True).encode()])
    return commit


def _verify(file: ListedFile, folder: Path, source: HubSource) -> None:
    try:
        file.verify(folder, source.uri)
    except AdapterCorrupt as problem:
        (folder / file.name).unlink(missing_ok=True)  # the other files need not be fetched again
        raise BaseModelUnusable(
            f"{source.uri}: {file.name}: {problem.reason}. Start again to fetch it again."
        ) from problem


def _revisions(bases: Path) -> dict[str, str]:
    try:
        pins: dict[str, str] = json.loads((bases / "revisions.json").read_bytes())
    except FileNotFoundError:
        return {}
    return pins


def _model_files(source: HubSource, listed: list[ListedFile]) -> tuple[ListedFile, ...]:
    """Config, tokenizer and safetensors; of several sets of weights only those named model*, as transformers does."""
    files = [file for file in listed if any(fnmatch(file.name, pattern) for pattern in BASE_PATTERNS)]
    files = [file for file in files if "/" not in file.name]
    weights = [file for file in files if file.name.endswith(".safetensors")]
    named_model = [file for file in weights if file.name.startswith("model")]
    if not weights or all(file.name != "config.json" for file in files):
        raise BaseModelUnusable(f"{source.uri} has no config.json or no *.safetensors; pickled weights are not read.")
    unused = set(weights) - set(named_model) if named_model else set()
    return tuple(file for file in files if file not in unused)
