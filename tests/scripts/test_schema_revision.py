"""The command that writes a migration."""

import sys
from typing import Any

import pytest

from scripts import schema_revision


def test_the_next_number_is_given_to_a_revision_of_the_newest_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    revisions: list[tuple[str, dict[str, Any]]] = []
    upgraded: list[object] = []
    upgrade = schema_revision.schema.upgrade
    monkeypatch.setattr(sys, "argv", ["schema_revision.py", "Add a cursor"])
    monkeypatch.setattr(schema_revision.schema, "upgrade", lambda connection: upgraded.append(upgrade(connection)))
    monkeypatch.setattr(
        schema_revision.command, "revision", lambda config, message, **options: revisions.append((message, options))
    )

    schema_revision.main()

    (message, options) = revisions[0]
    assert message == "Add a cursor"
    assert options["autogenerate"] is True
    assert int(options["rev_id"]) >= 2
    assert len(upgraded) == 1
