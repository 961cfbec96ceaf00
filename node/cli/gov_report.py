"""The documents of governance as lines of text."""

from collections.abc import Iterator
from typing import Any

from node.cli.moments import moment
from node.cli.money import amount


def lines_of(document: dict[str, Any]) -> Iterator[str]:
    """One document of a verb, line by line."""
    if document.get("dryRun"):
        yield "nothing was sent"
    for row in document.get("parameters", ()):
        yield f"{row['name']:<20} {row['now'] or '–':<44} {' '.join(row['takes'])}"
        yield f"{'':<20} {row['rule']}"
    if "proposals" in document and not document["proposals"]:
        yield "There is no proposal yet. Make one with `gov propose`."
    for proposal in document.get("proposals", ()):
        yield f"{proposal['id'][:12]}  {proposal['state']:<10} {'; '.join(proposal['changes'])}"
    if proposal := document.get("proposal"):
        yield from _proposal(proposal)
    for change in document.get("changes", ()):
        yield from _change(change)
    for name in ("id", "vote", "step", "delegate", "votes", "transaction"):
        if name in document:
            yield f"{name:<12} {amount(document[name]) if name == 'votes' else document[name]}"


def _proposal(proposal: dict[str, Any]) -> Iterator[str]:
    yield f"proposal     {proposal['id']}"
    yield f"state        {proposal['state']}"
    yield f"why          {_reason(proposal['why'])}"
    for side in ("for", "against", "abstain", "quorum"):
        yield f"{side:<12} {amount(proposal[side])}"
    yield f"vote         {moment(proposal['votesFrom'])} to {moment(proposal['votesUntil'])}"
    if proposal["readyAt"]:
        yield f"executable   from {moment(proposal['readyAt'])}"


def _reason(why: str | None) -> str:
    """The proposer's words, without the mark that keeps others from proposing them first."""
    return "(not available from this chain node)" if why is None else why.partition("#proposer=")[0]


def _change(change: dict[str, Any]) -> Iterator[str]:
    if not change["known"]:
        yield f"! {change['text']}"
        yield "  This software does not know what it does: read the contract before you vote."
        return
    if change["now"] is not None:
        yield f"- {change['now']}"
    yield f"+ {change['text']}"
    yield f"  It {change['rule']}."
    if effect := change.get("effect"):
        yield f"  The fees of the last {effect['receipts']} receipts would have been split so:"
        for role, before in effect["before"].items():
            yield f"    {role:<15} {amount(before):>28} → {amount(effect['after'][role])}"
    if pace := change.get("pace"):
        yield f"  At the pace of the last {pace['receipts']} receipts:"
        for what, value in (("payees wait", _seconds), ("fees in windows", _waiting)):
            yield f"    {what:<15} {value(pace['before']):>28} → {value(pace['after'])}"


def _seconds(side: dict[str, Any]) -> str:
    return f"{side['seconds']} s"


def _waiting(side: dict[str, Any]) -> str:
    """What nobody can claim yet, and the node's stake must cover."""
    return str(amount(side["waiting"]))
