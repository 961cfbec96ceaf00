"""Adapters as assets: versions, digests, and the Datanets they were trained on."""

from fastapi import APIRouter, Request, Response

from attribution.split import Payee
from node.api.listing import listed
from node.api.models import Cursor, Limit, model_json
from node.world import TheWorld, World
from serving.errors import ModelNotFound
from serving.types import AdapterDigest, ModelCard

router = APIRouter(prefix="/adapters", tags=["Adapters"])


@router.get("")
async def list_adapters(world: TheWorld, cursor: Cursor = None, limit: Limit = None) -> Response:
    """Every adapter that this node serves, by name; with `limit`, one page of them after `cursor`."""
    return listed(world, {}, lambda card: adapter_json(world, card), cursor, limit, base=False)


@router.get("/{name:path}/provenance")
async def provenance(name: str, request: Request, world: TheWorld) -> dict[str, object]:
    """The registered terms: who owns the adapter, and which Datanet versions share in its data part."""
    if not request.scope.get("raw_path", b"/provenance").partition(b"?")[0].endswith(b"/provenance"):
        return await get_adapter(f"{name}/provenance", world)  # an adapter of that name: its slash came as %2F
    card, digest = _card(world, name)
    return adapter_json(world, card) | {"terms": _terms(world, digest)}


@router.get("/{name:path}")
async def get_adapter(name: str, world: TheWorld) -> dict[str, object]:
    """One adapter by name, `name@digest` or `base:name`."""
    card, _ = _card(world, name)
    return adapter_json(world, card)


def _card(world: World, name: str) -> tuple[ModelCard, AdapterDigest]:
    card = world.service.model(name)
    if card.adapter is None:
        raise ModelNotFound(name)
    return card, card.adapter


def adapter_json(world: World, card: ModelCard) -> dict[str, object]:
    """`model_json` with the adapter's name, without the members that only OpenAI's clients need."""
    shown = {"name": card.name, **model_json(world, card)}
    return {key: shown[key] for key in shown if key not in ("id", "object", "permission")}


def _terms(world: World, digest: AdapterDigest) -> dict[str, object] | None:
    """The registered terms; None for an unregistered adapter, and on a node without a chain."""
    if world.paid is None:
        return None
    registrations = world.paid.registrations
    registered = registrations.terms_at(registrations.adapter_key_of(digest), registrations.head_time())
    if registered is None:
        return None
    terms = registered.value
    links = [
        {"datanetId": "0x" + link.datanet_id.hex(), "version": link.version, "ppm": link.ppm}
        | {"label": world.labels.of(Payee.of_datanet(link.datanet_id, link.version))}
        for link in terms.datanets
    ]
    return {
        "termsHash": "0x" + terms.struct_hash().hex(),
        "adapterKey": "0x" + terms.adapter_key.hex(),
        "owner": terms.owner,
        "royaltyPpm": terms.royalty_ppm,
        "dataPpm": terms.data_ppm,
        "datanets": links,
    }
