"""Probes of the parts and what /readyz makes of them."""

from pathlib import Path

import httpx2

from node.readiness import Check
from tests.node.running import free_settings, node_thread


def test_readyz_reports_every_probe(tmp_path: Path) -> None:
    with node_thread(free_settings(tmp_path)) as node:
        answers = []
        for ok in (True, False):

            async def probe(ok: bool = ok) -> Check:
                return Check(ok, "the tank is full" if ok else "the tank is empty")

            object.__setattr__(node.world, "probes", {"tank": probe})
            answers.append(httpx2.get(node.url + "/readyz"))

    assert [answer.status_code for answer in answers] == [200, 503]
    assert answers[1].json()["checks"]["tank"] == {"ok": False, "reason": "the tank is empty"}
    assert answers[1].headers["Retry-After"] == "1"
