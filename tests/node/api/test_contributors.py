"""What an address has earned and can claim."""

import csv
import io

import httpx2

from local_chain.accounts import dev_accounts
from tests.node.api.paid import receipts_of
from tests.node.running import NodeThread


def test_earnings_sum_to_the_fees_of_all_receipts(client: httpx2.Client, paid_node: NodeThread) -> None:
    operator = dev_accounts()[1].address
    total = sum(one.fee for one in receipts_of(client))
    addresses = [key.address for key in dev_accounts()]

    accrued = [client.get(f"/contributors/{one}/earnings").json()["totals"]["accrued"] for one in addresses]
    series = client.get(f"/contributors/{operator}/earnings", params={"group_by": "adapter"}).json()
    exported = client.get(f"/contributors/{operator}/export.csv", params={"bucket": "day"}).text

    # contributors' shares round down: less than one base unit for each of 12 is left in the Datanets
    assert total - 12 < sum(map(int, accrued)) <= total
    assert {row["adapter"] for row in series["series"]} == {"cardiology"}
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert sum(int(row["amount"]) for row in rows) == int(series["totals"]["accrued"])
    assert client.get("/contributors/nobody/earnings").json()["param"] == "address"


def test_claims_come_with_proofs(client: httpx2.Client, paid_node: NodeThread) -> None:
    httpx2.post(paid_node.admin_url + "/admin/settle/now?wait_s=60", headers=paid_node.token, timeout=120)
    member = dev_accounts()[14].address

    plan = client.get(f"/contributors/{member}/claims").json()

    assert int(plan["amount"]) > 0
    assert {claim["kind"] for claim in plan["claims"]} == {"share"}


def test_pages_of_earnings_are_the_series_without_gaps(client: httpx2.Client) -> None:
    path = f"/contributors/{dev_accounts()[1].address}/earnings"
    whole = client.get(path, params={"bucket": "day", "group_by": "adapter"}).json()

    rows, cursor = [], "0"
    while cursor is not None:
        page = client.get(path, params={"bucket": "day", "group_by": "adapter", "cursor": cursor, "limit": 1}).json()
        rows += page["series"]
        cursor = page["next"]

    assert rows == whole["series"] != []


def test_a_free_node_has_no_earnings(http: httpx2.Client) -> None:
    address = dev_accounts()[1].address

    for path in (f"/contributors/{address}/earnings", f"/contributors/{address}/claims"):
        assert http.get(path).json()["code"] == "not_offered"
