"""What a node answers, read within bounds and checked: the node may be a stranger's, or no node at all."""

from collections.abc import Iterator

import httpx2

from contracts.document import Document, parse_json
from node.cli.failures import ConfigurationFailure
from node.redaction import shown_url
from node.watch import bounded
from node.watch.bounded import MAX_FILE_BYTES, AnswerUnbounded

MAX_JSON_BYTES = 16 << 20
MAX_LINE_BYTES = 4 << 20
_FIX = "check the URL; if it is right, do not trust this node"


class Members(dict[str, object]):
    """A JSON object of a node. A member that is missing is the node's failure, not ours."""

    def __init__(self, members: dict[str, object], source: str) -> None:
        super().__init__(members)
        self._source = source

    def __missing__(self, name: str) -> object:
        raise ConfigurationFailure(f"{self._source} answered without the member {name!r}.", _FIX)


def source_of(answer: httpx2.Response) -> str:
    """The URL that answered, without what may be secret in it."""
    return shown_url(str(answer.url))


def read_whole(answer: httpx2.Response, limit_bytes: int) -> bytes:
    """The body of a streamed answer. Raises ConfigurationFailure if it is longer, or compressed."""
    try:
        return bounded.read_whole(answer, limit_bytes)
    except AnswerUnbounded as error:
        raise _unusable(answer, str(error)) from error


def lines(answer: httpx2.Response, limit_bytes: int = MAX_FILE_BYTES) -> Iterator[bytes]:
    """The lines of a streamed answer, each at most MAX_LINE_BYTES. Raises ConfigurationFailure as `read_whole`."""
    pending = bytearray()
    for piece in _pieces(answer, limit_bytes):
        pending += piece
        if b"\n" in piece:
            *whole, pending = pending.split(b"\n")
            yield from map(bytes, whole)
        if len(pending) > MAX_LINE_BYTES:
            raise _unusable(answer, f"sent a line of more than {MAX_LINE_BYTES} bytes")
    if pending:
        yield bytes(pending)


def json_object(answer: httpx2.Response, raw: bytes) -> Members:
    """The JSON object in `raw`, the body of `answer`. Raises ConfigurationFailure."""
    try:
        value = parse_json(raw)
    except (ValueError, RecursionError) as error:
        raise _unusable(answer, f"answered something that is not JSON ({error})") from error
    if not isinstance(value, dict):
        raise _unusable(answer, "answered JSON that is not an object")
    members = _with_source(value, source_of(answer))
    assert isinstance(members, Members), "a dict becomes Members"
    return members


def document(value: object, source: str) -> Document:
    """`value` as a document whose members are checked when they are read. Raises ConfigurationFailure."""
    return Document.of(value, "", lambda path, problem: ConfigurationFailure(f"{source}: {path} {problem}.", _FIX))


def _pieces(answer: httpx2.Response, limit_bytes: int) -> Iterator[bytes]:
    try:
        yield from bounded.pieces(answer, limit_bytes)
    except AnswerUnbounded as error:
        raise _unusable(answer, str(error)) from error


def _with_source(value: object, source: str) -> object:
    if isinstance(value, dict):
        return Members({str(name): _with_source(member, source) for name, member in value.items()}, source)
    if isinstance(value, list):
        return [_with_source(member, source) for member in value]
    return value


def _unusable(answer: httpx2.Response, problem: str) -> ConfigurationFailure:
    return ConfigurationFailure(f"{source_of(answer)} {problem}.", _FIX)
