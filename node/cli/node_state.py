"""`ps`, `status` and `doctor`: the state of the node in the home, and whether this machine can run a node."""

from typing import cast

import typer
from rich.table import Table

from node.cli.adapter import failure_line
from node.cli.context import context_of
from node.cli.failures import ChainFailure, ConfigurationFailure, FundsFailure, VerificationFailure


def ps(context: typer.Context) -> None:
    """Show models in memory, pinned, in flight or used last, and adapters that could not be loaded."""
    from node.cli.remote import ask_operator

    shared = context_of(context)
    state = ask_operator(shared, "GET", "/admin/ps")
    if shared.as_json:
        shared.emit(state)
        return
    fields = ("id", "residency", "bytes", "rank", "pinned", "in_flight", "hits", "last_used")
    names = ("name", "tier", "bytes", "rank", "pinned", "in flight", "hits", "last used")
    table = Table(*names, box=None, pad_edge=False)
    for model in cast(list[dict[str, object]], state["models"]):
        table.add_row(*("-" if model[field] is None else str(model[field]) for field in fields))
    shared.console.print(table)
    for failed in cast(list[dict[str, object]], state["failed"]):
        shared.console.print(failure_line(failed), highlight=False, markup=False)
    engine = cast(dict[str, int], state["engine"])
    shared.console.print(
        f"running {engine['running']}, waiting {engine['waiting']}, loading {engine['loading']}, "
        f"KV {engine['kv_used_bytes']}/{engine['kv_budget_bytes']} bytes "
        f"({engine['kv_kept_bytes']} more kept for prefixes), "
        f"adapters {engine['adapter_used_bytes']}/{engine['adapter_budget_bytes']} bytes"
    )


def status(context: typer.Context) -> None:
    """Show whether the node runs and is ready, and why not."""
    from node.cli.remote import ask_operator, running_node

    shared = context_of(context)
    node = running_node(shared)
    state = ask_operator(shared, "GET", "/admin/status")
    if shared.as_json:
        shared.emit(state)
        return
    adapters = cast(dict[str, int], state["adapters"])
    shared.console.print(f"pid {node.pid}, {node.mode}, {node.url} (admin {node.admin_url}), up {state['uptime_s']} s")
    shared.console.print(
        f"{adapters['registered']} adapters, {adapters['in_memory']} in memory, {state['requests']} requests in flight"
    )
    for name, check in cast(dict[str, dict[str, object]], state["checks"]).items():
        shared.console.print(f"  {'ok' if check['ok'] else '!!'}  {name}: {check['reason']}")


def doctor(context: typer.Context) -> None:
    """Check this machine, the home, and the node's ledger against the chain; print each problem with its fix.

    Exits with 7 if ledger and chain contradict each other, else with 4 for the chain, 5 for money, 3 for the rest.
    """
    from node.cli import node_doctor
    from node.cli.diagnosis import examine

    shared = context_of(context)
    of_the_node = node_doctor.examine(shared)  # first: taking the home's lock makes its files private
    findings = [*examine(shared.settings()), *of_the_node]
    if shared.as_json:
        shared.emit([{"check": f.check, "ok": f.ok, "found": f.found, "fix": f.fix} for f in findings])
    else:
        for finding in findings:
            shared.console.print(f"{'ok' if finding.ok else '!!'}  {finding.check}: {finding.found}")
            if not finding.ok:
                shared.console.print(f"      fix: {finding.fix}")
    failed = {finding.exit_code for finding in findings if not finding.ok}
    if failed:
        serious = next(kind for kind in _BY_SERIOUSNESS if kind.exit_code in failed)
        raise serious("Some checks failed.")


_BY_SERIOUSNESS = (VerificationFailure, ChainFailure, FundsFailure, ConfigurationFailure)
