"""The `bench` command: measures serving on this machine, next to transformers and PEFT with the same adapters.

node.cli finds it through the entry point group `openlora.commands`.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.table import Table

from node.cli.context import Context, context_of
from node.cli.failures import ConfigurationFailure, UsageFailure, VerificationFailure

if TYPE_CHECKING:
    from benchmarks.lab.profiles import Dtype, Profile
    from benchmarks.lab.suite import Scenario

app = typer.Typer(help="Measure serving on this machine, with random weights.", no_args_is_help=True)
Verb = Literal["serve", "switch"]
_VERBS: dict[Verb, str] = {
    "serve": "Throughput and latency of resident adapters; includes A scale, F starvation, H receipts.",
    "switch": "Adapters that are loaded and replaced: B storm, C interference, D remote, E churn, G hostile.",
}
_SHOWN = ("tokens_per_s", "ttft_p50_ms", "ttft_p99_ms", "itl_p50_ms", "itl_p99_ms")


def _add(verb: Verb, about: str) -> None:
    """Register the command of a verb. Both verbs have the same options."""

    @app.command(verb, help=about)
    def measure(
        context: typer.Context,
        *,
        profile: Annotated[str, typer.Option(help="ci, cpu or gpu: the size of model and work.")] = "cpu",
        scenario: Annotated[
            list[str] | None, typer.Option(metavar="NAME", help="Run only this scenario; repeatable.")
        ] = None,
        quick: Annotated[bool, typer.Option("--quick", help="One short turn each, as a smoke test.")] = False,
        full: Annotated[
            bool, typer.Option("--full", help="The whole grid: 1,000 requests a turn. It takes hours.")
        ] = False,
        dtype: Annotated[str | None, typer.Option(help="bf16 or fp32, in place of the profile's.")] = None,
        seed: Annotated[int, typer.Option(help="Seed of weights, prompts and arrivals.")] = 0,
        output: Annotated[
            Path | None, typer.Option(metavar="FILE", help="Write the result as JSON to this file.")
        ] = None,
    ) -> None:
        measured = _profile(profile, dtype, quick=quick, full=full)
        _measure(context_of(context), verb, scenario or [], measured, seed=seed, output=output)


for _verb, _about in _VERBS.items():
    _add(_verb, _about)


def _profile(name: str, dtype: str | None, *, quick: bool, full: bool) -> "Profile":
    from benchmarks.lab.profiles import PROFILES

    if name not in PROFILES:
        raise UsageFailure(f"There is no profile {name!r}.", f"choose one of: {', '.join(PROFILES)}")
    if dtype not in (None, "bf16", "fp32"):
        raise UsageFailure(f"There is no dtype {dtype!r}.", "choose bf16 or fp32")
    if quick and full:
        raise UsageFailure("--quick and --full exclude each other.", "give only one of them")
    profile = PROFILES[name]
    profile = profile.quick() if quick else profile.full() if full else profile
    return profile if dtype is None else replace(profile, dtype=cast("Dtype", dtype))


def _measure(
    shared: Context, verb: Verb, wanted: list[str], profile: "Profile", *, seed: int, output: Path | None
) -> None:
    import asyncio

    from node.cli.diagnosis import INSTALL_SERVING, missing_packages

    missing = missing_packages()
    if missing:
        raise ConfigurationFailure(
            f"the benchmark needs packages that are missing: {', '.join(missing)}", INSTALL_SERVING
        )
    from benchmarks.lab import suite
    from node.process.logs import configure

    configure("info" if shared.verbose else "warning", "text")

    def report(scenario: "Scenario", result: dict[str, Any]) -> None:
        if not shared.as_json:
            _show(shared, scenario, result)

    try:
        document = asyncio.run(suite.run(profile, suite.selected(verb, wanted), seed, report))
    except suite.NotRunnable as refusal:
        raise ConfigurationFailure(str(refusal), refusal.fix) from refusal
    if output is not None:
        output.write_text(json.dumps(document, indent=2) + "\n")
    if shared.as_json:
        shared.emit(document)
    else:
        _show_end(shared, document)
    wrong = [name for name, result in document["scenarios"].items() if not result["ok"]]
    if wrong:
        raise VerificationFailure(f"Answers were lost or came from another adapter in: {', '.join(wrong)}.")


def _show(shared: Context, scenario: "Scenario", result: dict[str, Any]) -> None:
    letter = f"{scenario.letter} " if scenario.letter else ""
    shared.console.print(f"\n{letter}{scenario.name}", style="bold")
    shared.console.print(scenario.question)
    table = Table("", "turns", "tokens/s", "TTFT p50", "p99", "ITL p50", "p99 ms", box=None, pad_edge=False)
    for arm, figures in result["arms"].items():
        table.add_row(arm, f"{figures['turns']:.0f}", *(f"{figures[name]:.1f}" for name in _SHOWN))
    shared.console.print(table)
    for name, interval in result["compared"].items():
        shared.console.print(f"  {name}: {interval['median']:.3g} ({interval['low']:.3g} to {interval['high']:.3g})")
    for name, value in result["notes"].items():
        shared.console.print(f"  {name}: {value:.4g}")
    shared.console.print("  " + ", ".join(f"{name} {count}" for name, count in result["checks"].items()))


def _show_end(shared: Context, document: dict[str, Any]) -> None:
    """Print the bars for which something was measured."""
    from benchmarks.lab.scoreboard import measured_text

    if document["peersLeftOut"]:
        shared.console.print(str(document["peersLeftOut"]))
    rows = [row for row in document["bars"] if row["measured"] is not None]
    if rows:
        table = Table("figure", "bar", "measured", "", box=None, pad_edge=False)
        for row in rows:
            table.add_row(row["figure"], row["bar"], measured_text(row), row["reached"])
        shared.console.print()
        shared.console.print(table)
