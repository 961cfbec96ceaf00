"""`bench`: measure serving on this machine, next to what else could serve the same adapters here."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.table import Table

from node.cli.context import Context, context_of
from node.cli.failures import ConfigurationFailure, UsageFailure, VerificationFailure

if TYPE_CHECKING:
    from node.bench.profiles import Dtype, Profile
    from node.bench.suite import Scenario

app = typer.Typer(help="Measure serving on this machine: random weights, real work.", no_args_is_help=True)

_Scenarios = Annotated[list[str] | None, typer.Option("--scenario", metavar="NAME", help="Only this one; repeatable.")]
_ProfileName = Annotated[str, typer.Option("--profile", help="ci, cpu or gpu: how large model and work are.")]
_Quick = Annotated[bool, typer.Option("--quick", help="One short turn each: does it run?")]
_Full = Annotated[bool, typer.Option("--full", help="The whole grid: a thousand requests a turn; hours.")]
_Dtype = Annotated[str | None, typer.Option(help="bf16 or fp32 instead of the profile's.")]
_Seed = Annotated[int, typer.Option(help="Of weights, prompts and arrivals.")]
_Output = Annotated[Path | None, typer.Option("--output", metavar="FILE", help="Write the whole result as JSON.")]


@app.command()
def serve(
    context: typer.Context,
    *,
    profile: _ProfileName = "cpu",
    scenario: _Scenarios = None,
    quick: _Quick = False,
    full: _Full = False,
    dtype: _Dtype = None,
    seed: _Seed = 0,
    output: _Output = None,
) -> None:
    """Throughput and latency of resident adapters: the peers, A scale, F starvation, H receipts."""
    measured = _profile(profile, dtype, quick=quick, full=full)
    _measure(context_of(context), "serve", scenario or [], measured, seed=seed, output=output)


@app.command()
def switch(
    context: typer.Context,
    *,
    profile: _ProfileName = "cpu",
    scenario: _Scenarios = None,
    quick: _Quick = False,
    full: _Full = False,
    dtype: _Dtype = None,
    seed: _Seed = 0,
    output: _Output = None,
) -> None:
    """Adapters that come and go: B storm, C interference, D remote, E churn, G hostile."""
    measured = _profile(profile, dtype, quick=quick, full=full)
    _measure(context_of(context), "switch", scenario or [], measured, seed=seed, output=output)


def _profile(name: str, dtype: str | None, *, quick: bool, full: bool) -> "Profile":
    from node.bench.profiles import PROFILES

    if name not in PROFILES:
        raise UsageFailure(f"There is no profile {name!r}.", f"name one of: {', '.join(PROFILES)}")
    if dtype not in (None, "bf16", "fp32"):
        raise UsageFailure(f"There is no dtype {dtype!r}.", "name bf16 or fp32")
    if quick and full:
        raise UsageFailure("--quick and --full exclude each other.", "give one of them")
    profile = PROFILES[name]
    profile = profile.quick() if quick else profile.full() if full else profile
    return profile if dtype is None else replace(profile, dtype=cast("Dtype", dtype))


def _measure(
    shared: Context,
    verb: str,
    wanted: list[str],
    profile: "Profile",
    *,
    seed: int,
    output: Path | None,
) -> None:
    import asyncio

    from node.cli.diagnosis import INSTALL_SERVING, missing_packages

    missing = missing_packages()
    if missing:
        raise ConfigurationFailure(
            f"the benchmark needs packages that are missing: {', '.join(missing)}", INSTALL_SERVING
        )
    from node.bench import suite
    from node.logs import configure

    configure("info" if shared.verbose else "warning", "text")

    def tell(scenario: "Scenario", found: dict[str, object]) -> None:
        if not shared.as_json:
            _show(shared, scenario, found)

    try:
        document = asyncio.run(suite.run(profile, suite.selected(verb, wanted), seed, tell))
    except suite.NotRunnable as refusal:
        raise ConfigurationFailure(str(refusal), refusal.fix) from refusal
    if output is not None:
        output.write_text(json.dumps(document, indent=2) + "\n")
    if shared.as_json:
        shared.emit(document)
    elif document["peersLeftOut"]:
        shared.console.print(str(document["peersLeftOut"]))
    wrong = [
        name for name, found in cast(dict[str, dict[str, object]], document["scenarios"]).items() if not found["ok"]
    ]
    if wrong:
        raise VerificationFailure(f"Answers were lost or were another adapter's in: {', '.join(wrong)}.")


def _show(shared: Context, scenario: "Scenario", found: dict[str, object]) -> None:
    letter = f"{scenario.letter} " if scenario.letter else ""
    shared.console.print(f"\n{letter}{scenario.name}", style="bold")
    shared.console.print(scenario.question)
    table = Table("", "turns", "tokens/s", "TTFT p50", "p99", "ITL p50", "p99 ms", box=None, pad_edge=False)
    for arm, figures in cast(dict[str, dict[str, float]], found["arms"]).items():
        shown = ("tokens_per_s", "ttft_p50_ms", "ttft_p99_ms", "itl_p50_ms", "itl_p99_ms")
        table.add_row(arm, f"{figures['turns']:.0f}", *(f"{figures[name]:.1f}" for name in shown))
    shared.console.print(table)
    for name, interval in cast(dict[str, dict[str, float]], found["ratios"]).items():
        shared.console.print(f"  {name}: {interval['median']:.2f} ({interval['low']:.2f} to {interval['high']:.2f})")
    for name, value in cast(dict[str, float], found["notes"]).items():
        shared.console.print(f"  {name}: {value:.4g}")
    counts = cast(dict[str, int], found["checks"])
    shared.console.print("  " + ", ".join(f"{name} {count}" for name, count in counts.items()))
