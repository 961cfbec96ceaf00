"""Writing a result down: the figures, what they were measured on, and at which commit."""

import json
from pathlib import Path

from benchmarks.provenance import provenance

RESULTS = Path(__file__).parent / "results"


def write(name: str, figures: dict[str, object]) -> Path:
    """Store `figures` as benchmarks/results/<name>.json and return its path."""
    document = {"name": name, **provenance(), "figures": figures}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path
