"""The HTTP side of `chat`: streams answers and checks their receipts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import httpx2
from rich.table import Table

from contracts.document import Document
from node.cli.context import Context
from node.cli.failures import ConfigurationFailure, ModelFailure, failure_of
from node.cli.money import amount
from node.cli.node_answers import MAX_JSON_BYTES, document, json_object, lines, read_whole, source_of
from node.cli.remote import Json, ask, check, public_url, reachable
from node.client.auth import WalletAuth
from node.redaction import shown_url
from node.watch.bounded import UNCOMPRESSED


@dataclass(frozen=True, slots=True)
class Sampling:
    """How an answer is sampled. max_tokens: the most output tokens."""

    max_tokens: int
    temperature: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished answer with the usage and the signed receipt from the node. checked: the signature was verified."""

    model: str
    text: str
    usage: Json
    receipt: Json
    checked: bool

    def document(self) -> Json:
        """The answer as a JSON document."""
        return {
            "model": self.model,
            "text": self.text,
            "usage": self.usage,
            "receipt": self.receipt,
            "receiptChecked": self.checked,
        }

    def table(self) -> Table:
        """The receipt as a table for the payer."""
        signed = cast(Json, self.receipt["receipt"])
        table = Table("receipt", str(self.receipt["id"]), box=None, pad_edge=False, header_style="dim", style="dim")
        table.add_row("tokens", f"{signed['tokensIn']} in, {signed['tokensCached']} cached, {signed['tokensOut']} out")
        table.add_row("fee", "free" if signed["fee"] == "0" else amount(signed["fee"]))
        for line in cast(list[Json], self.receipt["lines"]):
            table.add_row(f"  {line['label']}", amount(line["amount"]))
        table.add_row("signature", "checked: by this node's operator" if self.checked else "not checked")
        return table


class ChatSession:
    """Sends questions to one node. Read the pieces of `ask` to their end before you call `reply`."""

    def __init__(self, client: httpx2.Client, url: str, sampling: Sampling, auth: WalletAuth | None) -> None:
        self._client, self._url, self._sampling, self._auth = client, url, sampling, auth
        self._reply: Reply | None = None

    @classmethod
    @contextmanager
    def open(
        cls, context: Context, node: str | None, sampling: Sampling, auth: WalletAuth | None
    ) -> Iterator["ChatSession"]:
        """A session with the node that `context` and `--node` lead to; with `auth` it pays and checks receipts."""
        url = public_url(context, node)
        with httpx2.Client(auth=auth, timeout=httpx2.Timeout(300, connect=5)) as client:
            yield cls(client, url, sampling, auth)

    def base_name(self) -> str:
        """The base model's name: the one without a parent."""
        listed = document(ask(self._url, "GET", "/v1/models"), shown_url(self._url)).nested_list("data")
        names = [model.text("id") for model in listed if "parent" not in model]
        if not names:
            raise ConfigurationFailure(f"{shown_url(self._url)} lists no base model.", "name the model to ask")
        return names[0]

    def ask(self, model: str, messages: list[dict[str, str]]) -> Iterator[str]:
        """The answer in pieces, as they come."""
        body = {
            "model": model,
            "messages": messages,
            "max_tokens": self._sampling.max_tokens,
            "temperature": self._sampling.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        texts: list[str] = []
        last: Document | None = None
        chat = f"{self._url}/v1/chat/completions"
        with reachable(self._url), self._client.stream("POST", chat, json=body, headers=UNCOMPRESSED) as answer:
            if not answer.is_success:
                check(answer, read_whole(answer, MAX_JSON_BYTES))
            for chunk in _chunks(answer):
                last = chunk
                for choice in chunk.nested_list("choices"):
                    delta = choice.nested("delta")
                    if "content" in delta and (text := delta.text("content")):
                        texts.append(text)
                        yield text
        if last is None or "receipt" not in last:
            raise ModelFailure("The node broke off before its receipt.", "ask again; nothing is owed without a receipt")
        usage, receipt = dict(last.nested("usage").members), _receipt(last.nested("receipt"))
        self._reply = Reply(model, "".join(texts), usage, receipt, checked=self._auth is not None)

    def reply(self) -> Reply:
        """The last answer as a whole."""
        assert self._reply is not None, "read the pieces first"
        return self._reply


def _chunks(answer: httpx2.Response) -> Iterator[Document]:
    for line in lines(answer):
        if not line.startswith(b"data: ") or (data := line.removeprefix(b"data: ").strip()) == b"[DONE]":
            continue
        chunk = document(json_object(answer, data), source_of(answer))
        if "error" in chunk:
            error = chunk.nested("error")
            raise failure_of(error.text("code"), error.text("message"))
        yield chunk


def _receipt(given: Document) -> Json:
    """The receipt as it came, once every member that is shown has its form."""
    signed = given.nested("receipt")
    given.text("id")
    for name in ("tokensIn", "tokensCached", "tokensOut", "fee"):
        signed.uint(name)
    for line in given.nested_list("lines"):
        line.text("label")
        line.uint("amount")
    return dict(given.members)
