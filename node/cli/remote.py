"""HTTP requests to a node: to any node's public API, and to the operator's API of the home's own node."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from contracts.document import parse_json
from node.cli.context import Context
from node.cli.failures import ConfigurationFailure, failure_of
from node.cli.node_answers import MAX_JSON_BYTES, json_object, read_whole, source_of
from node.home.run_file import Running
from node.redaction import shown_url
from node.watch.bounded import MAX_FILE_BYTES, UNCOMPRESSED

Json = dict[str, object]


def running_node(context: Context) -> Running:
    """The node that runs in the home. Raises ConfigurationFailure if none does."""
    found = Running.read(context.home)
    if found is None:
        raise ConfigurationFailure(
            f"No node runs in {context.home}.", "start the node first: python -m node start --dev"
        )
    return found


def public_url(context: Context, node: str | None = None) -> str:
    """The URL of `--node`, else of the configured node, else of the home's running node, else the default address."""
    settings = context.settings(node=node)
    if settings.node:
        return settings.node.rstrip("/")
    found = Running.read(settings.home)
    return found.url if found else f"http://{settings.host}:{settings.port or 8000}"


def runs_here(context: Context, url: str) -> bool:
    """Whether the node at `url` is the one that runs in the home."""
    found = Running.read(context.home)
    return found is not None and found.url == url


@contextmanager
def reachable(url: str) -> Iterator[None]:
    """Turns errors of the connection into failures that say what to do."""
    shown = shown_url(url)
    try:
        yield
    except httpx2.ConnectError as error:
        fix = "start the node first (python -m node start --dev), or name another with --node URL"
        raise ConfigurationFailure(f"No node answers at {shown}.", fix) from error
    except httpx2.TimeoutException as error:
        raise ConfigurationFailure(
            f"The node at {shown} does not answer in time.", "see the node's log and /readyz"
        ) from error
    except httpx2.TransportError as error:
        raise ConfigurationFailure(
            f"The connection to {shown} broke: {error}", "see the node's log, then try again"
        ) from error


def ask(
    url: str, method: str, path: str, body: object = None, *, token: str | None = None, timeout_s: float = 60
) -> Json:
    """Sends one JSON request and returns the answer. Raises the failure for the node's error code."""
    headers = UNCOMPRESSED | ({"Authorization": f"Bearer {token}"} if token else {})
    with (
        reachable(url),
        httpx2.stream(method, url + path, json=body, headers=headers, timeout=timeout_s) as answer,
    ):
        raw = read_whole(answer, MAX_JSON_BYTES)
    check(answer, raw)
    return json_object(answer, raw)


def fetch(url: str, path: str) -> bytes:
    """Fetches a document that is not JSON."""
    with reachable(url), httpx2.stream("GET", url + path, headers=UNCOMPRESSED, timeout=60) as answer:
        raw = read_whole(answer, MAX_FILE_BYTES)
    check(answer, raw)
    return raw


def ask_operator(context: Context, method: str, path: str, body: object = None, timeout_s: float = 600) -> Json:
    """Sends one JSON request to the operator's API of the node that runs in the home."""
    node = running_node(context)
    return ask(node.admin_url, method, path, body, token=node.admin_token, timeout_s=timeout_s)


def check(answer: httpx2.Response, raw: bytes) -> None:
    """Raises the failure for an error response whose body is `raw`."""
    if answer.is_success:
        return
    try:
        problem = parse_json(raw)
        error = problem.get("error", problem) if isinstance(problem, dict) else {}
        code, message = error["code"], error.get("message") or error["detail"]
    except (ValueError, KeyError, AttributeError, TypeError):
        code = message = None
    if isinstance(code, str) and isinstance(message, str):
        raise failure_of(code, message)
    text = raw[:200].decode("utf-8", "replace")
    raise ConfigurationFailure(f"{source_of(answer)} answered {answer.status_code}: {text}")
