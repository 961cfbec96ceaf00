"""Talking to a node over HTTP: any node in public, one's own through its admin listener."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import httpx2

from node.cli.context import Context
from node.cli.failures import ConfigurationFailure, failure_of
from node.home.run_file import Running
from node.redaction import shown_url

Json = dict[str, object]


def running_node(context: Context) -> Running:
    """The node that owns the home; a failure that says to start it if none runs."""
    found = Running.read(context.home)
    if found is None:
        raise ConfigurationFailure(
            f"No node runs in {context.home}.", "start the node first: python -m node start --dev"
        )
    return found


def public_url(context: Context, node: str | None = None) -> str:
    """`--node`, else the configured node, else the one that runs in the home, else the default address."""
    settings = context.settings(node=node)
    if settings.node:
        return settings.node.rstrip("/")
    found = Running.read(settings.home)
    return found.url if found else f"http://{settings.host}:{settings.port or 8000}"


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turns a refused connection into a failure that says what to do."""
    shown = shown_url(url)
    try:
        yield
    except httpx2.ConnectError as error:
        fix = "start the node first (python -m node start --dev), or name another with --node URL"
        raise ConfigurationFailure(f"No node answers at {shown}.", fix) from error
    except httpx2.TimeoutException as error:
        raise ConfigurationFailure(
            f"The node at {shown} does not answer in time.", "see its log and /readyz"
        ) from error
    except httpx2.TransportError as error:
        raise ConfigurationFailure(
            f"The connection to {shown} broke: {error}", "see the node's log, then repeat"
        ) from error


def ask(
    url: str, method: str, path: str, body: object = None, *, token: str | None = None, timeout_s: float = 60
) -> Json:
    """One JSON request; a refusal becomes the failure of its code."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with reachable(url):
        answer = httpx2.request(method, url + path, json=body, headers=headers, timeout=timeout_s)
    check(answer)
    return cast(Json, answer.json())


def fetch(url: str, path: str) -> httpx2.Response:
    """A document that is not JSON."""
    with reachable(url):
        answer = httpx2.get(url + path, timeout=60)
    check(answer)
    return answer


def ask_operator(context: Context, method: str, path: str, body: object = None, timeout_s: float = 600) -> Json:
    """One JSON request to the admin listener of the node in the home."""
    node = running_node(context)
    return ask(node.admin_url, method, path, body, token=node.admin_token, timeout_s=timeout_s)


def check(answer: httpx2.Response) -> None:
    """Raises the failure that an error answer stands for; its body must have been read."""
    if answer.is_success:
        return
    try:
        document = answer.json()
        error = document.get("error", document)
        raise failure_of(error["code"], error.get("message") or error["detail"])
    except (ValueError, KeyError, AttributeError):
        text = answer.text[:200]
        raise ConfigurationFailure(f"{shown_url(str(answer.url))} answered {answer.status_code}: {text}") from None
