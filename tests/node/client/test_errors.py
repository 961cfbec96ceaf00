"""The error tree that the module draws is the tree of the classes, and it has every error that the client defines."""

import importlib
import pkgutil
from collections.abc import Iterator

import httpx2
import pytest

import node.client
from node.client import errors
from node.client.errors import (
    ClientError,
    DecodingError,
    Malformed,
    NodeDistrusted,
    NodeUnusable,
    Overcharged,
    ReceiptRefused,
)

STEP = 4  # characters of the drawing per level of the tree


def drawn() -> dict[str, str]:
    """Each class of the drawing, with the class it is drawn under."""
    assert errors.__doc__ is not None
    parents, path = dict[str, str](), list[str]()
    for line in errors.__doc__.splitlines():
        name = line.lstrip(" │├└─").split(" ")[0]
        if not name or not line.startswith("    "):
            continue
        depth = (line.index(name) - 4) // STEP
        path[depth:] = [name]
        parents[name] = path[depth - 1] if depth else ""
    return parents


def defined() -> Iterator[type[BaseException]]:
    """Every exception class that some module of the client defines."""
    for module in pkgutil.iter_modules(node.client.__path__, "node.client."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, BaseException) and value.__module__ == module.name:
                yield value


def test_the_drawing_is_the_class_tree() -> None:
    tree = {cls.__name__: cls.__bases__[0].__name__ for cls in defined()}

    assert drawn() == tree | {"ClientError": ""}
    assert {"Malformed", "Overcharged", "DecodingError"} < set(tree)


def test_every_error_is_a_client_error() -> None:
    assert all(issubclass(cls, ClientError) for cls in defined())


def test_an_unreadable_answer_is_an_error_of_httpx2_too() -> None:
    error = DecodingError("no JSON")

    assert isinstance(error, httpx2.DecodingError)
    assert str(error) == "no JSON"


@pytest.mark.parametrize(
    "error",
    [
        NodeUnusable("a problem", "http://node"),
        Malformed("a.b", "is missing", "http://node"),
        Overcharged(5, 3, "http://node"),
        NodeDistrusted("http://node", ReceiptRefused("fee", "is wrong")),
    ],
)
def test_an_error_about_a_node_names_it(error: NodeUnusable) -> None:
    assert str(error).startswith("cannot pay http://node: ")
    assert error.problem in str(error)


def test_an_error_about_an_unknown_node_is_the_problem_alone() -> None:
    assert str(Malformed("a.b", "is missing")) == "a.b is missing"
