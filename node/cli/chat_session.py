"""The HTTP side of `chat`: streams answers and checks their receipts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import httpx2
from rich.table import Table

from node.cli.context import Context
from node.cli.failures import ModelFailure, failure_of
from node.cli.money import amount
from node.cli.remote import Json, ask, check, public_url, reachable
from node.client.auth import WalletAuth


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
        models = cast(list[Json], ask(self._url, "GET", "/v1/models")["data"])
        return next(str(model["id"]) for model in models if model["parent"] is None)

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
        last: Json = {}
        with reachable(self._url), self._client.stream("POST", f"{self._url}/v1/chat/completions", json=body) as answer:
            if not answer.is_success:
                answer.read()
                check(answer)
            for chunk in _chunks(answer):
                last = chunk
                for choice in cast(list[dict[str, Json]], chunk["choices"]):
                    if text := str(choice["delta"].get("content") or ""):
                        texts.append(text)
                        yield text
        if "receipt" not in last:
            raise ModelFailure("The node broke off before its receipt.", "ask again; nothing is owed without a receipt")
        usage, receipt = cast(Json, last["usage"]), cast(Json, last["receipt"])
        self._reply = Reply(model, "".join(texts), usage, receipt, checked=self._auth is not None)

    def reply(self) -> Reply:
        """The last answer as a whole."""
        assert self._reply is not None, "read the pieces first"
        return self._reply


def _chunks(answer: httpx2.Response) -> Iterator[Json]:
    for line in answer.iter_lines():
        if not line.startswith("data: ") or line == "data: [DONE]":
            continue
        document = cast(Json, json.loads(line.removeprefix("data: ")))
        if "error" in document:
            error = cast(dict[str, str], document["error"])
            raise failure_of(error["code"], error["message"])
        yield document
