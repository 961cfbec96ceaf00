"""The documents of governance as lines of text."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

UNIT = 10**18


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
            yield f"{name:<12} {_open(document[name]) if name == 'votes' else document[name]}"


def _proposal(proposal: dict[str, Any]) -> Iterator[str]:
    yield f"proposal     {proposal['id']}"
    yield f"state        {proposal['state']}"
    yield f"why          {proposal['why'] or '(not available from this chain node)'}"
    for side in ("for", "against", "abstain", "quorum"):
        yield f"{side:<12} {_open(proposal[side])}"
    yield f"vote         {_moment(proposal['votesFrom'])} to {_moment(proposal['votesUntil'])}"
    if proposal["readyAt"]:
        yield f"executable   from {_moment(proposal['readyAt'])}"


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
            yield f"    {role:<15} {_open(before):>28} → {_open(effect['after'][role])}"


def _open(amount: object) -> str:
    whole, rest = divmod(int(str(amount)), UNIT)
    return f"{whole}.{rest:018d}".rstrip("0").rstrip(".") + " OPEN"


def _moment(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
