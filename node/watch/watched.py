"""One watched node: what the chain has posted for it, replayed from its public files, and every fault so far."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from attribution.findings import Fault, Finding, SignedLeaf
from attribution.receipts_file import InvalidReceiptsFile, ReceiptsFile
from attribution.replay import Replay, equivocations, ledger_of, over_claims
from contracts.crypto import Address, Bytes32
from contracts.x402 import ChannelConfig
from node.chain.contracts import EscrowContract
from node.watch.challenges import Challenge, challenge_of
from node.watch.registries import Registries
from node.watch.source import NodeSource, SourceMalformed, SourceUnavailable

KEPT_FILES = 16
"""How many of the newest files are kept in memory, to build evidence from them."""


@dataclass(slots=True)
class Watched:
    """A node, from whichever source serves its files. registries: the chain; None to judge by the files alone.

    signed: receipts that payers got from this node, to compare with what it posts.
    """

    source: NodeSource
    registries: Registries | None
    signed: Sequence[SignedLeaf] = ()
    replay: Replay | None = None
    receipts: int = 0
    files: dict[int, ReceiptsFile] = field(default_factory=dict)
    channels: dict[Bytes32, ChannelConfig] = field(default_factory=dict)
    _vault: Address | None = None

    @property
    def epoch(self) -> int:
        """The newest epoch that was replayed."""
        return self.replay.tip.epoch if self.replay else 0

    async def vault(self) -> Address:
        """The node's vault, as its source says when it is asked first."""
        if self._vault is None:
            self._vault = (await asyncio.to_thread(self.source.card)).node
        return self._vault

    async def look(self, until: int | None = None) -> list[Finding]:
        """What is wrong with the batches that are new since the last look, up to epoch `until`.

        Raises SourceUnavailable or SourceMalformed if the node cannot say who it is, and ChainError.
        """
        await self._forget_the_dead()
        findings = list[Finding]()
        last = await self.last_epoch()
        for epoch in range(self.epoch + 1, (last if until is None else min(until, last)) + 1):
            file = await self._file(epoch, findings)
            if file is None:
                break
            findings += await self._judge(file)
            if self.epoch != epoch:
                break  # its state is lost: what follows starts from nothing that is known
        return findings + await self._over_claims()

    async def challenge(self, finding: Finding) -> Challenge | None:
        """The call of the Challenges contract that answers a finding; None if there is none or a file cannot be had."""
        files = dict(self.files)
        for epoch in {finding.epoch} | ({finding.earlier.epoch} if finding.earlier else set()):
            if epoch not in files and (file := await self._file(epoch, [])) is not None:
                files[epoch] = file
        return challenge_of(finding, files, self.replay.tip.state if self.replay else None, self.channels)

    async def last_epoch(self) -> int:
        """The epoch of the newest posted batch. Raises ChainError, or the errors of the source."""
        if self.registries is not None:
            return await self.registries.last_epoch(await self.vault())
        announced = await asyncio.to_thread(self.source.announced, self.epoch)
        return max((row.epoch for row in announced if row.posted), default=self.epoch)

    async def _forget_the_dead(self) -> None:
        """Rolls back to the newest header that the chain still holds: headers die, and reorganisations remove them."""
        if self.registries is None or self.replay is None:
            return
        while self.replay.tip.epoch > 0:
            newest = self.files.get(self.replay.tip.epoch)
            if newest is not None and await self.registries.is_posted(newest.header):
                return
            if newest is None:  # older than what is kept: start again
                self.replay, self.receipts = None, 0
                self.files.clear()
                return
            del self.files[self.replay.tip.epoch]
            self.receipts -= newest.header.count
            self.replay.roll_back(self.replay.tip.epoch - 1)

    async def _file(self, epoch: int, findings: list[Finding]) -> ReceiptsFile | None:
        """The file of a posted header; None, with a finding, if the source does not give it."""
        try:
            raw = await asyncio.to_thread(self.source.receipts_file, epoch)
            file = await asyncio.to_thread(ReceiptsFile.decode, raw)
        except (SourceUnavailable, SourceMalformed, InvalidReceiptsFile) as error:
            findings.append(Finding(Fault.WITHHELD, epoch, f"no valid file can be had: {error}"))
            return None
        if self.registries is not None and not await self.registries.is_posted(file.header):
            detail = "the file that is served has another header than the posted one"
            findings.append(Finding(Fault.WITHHELD, epoch, detail))
            return None
        return file

    async def _judge(self, file: ReceiptsFile) -> list[Finding]:
        self.replay = self.replay or Replay(ledger_of(file))
        findings = await asyncio.to_thread(self.replay.add, file)
        if self.registries is not None:
            findings += await self.registries.contradictions(file)
        findings += await self._equivocations(file)
        self.files[file.header.epoch] = file
        if self.epoch == file.header.epoch:
            self.receipts += file.header.count
            self.files.pop(file.header.epoch - KEPT_FILES, None)
            configs = (entry.evidence.config for entry in file.entries)
            self.channels |= {config.channel_id(file.domain.chain_id): config for config in configs}
        return findings

    async def _equivocations(self, file: ReceiptsFile) -> list[Finding]:
        findings = []
        for signed in self.signed:
            at = signed.receipt.finished_at
            if self.registries is not None:
                operator: Address | None = await self.registries.operator_at(file.header.node, at)
            else:
                operator = file.operator_at(at)
            if operator is not None:
                findings += equivocations(file, operator, [signed])
        return findings

    async def _over_claims(self) -> list[Finding]:
        """Compares the escrow with the newest posted state. Nothing while the newest file is missing or wrong."""
        if self.registries is None or self.replay is None or not self.channels:
            return []
        if self.epoch != await self.registries.last_epoch(await self.vault()):
            return []
        known = sorted(self.channels)
        views = await EscrowContract(self.registries.client).channels(known)
        claimed = {channel_id: view.total_claimed for channel_id, view in zip(known, views, strict=True)}
        return over_claims(self.replay.tip.state, self.epoch, claimed)
