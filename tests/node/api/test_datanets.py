"""Datanets and their contributors."""

import httpx2


def test_an_adapter_s_datanets_and_their_contributors_are_shown(client: httpx2.Client) -> None:
    terms = client.get("/adapters/cardiology/provenance").json()["terms"]
    datanet = client.get(f"/datanets/{terms['datanets'][0]['datanetId']}").json()

    assert datanet["label"] == terms["datanets"][0]["label"] == "Datanet cardiology v1"
    assert {one["label"] for one in datanet["contributors"]} == {f"contributor-{n}" for n in (5, 6, 7, 8)}
    assert len(client.get("/datanets").json()["data"]) == 3
    assert len(client.get(f"/datanets/{datanet['datanetId']}/versions").json()["data"]) == 1
    assert client.get(f"/datanets/{datanet['datanetId']}/versions/1").json() == datanet
    assert client.get(f"/datanets/{datanet['datanetId']}/versions/2").json()["code"] == "not_found"


def test_a_datanet_that_is_not_registered_is_not_found(client: httpx2.Client) -> None:
    missing = client.get("/datanets/0x" + "11" * 32)

    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert client.get("/datanets/5").json()["param"] == "id"
