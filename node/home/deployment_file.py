"""`deployment.json`: the addresses of the contracts, as this home knows them.

Commands read them here and never from the answers of the node that they check or pay.
"""

import json
import os
from pathlib import Path

from local_chain.deployment import Deployment

_NAME = "deployment.json"


def deployment_path(home: Path, given: Path | None) -> Path:
    """The file that the settings name, else the home's own."""
    return given or home / _NAME


def read_deployment(path: Path) -> Deployment:
    """The addresses in a file. Raises OSError or ValueError."""
    return Deployment.from_json(json.loads(path.read_text()))


def write_deployment(home: Path, deployment: Deployment) -> None:
    """Writes the home's own file, which only its owner reads. A reader sees the old content or the new."""
    fresh = home / f"{_NAME}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(json.dumps(deployment.to_json(), indent=2) + "\n")
    fresh.replace(home / _NAME)
