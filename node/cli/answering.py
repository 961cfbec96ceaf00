"""`settle answer` and `watch --answer`: answer demands on any node's headers from its public files."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli.context import Context, context_of
from node.cli.failures import UsageFailure, VerificationFailure

if TYPE_CHECKING:
    from node.watch.answering import Answer, Answerer, Files
    from node.watch.registries import Registries
    from node.watch.watched import Watched

Account = Annotated[
    str | None, typer.Option(metavar="NAME", help="The account that pays the gas and gets the bonds. Default: payer.")
]
Answering = Annotated[
    bool, typer.Option("--answer", help="Answer demands on the watched nodes' headers, and get the bonds.")
]
AtALoss = Annotated[
    bool, typer.Option("--answer-at-a-loss", help="Answer also where the bond does not pay for the gas.")
]


def answer(
    context: typer.Context,
    *,
    file: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="The batches' files, from epoch 1 on; may be repeated.")
    ] = None,
    mirror: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The node's folder of a mirror, instead of files.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--from", metavar="CHECKPOINT", help="The state before the first file.")
    ] = None,
    account: Account = None,
    at_a_loss: AtALoss = False,
) -> None:
    """Answer the open demands on a node's headers from its batches' files. The node may be down, or its database lost.

    Any account can answer. It pays the gas and gets the bond. Exits with 7 if a demand stays open.
    """
    shared = context_of(context)
    if (mirror is None) == (not file):
        raise UsageFailure("Give the batches' files or a mirror.", "give --file FILE… or --mirror DIR")

    async def work() -> "list[Answer]":
        files = _from_mirror(mirror) if mirror is not None else _from_files(file or [], checkpoint)
        answers = await answerer(shared, await _chain(shared), account, at_a_loss=at_a_loss)
        return await answers.answer(files.replay.ledger.node, files)

    with shared.errors.status("Answering"):
        done = asyncio.run(work())
    if shared.as_json:
        shared.emit([one.to_json() for one in done])
    else:
        for line in [str(one) for one in done] or ["no demand is open"]:
            shared.console.print(line)
    if any(one.reason is not None for one in done):
        raise VerificationFailure("Some demands are not answered.", "see the reasons; each has a deadline")


async def answerer(shared: Context, registries: "Registries", account: str | None, *, at_a_loss: bool) -> "Answerer":
    """Answers with the key of an account. Raises UsageFailure for the key that the running node sends with."""
    from node.cli.signers import signer
    from node.home.run_file import Running
    from node.watch.answering import Answerer
    from node.watch.open_demands import DemandReader

    settings = shared.settings(account=account)
    key = signer(shared, settings.account)
    if Running.read(settings.home) is not None and key.address == _operator(shared, settings.operator_account):
        raise UsageFailure(
            f"{settings.account} is the key of the running node, which answers demands on its headers itself.",
            "give another account with --account: two programs must not send with one key",
        )
    reader = DemandReader(registries.client, registries.deployment.challenges, registries.deployment.settlement)
    return Answerer(reader, key, at_a_loss, settings.max_fee_cap)


async def watching(
    shared: Context, registries: "Registries | None", account: str | None, *, at_a_loss: bool
) -> "Answerer":
    """As `answerer`, for `watch`, which also runs without a chain: then nothing can be answered."""
    return await answerer(shared, registries or await _chain(shared), account, at_a_loss=at_a_loss)


async def answer_watched(
    shared: Context, name: str, watched: "Watched", answers: "Answerer", reported: set[str]
) -> None:
    """Answers the open demands on a watched node, and reports each outcome once."""
    from node.chain.errors import ChainError
    from node.watch.answering import Files
    from node.watch.source import SourceMalformed, SourceUnavailable

    if watched.replay is None:
        return
    try:
        files = Files(watched.replay, watched.files, watched.source)
        done = await answers.answer(await watched.vault(), files)
    except (SourceUnavailable, SourceMalformed, ChainError) as error:
        shared.errors.print(f"{name}: {error}")
        return
    for one in done:
        line = f"{name}: {one.demand}" + ("" if one.reason is None else f" {one.reason[:40]}")
        if line not in reported:
            reported.add(line)
            _write(shared, name, one)


def _write(shared: Context, name: str, answered: "Answer") -> None:
    if shared.as_json:
        shared.write(json.dumps({"node": name, "answer": answered.to_json()}) + "\n")
    else:
        shared.console.print(f"{'ANSWERED' if answered.reason is None else 'OPEN    '} {name}: {answered}")


async def _chain(shared: Context) -> "Registries":
    from node.cli.chain_connection import connect
    from node.watch.registries import Registries

    return Registries(*await connect(shared))


def _operator(shared: Context, account: str) -> str | None:
    from node.cli.failures import Failure
    from node.cli.signers import address_of
    from node.home.keystore import KeystoreError

    try:
        return address_of(shared, account)
    except (Failure, KeystoreError, OSError):
        return None


def _from_files(paths: Sequence[Path], start: Path | None) -> "Files":
    """The replay of the given files. Raises UsageFailure or VerificationFailure for files that are none."""
    from node.cli.ledger_checks import Start, replay_from
    from node.cli.receipt_documents import read_documents
    from node.watch.answering import Files

    batches = read_documents(paths).batches
    if not batches:
        raise UsageFailure("No batch file was given.", "give the files of GET /batches/EPOCH/receipts")
    replay, first = replay_from(batches[0], Start(start))
    for batch in batches:
        replay.add(batch)
    return Files(replay, {batch.header.epoch: batch for batch in batches}, first=first)


def _from_mirror(path: Path) -> "Files":
    from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
    from attribution.replay import Replay, ledger_of
    from node.watch.answering import Files
    from node.watch.source import MirrorFolder, SourceUnavailable

    folder = MirrorFolder.at(path)
    replay, batches = None, dict[int, ReceiptsFile]()
    try:
        for epoch in sorted(folder.epochs()):
            batches[epoch] = ReceiptsFile.decode(folder.receipts_file(epoch))
            replay = replay or Replay(ledger_of(batches[epoch]))
            replay.add(batches[epoch])
    except (InvalidReceiptsFile, SourceUnavailable) as error:
        raise VerificationFailure(f"{folder.folder}: {error}", "run `receipts mirror` again") from error
    if replay is None:
        raise UsageFailure(f"{path} mirrors no node, or several.", "give the folder of one node: DIR/0x…")
    return Files(replay, batches)
