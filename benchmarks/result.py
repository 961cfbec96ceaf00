"""Result files: where the committed measurements are kept, and the rule that a commit must name the measured code."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.provenance import DIRTY, commit, provenance

FORMAT = 2
"""Version of the layout of a switchbench result. Raised when a reader of older results would misread a new one."""
RESULTS = Path(__file__).parent / "results"


class DirtyTree(Exception):
    """The code differs from its commit, so no one could repeat the measurement."""

    def __init__(self, measured: str) -> None:
        super().__init__(
            f"The working tree differs from its commit ({measured}), so no one could repeat this measurement. "
            "Commit the changes first, or give --allow-dirty to try something out: "
            "`make check` refuses to publish such a result."
        )
        self.commit = measured


def check_clean(*, allow_dirty: bool = False) -> None:
    """Raise DirtyTree if code differs from the commit that is checked out. An installed copy has none and passes."""
    measured = commit()
    if measured.endswith(DIRTY) and not allow_dirty:
        raise DirtyTree(measured)


def write(name: str, figures: Mapping[str, object], folder: Path = RESULTS) -> Path:
    """Store `figures` with their provenance as FOLDER/NAME.json and return its path. The folder need not exist."""
    document = {"name": name, **provenance(), "figures": dict(figures)}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
