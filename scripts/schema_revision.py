"""Write the migration from the newest schema revision to the tables as they are declared now.

    python scripts/schema_revision.py "Add the watcher's cursor"

Read the migration before committing it: a renamed column looks like a dropped and an added one.
"""

import argparse
import tempfile
from pathlib import Path

from alembic import command

from node.store import schema
from node.store.connections import connect


def main() -> None:
    """The command line: writes the next file of node/store/migrations/versions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("message", help="what the revision does, as a sentence without a full stop")
    message = parser.parse_args().message
    with tempfile.TemporaryDirectory() as folder:
        connections = connect(f"sqlite:///{folder}/schema.db")
        versions = Path(schema.__file__).with_name("migrations") / "versions"
        number = f"{len(list(versions.glob('0*.py'))) + 1:04d}"
        with connections.writer.begin() as connection:
            if number != "0001":
                schema.upgrade(connection)
            command.revision(schema.config(connection), message, autogenerate=True, rev_id=number)
        connections.dispose()


if __name__ == "__main__":
    main()
