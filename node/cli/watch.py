"""`watch`: follows nodes and the chain, reports every fault, and challenges it if an account is given."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from node.cli import answering
from node.cli.audit import SignedReceipts, signed_leaves
from node.cli.context import Context, context_of
from node.cli.failures import ConfigurationFailure, UsageFailure, VerificationFailure

if TYPE_CHECKING:
    from attribution.findings import Finding
    from attribution.split import Payee
    from node.watch.challenger import Challenger
    from node.watch.registries import Registries
    from node.watch.source import NodeSource
    from node.watch.watched import Watched

PATIENCE = 3
"""Looks in a row after which a missing file is demanded, unless its window is about to end."""


def watch(
    context: typer.Context,
    nodes: Annotated[
        list[str], typer.Argument(metavar="URL | DIR | VAULT…", help="Nodes, folders of a mirror, or vaults.")
    ],
    *,
    account: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Challenge faults, and answer, with this account. Without it: report only."),
    ] = None,
    payee: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PAYEE", help="Whose earnings to demand of withheld files: an address, treasury or DATANET@VERSION."
        ),
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 30,
    once: Annotated[bool, typer.Option("--once", help="Look once; exit with 7 if there is a fault.")] = False,
    receipts: SignedReceipts = None,
    answer: answering.Answering = False,
    answer_at_a_loss: answering.AtALoss = False,
) -> None:
    """Follow nodes and the chain: replay every new batch, report every fault once, and challenge it.

    With --account faults are proven or demanded, unanswered demands expire, and bonds are collected. Demands need the
    chain's native coin; it comes back if nobody answers. A VAULT is the address of a node that does not answer: its
    files count as withheld.
    """
    from node.cli.ledger_checks import registries_of
    from node.watch.watched import Watched

    shared = context_of(context)
    signed = signed_leaves(receipts)

    async def work() -> int:
        registries = await registries_of(shared)
        challenger = _challenger(shared, registries, account, payee or [], patience=1 if once else PATIENCE)
        watched = {name: Watched(_source(name), registries, signed) for name in nodes}
        answers = await answering.watching(shared, registries, account, at_a_loss=answer_at_a_loss) if answer else None
        reported, answered = set[str](), set[str]()
        while True:
            for name, one in watched.items():
                await _look(shared, name, one, challenger, reported)
                if answers is not None:
                    await answering.answer_watched(shared, name, one, answers, answered)
            if once:
                return len(reported)
            await asyncio.sleep(interval)

    if asyncio.run(work()):
        raise VerificationFailure("Some node is at fault.", "do not pay it, and claim what it owes you")


async def _look(
    shared: Context, name: str, watched: "Watched", challenger: "Challenger | None", reported: set[str]
) -> None:
    """One look at one node. A node or chain that does not answer must not hide the faults of the others."""
    from node.chain.errors import ChainError
    from node.watch.source import SourceMalformed, SourceUnavailable

    before = watched.epoch
    try:
        findings = await watched.look()
        if watched.epoch > before and not shared.as_json:
            shared.console.print(f"{name}: replayed up to epoch {watched.epoch}, {watched.receipts} receipts")
        for finding in findings:
            line = f"{name}: {finding}"
            if line not in reported:
                reported.add(line)
                await _write(shared, name, finding, watched)
        if challenger is not None:
            async for action in challenger.act(watched, findings):
                _say(shared, name, action.to_json(), str(action))
    except (SourceUnavailable, SourceMalformed, ChainError) as error:
        shared.errors.print(f"{name}: {error}")


async def _write(shared: Context, name: str, finding: "Finding", watched: "Watched") -> None:
    """Writes a finding with the function of the Challenges contract that answers it."""
    from attribution.findings import Fault

    challenge = await watched.challenge(finding)
    function = challenge.function if challenge else "demandPayee" if finding.fault is Fault.WITHHELD else None
    how = f" (challenge it with {function})" if function else ""
    _say(shared, name, finding.to_json() | {"challenge": function}, f"{finding}{how}", "WRONG    ")


def _say(shared: Context, name: str, document: dict[str, object], text: str, mark: str = "") -> None:
    if shared.as_json:
        shared.write(json.dumps({"node": name} | document) + "\n")
    else:
        shared.console.print(f"{mark}{name}: {text}")


def _challenger(
    shared: Context, registries: "Registries | None", account: str | None, payees: list[str], *, patience: int
) -> "Challenger | None":
    from attribution.split import Payee
    from node.cli.signers import signer
    from node.watch.challenger import Challenger
    from node.watch.sender import Sender

    if account is None:
        shared.errors.print("no --account is given: faults are reported, and not challenged")
        return None
    if registries is None:
        fix = "set OPENLORA_CHAIN_RPC and OPENLORA_DEPLOYMENT"
        raise ConfigurationFailure("Faults can be challenged on a chain only, and none is configured.", fix)
    key = signer(shared, account)
    wanted = [_payee(shared, text) for text in payees] or [Payee.of_address(key.address)]
    cap = shared.settings().max_fee_cap
    return Challenger(registries, Sender(registries.client, key, cap), wanted, patience)


def _payee(shared: Context, text: str) -> "Payee":
    """`treasury`, DATANET@VERSION, an address, or the name of an account."""
    from attribution.split import TREASURY, Payee
    from contracts.eip712 import parse_bytes32
    from node.cli.signers import address_of

    if text == "treasury":
        return TREASURY
    datanet, at, version = text.partition("@")
    if not at:
        return Payee.of_address(address_of(shared, text))
    try:
        return Payee.of_datanet(parse_bytes32(datanet), int(version))
    except ValueError as error:
        fix = "give an address, treasury, or a Datanet's id of 32 bytes and its version as ID@VERSION"
        raise UsageFailure(f"{text!r} is no payee: {error}", fix) from error


def _source(name: str) -> "NodeSource":
    from contracts.crypto import to_address
    from node.watch.source import HttpNode, MirrorFolder
    from node.watch.unreachable import UnreachableNode

    if name.startswith("0x") and not Path(name).exists():
        try:
            return UnreachableNode(to_address(name))
        except ValueError as error:
            raise UsageFailure(str(error), "give a URL, a folder of a mirror, or a vault's address") from error
    folder = MirrorFolder.at(Path(name))
    return folder if folder.card_path.exists() else HttpNode(name)
