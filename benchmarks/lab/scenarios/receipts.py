"""H: what it costs to write a signed receipt to disk for every answer."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lab.clients import AfterAnswer, Answer, Measurement, closed_loop
from benchmarks.lab.lab import Arm, Lab, ScenarioResult, answered, medians, names, ratio
from benchmarks.lab.traffic import pick
from benchmarks.lab.verdict import check


async def run(lab: Lab) -> ScenarioResult:
    """A closed loop without receipts, and with each receipt on disk before the caller sends its next request."""
    count = min(lab.profile.concurrency, lab.profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    tokens_out: list[int] = []

    async def serve(after: AfterAnswer | None) -> Measurement:
        picked = pick("uniform", count, lab.profile.requests, lab.rng)
        requests = lab.requests([f"a{model}" for model in picked])
        return await closed_loop(service, requests, lab.profile.concurrency, after)

    async with _receipts(tokens_out) as record:
        arms = [Arm("without", lambda number: serve(None)), Arm("with receipts", lambda number: serve(record))]
        measurements = await lab.take_turns(arms)
    checks = await check(service, answered(measurements, *measurements), lab.rng)
    compared = {"tokens/s, with receipts / without": ratio(measurements, "with receipts", "without")}
    return ScenarioResult(
        medians(measurements), compared, checks, {"receipts": len(tokens_out), "tokens_on_receipts": sum(tokens_out)}
    )


@asynccontextmanager
async def _receipts(tokens_out: list[int]) -> AsyncIterator[AfterAnswer]:
    """A callback that writes a free node's receipt to a temporary database and its output tokens to `tokens_out`."""
    from contracts.crypto import ZERO_BYTES32, PrivateKey
    from contracts.encoding import adapter_key
    from node.metering.free import FreeMetering
    from node.store.database import Database

    with TemporaryDirectory(prefix="openlora-bench-") as folder:
        database = await Database.open(f"sqlite:///{Path(folder) / 'receipts.db'}")
        metering = FreeMetering(database, PrivateKey.generate())

        async def record(answer: Answer) -> None:
            assert answer.end is not None
            assert answer.adapter is not None
            digest = bytes.fromhex(answer.adapter)
            now = int(time.time())
            issued = await metering.record(
                secrets.token_hex(8),
                adapter_key(ZERO_BYTES32, 0, digest, digest),
                answer.end,
                prompt=repr(answer.request.prompt_ids).encode(),
                output=repr(answer.tokens).encode(),
                started_at=now,
                now=now,
            )
            assert issued.receipt.tokens_out == len(answer.tokens), "the receipt's tokens are not the answer's"
            tokens_out.append(issued.receipt.tokens_out)

        try:
            yield record
        finally:
            await database.close()
