"""H: what a signed receipt on disk for every answer costs."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.lab.lab import Arm, Found, Lab, answered, medians, names, ratio
from benchmarks.lab.load import AfterAnswer, Answer, Load, closed_loop
from benchmarks.lab.traffic import chosen
from benchmarks.lab.verdict import check


async def run(lab: Lab) -> Found:
    """The same closed loop without receipts, and with one on disk before the caller asks again."""
    count = min(lab.profile.concurrency, lab.profile.adapters)
    service = await lab.service(count)
    await lab.warm(service, names(count))
    tokens_out: list[int] = []

    async def serve(after: AfterAnswer | None) -> Load:
        picked = chosen("uniform", count, lab.profile.requests, lab.rng)
        asks = lab.asks([f"a{model}" for model in picked])
        return await closed_loop(service, asks, lab.profile.concurrency, after)

    async with _receipts(tokens_out) as record:
        arms = [Arm("without", lambda number: serve(None)), Arm("with receipts", lambda number: serve(record))]
        loads = await lab.take_turns(arms)
    checks = await check(service, answered(loads, *loads), lab.rng)
    compared = {"tokens/s, with receipts / without": ratio(loads, "with receipts", "without")}
    return Found(medians(loads), compared, checks, {"receipts": len(tokens_out), "tokens_on_receipts": sum(tokens_out)})


@asynccontextmanager
async def _receipts(tokens_out: list[int]) -> AsyncIterator[AfterAnswer]:
    """Writes a free node's receipts to a database of their own; their output tokens go to `tokens_out`."""
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
                prompt=repr(answer.ask.prompt_ids).encode(),
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
