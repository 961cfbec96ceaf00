"""`run.json`: how commands in a home reach the node that runs there."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

_NAME = "run.json"


@dataclass(frozen=True, slots=True)
class Running:
    """The node that owns a home. The file holds the admin token and the chain's whole URL: only its owner reads it."""

    pid: int
    url: str
    admin_url: str
    admin_token: str
    mode: str
    chain_url: str | None

    def write(self, home: Path) -> None:
        """Writes the file with mode 0600. A reader sees the old content or the new, never a part."""
        path, fresh = home / _NAME, home / f"{_NAME}.new"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(self), file, indent=2)
        fresh.replace(path)

    @classmethod
    def read(cls, home: Path) -> "Running | None":
        """The running node of this home; None if no node runs, even if a killed one left its file behind."""
        try:
            document = json.loads((home / _NAME).read_text())
            found = cls(**{field.name: document[field.name] for field in fields(cls)})
            os.kill(found.pid, 0)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found


def remove_run_file(home: Path) -> None:
    """Removes the file: the node no longer listens."""
    (home / _NAME).unlink(missing_ok=True)
