"""Who the node is and what it costs."""

import httpx2

from tests.node.running import NodeThread


def test_a_free_node_describes_itself(http: httpx2.Client, node: NodeThread) -> None:
    me = http.get("/nodes/me").json()

    assert (me["mode"], me["chainId"], me["operator"]) == ("free", 0, node.world.operator)


def test_a_free_node_has_no_prices(http: httpx2.Client) -> None:
    refused = http.get("/nodes/me/quote", params={"model": "cardiology"})

    assert (refused.status_code, refused.json()["code"]) == (404, "not_offered")
    assert "no quote" in refused.json()["detail"]


def test_a_paid_node_names_what_a_payer_signs_for(client: httpx2.Client) -> None:
    me = client.get("/nodes/me").json()

    assert me["mode"] == "paid"
    assert me["accepts"][0]["payTo"] == me["node"]
    assert me["accepts"][0]["asset"] == me["asset"]
    assert int(me["minDeposit"]) > 0


def test_a_paid_node_names_the_registries_that_its_receipts_are_judged_by(
    client: httpx2.Client, paid_node: NodeThread
) -> None:
    me = client.get("/nodes/me").json()

    assert paid_node.world.paid is not None
    deployment = paid_node.world.paid.deployment
    assert (me["nodeRegistry"], me["assetRegistry"]) == (deployment.node_registry, deployment.asset_registry)
    assert me["genesisHash"] == deployment.genesis_hash


def test_a_quote_grows_with_tokens_and_choices_and_is_bounded_by_the_context(client: httpx2.Client) -> None:
    def max_fee(**query: int) -> int:
        quote = client.get("/nodes/me/quote", params={"model": "cardiology", "prompt_tokens": 10, **query}).json()
        return int(quote["maxFee"])

    context = client.get("/nodes/me").json()["contextTokens"]

    assert max_fee(max_tokens=10) < max_fee(max_tokens=20) == max_fee(max_tokens=10, n=2)
    assert max_fee(max_tokens=10 * context) == max_fee(max_tokens=context) == max_fee()


def test_a_quote_for_no_model_of_this_node_is_refused(client: httpx2.Client) -> None:
    assert client.get("/nodes/me/quote", params={"model": "nope"}).json()["code"] == "model_not_found"
