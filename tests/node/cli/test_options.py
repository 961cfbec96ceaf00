"""Help: every option of every verb says what it does, in a sentence."""

from collections.abc import Iterator

import click
import pytest
import typer.main

from node.cli.app import app


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command of the tree by its words."""
    yield " ".join(path) or "openlora", command
    for name, below in getattr(command, "commands", {}).items():
        if name != "bench":  # it comes with another package
            yield from verbs(below, (*path, name))


VERBS = dict(verbs(typer.main.get_command(app)))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_does_in_a_sentence(verb: str) -> None:
    text = VERBS[verb].help or ""

    assert text[:1].isupper()
    assert text.endswith(".")


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_and_argument_is_explained(verb: str) -> None:
    for parameter in VERBS[verb].params:
        text = getattr(parameter, "help", None) or ""
        assert text.endswith((".", "…")) or parameter.name == "help", f"{verb} {parameter.name}: {text!r}"


def test_the_whole_tree_is_read() -> None:
    assert {"start", "pay deposit", "receipts verify", "account import", "config show"} <= VERBS.keys()


def test_the_same_option_is_explained_the_same_way() -> None:
    explained: dict[str, set[str]] = {}
    for command in VERBS.values():
        for parameter in command.params:
            if parameter.name == "node":
                explained.setdefault(parameter.name, set()).add(getattr(parameter, "help", ""))

    assert explained == {"node": {"The node's URL. Default: the node of this home."}}
