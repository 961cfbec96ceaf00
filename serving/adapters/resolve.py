"""The base model's folder: given, or fetched once from a hub into the node's home and pinned there."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from serving.adapters.digests import BASE_PATTERNS
from serving.adapters.durable import storage_failed, write_whole
from serving.adapters.sources.allowed import AllowedSources
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
    """The folder that holds the base model: `base` itself, or what `hf:org/name@revision` (or `org/name`) fetches.

    A fetched base stays at the commit it was first resolved to and is not asked for again, so a node restarts offline
    and on the same weights. Blocking.

    Raises BaseModelUnusable, SourceRefused, SourceUnavailable, StorageFailed.
    """
    spelled = str(base)
    folder = Path(base).expanduser()
    if not spelled.startswith("hf:"):
        if folder.is_dir():
            return folder.resolve()
        if spelled.count("/") != 1 or spelled.startswith((".", "/", "~")):
            raise BaseModelUnusable(f"There is no folder {folder}. Give a model folder or hf:org/name@revision.")
        spelled = f"hf:{spelled}"
    settings = replace(settings or SourceSettings(), download_s=_DOWNLOAD_S)
    source = HubSource.parse(spelled, spelled.removeprefix("hf:"), _ANY_HUB, settings)
    bases = home / "bases" / source.repository.replace("/", "--")
    pinned = _pinned_commit(bases, source.revision)
    if pinned is None:
        pinned = _fetch(source, bases, on_progress)
    return bases / pinned


def _pinned_commit(bases: Path, revision: str) -> str | None:
    """The commit whose complete folder is at hand for `revision`, if any."""
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
        file.verify(folder, source.spelled)
    except AdapterCorrupt as problem:
        (folder / file.name).unlink(missing_ok=True)  # the files that are good need not come again
        raise BaseModelUnusable(
            f"{source.spelled}: {file.name}: {problem.reason}. Start again to fetch it again."
        ) from problem


def _revisions(bases: Path) -> dict[str, str]:
    try:
        pins: dict[str, str] = json.loads((bases / "revisions.json").read_bytes())
    except FileNotFoundError:
        return {}
    return pins


def _model_files(source: HubSource, listed: list[ListedFile]) -> tuple[ListedFile, ...]:
    """Config, tokenizer and safetensors; of two sets of weights the one under transformers' own name."""
    files = [file for file in listed if any(fnmatch(file.name, pattern) for pattern in BASE_PATTERNS)]
    files = [file for file in files if "/" not in file.name]
    weights = [file for file in files if file.name.endswith(".safetensors")]
    named_model = [file for file in weights if file.name.startswith("model")]
    if not weights or all(file.name != "config.json" for file in files):
        raise BaseModelUnusable(
            f"{source.spelled} has no config.json or no *.safetensors; pickled weights are not read."
        )
    left_out = set(weights) - set(named_model) if named_model else set()
    return tuple(file for file in files if file not in left_out)
