"""Claims without the node: the state is rebuilt from a mirror's files, and everything else is read from the chain."""

from collections.abc import Mapping
from dataclasses import dataclass

from attribution.batch import ChainTip
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.replay import Replay, ledger_of
from attribution.split import Payee
from contracts.crypto import Address, Bytes32
from node.chain.contracts import SettlementContract
from node.chain.events import DatanetPublished
from node.settlement.chain_progress import ChainProgress
from node.settlement.claims import ClaimPlan, claims_under
from node.settlement.datanets import DatanetFiles
from node.settlement.entitlements import Entitlements, entitlements_of
from node.watch.registries import Registries
from node.watch.source import MirrorFolder, SourceMalformed, SourceUnavailable


@dataclass(frozen=True, slots=True)
class _Publications:
    """Published Datanet versions, read from the chain."""

    published: Mapping[tuple[Bytes32, int], DatanetPublished]

    def datanet(self, datanet_id: Bytes32, version: int) -> DatanetPublished | None:
        return self.published.get((datanet_id, version))


async def mirrored_claims(
    folder: MirrorFolder, registries: Registries, address: Address
) -> tuple[ClaimPlan, Entitlements]:
    """What `address` may claim from the node of this folder now, and from which payees it earns.

    Raises SourceUnavailable if the mirror lacks a file, SourceMalformed if one is not what the chain knows.
    """
    node = folder.card().node
    settlement = SettlementContract(registries.client, registries.deployment.settlement)
    active = (await settlement.ledger(node)).active_epoch
    if active == 0:
        return ClaimPlan(address, ()), Entitlements(address, (), ())
    tip, versions = await _rebuilt(folder, registries, active)
    known = _Publications({one: await registries.datanet(*one) for one in versions.values()})
    treasury = await settlement.treasury()
    earning = entitlements_of(address, versions, DatanetFiles(folder.datanets), known, treasury)
    progress = ChainProgress(active_epoch=active)
    for entitlement in earning.entries:
        payee = entitlement.payee
        if entitlement.datanet_id is None or entitlement.version is None:
            (progress.paid[payee],) = await settlement.claimed(node, [(payee.kind, payee.id)])
        else:
            version = entitlement.datanet_id, entitlement.version
            (progress.share_paid[payee, address],) = await settlement.share_paid(node, address, [version])
    return claims_under(earning, tip, progress), earning


async def _rebuilt(
    folder: MirrorFolder, registries: Registries, active: int
) -> tuple[ChainTip, dict[Payee, tuple[Bytes32, int]]]:
    """The tip after epoch `active`, and the Datanet version behind every payee of the terms so far."""
    replay: Replay | None = None
    versions: dict[Payee, tuple[Bytes32, int]] = {}
    for epoch in range(1, active + 1):
        path = folder.batch_path(epoch)
        try:
            file = ReceiptsFile.decode(folder.receipts_file(epoch))
        except InvalidReceiptsFile as error:
            raise SourceMalformed(str(path), f"{error}: delete it and run `receipts mirror`") from error
        replay = replay or Replay(ledger_of(file))
        replay.add(file)
        if replay.tip.epoch != epoch:
            raise SourceMalformed(str(path), "does not rebuild its header's state: no proof can be made from it")
        if epoch == active and not await registries.is_posted(file.header):
            raise SourceMalformed(str(path), "is not of the header that the chain holds: mirror another copy")
        versions |= _versions_of(file)
    if replay is None:
        raise SourceUnavailable(f"{folder.folder} has no batches: run `receipts mirror`")
    return replay.tip, versions


def _versions_of(file: ReceiptsFile) -> dict[Payee, tuple[Bytes32, int]]:
    agreed = {entry.evidence.terms.value for entry in file.entries if entry.evidence.terms is not None}
    links = (link for terms in agreed for link in terms.datanets)
    return {Payee.of_datanet(link.datanet_id, link.version): (link.datanet_id, link.version) for link in links}
