"""A `file:` source whose weights are overwritten in place, as a training run does; it notes each whole version."""

import asyncio
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from serving.adapters.digests import WEIGHTS_FILE, adapter_digest
from serving.types import AdapterDigest


def versions_of(folder: Path, work: Path, count: int) -> list[Path]:
    """Copies of an adapter that differ in their weights only, all of the same size."""
    made = []
    for i in range(count):
        copy = work / f"v{i}"
        shutil.copytree(folder, copy)
        tensors = load_file(copy / WEIGHTS_FILE)
        generator = torch.Generator().manual_seed(i)
        changed = {name: each + 0.02 * torch.randn(each.shape, generator=generator) for name, each in tensors.items()}
        save_file(changed, copy / WEIGHTS_FILE)
        made.append(copy)
    return made


def stored(home: Path) -> set[str]:
    """What lies on disk of adapter versions below `home`, by the names of folders and blobs."""
    return {path.name for folder in ("versions", "blobs", "staging") for path in (home / folder).glob("*")}


class MutableSource:
    """history: the digests of the whole versions it has held, the present one last."""

    def __init__(self, place: Path, first: Path) -> None:
        shutil.copytree(first, place)
        self.place = place
        self.history: list[AdapterDigest] = [adapter_digest(first)]
        self._writing = asyncio.Lock()

    @property
    def spelled(self) -> str:
        return f"file:{self.place}"

    async def overwrite(self, version: Path, pause_s: float = 0.01) -> None:
        """Writes another version's weights over the present ones, in four pieces."""
        content = (version / WEIGHTS_FILE).read_bytes()
        step = len(content) // 4 + 1
        async with self._writing:
            with (self.place / WEIGHTS_FILE).open("r+b") as file:
                for at in range(0, len(content), step):
                    file.write(content[at : at + step])
                    file.flush()
                    await asyncio.sleep(pause_s)
            self.history.append(adapter_digest(version))
