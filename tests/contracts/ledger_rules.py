"""Any order of serving, posting, claiming, challenging and waiting on the real contracts, against a model.

The model is `attribution.transition`: the state after each receipt, and so after each posted header. The laws of the
protocol are checked after every step.
"""

from dataclasses import dataclass, replace

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from attribution.batch import ChainTip
from attribution.split import TREASURY, Payee, PayeeKind
from attribution.state_tree import charged_key, earned_key
from attribution.transition import LedgerState, apply
from contracts.crypto import PrivateKey, to_address
from contracts.eip712 import Domain
from contracts.encoding import uint_word
from contracts.structs import BatchHeader
from contracts.x402 import ERC3009_COLLECTOR, ReceiveWithAuthorization, Voucher, deposit_nonce, x402_domain
from tests.contracts.cheats import Scene, wrong_state
from tests.contracts.court import PAYERS, Court
from tests.contracts.docket import NO_HEADER, Docket, Entry, Filing, filing_of
from tests.contracts.machine import CHAIN_ID
from tests.contracts.market import SPAN_S, Market
from tests.contracts.world import OPEN, STAKE, key

DEPOSIT = 10**6 * OPEN
"""What each payer deposits. A request that its channel cannot pay is not served."""
NOBODY = to_address("0x" + "00" * 18 + "dead")


@dataclass(frozen=True, slots=True)
class Posted:
    """A header on the chain, and the model's state after it. A dishonest one has a leaf that nobody can justify."""

    filing: Filing
    after: LedgerState
    honest: bool = True

    @property
    def header(self) -> BatchHeader:
        """The posted header."""
        return self.filing.header


class LedgerRules(RuleBasedStateMachine):
    """One vault from its first receipt on; after a death it sells no more, and posts its honest receipts again."""

    @initialize(seed=st.integers(0, 2**16))
    def begin(self, seed: int) -> None:
        """Deploys the contracts; four payers fund a channel each."""
        self.court = Court(Market(seed, dearest=5 * OPEN))
        self.docket, self.world = Docket(self.court), self.court.world
        self.machine, self.draw = self.world.machine, self.court.draw
        for payer in PAYERS:
            self._deposit(payer)
        self.machine.warp(SPAN_S)
        self.model = self.court.state
        self.waiting: list[Entry] = []  # served, not posted
        self.posted: list[Posted] = []
        self.closed, self.staked = False, STAKE
        self.paid: dict[Payee, int] = {}
        self.digests: set[bytes] = set()
        self.demanded: set[tuple[bytes, int]] = set()

    # ---- rules -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.closed)
    @rule(count=st.integers(1, 4))
    def serve(self, count: int) -> None:
        """Receipts of any payer, adapter, time and kind of client."""
        for _ in range(count):
            self.court.state = self.model
            item = self.court.serve()
            receipt = item.receipt
            beyond = receipt.cum_before + receipt.fee > DEPOSIT or receipt.fee == 0
            if beyond or receipt.request_digest in self.digests or receipt.seq != self.model.seq + 1:
                continue
            after = apply(self.model, receipt, item.evidence)
            self.waiting.append(Entry(item, self.model, self.model.root, after.root))
            self.model = after
            self.digests.add(receipt.request_digest)

    @precondition(lambda self: self.waiting and self._all_honest())
    @rule(count=st.integers(1, 6))
    def post(self, count: int) -> None:
        """Cuts a batch and posts it; the same header again changes nothing."""
        entries = self.waiting[:count]
        closed_at = entries[-1].item.receipt.finished_at
        filing = filing_of(self._tip(), entries, closed_at, self._previous())
        after = self.waiting[count].before if len(self.waiting) > count else self.model
        refused = self.docket.post(filing.header)
        if self.closed and refused == "StakeTooLow":  # slashed: what was sold before is posted under new stake
            self._stake(filing.header.cum_total)
            refused = self.docket.post(filing.header)
        assert refused == ""
        assert self.docket.post(filing.header) == ""
        self.posted.append(Posted(filing, after))
        del self.waiting[:count]

    @precondition(lambda self: self.posted and not self.closed and self._all_honest())
    @rule()
    def post_a_cheat(self) -> None:
        """A batch in whose state a unit goes astray; what waited is posted honestly after its death."""
        self.court.state = self._tip().state
        filing = wrong_state(Scene(self.court, self._tip(), self.posted[-1].filing))
        if filing.entries[0].root_after != self._honest_root(filing.entries[0]) and not self.docket.post(filing.header):
            self.posted.append(Posted(filing, self._tip().state, honest=False))
        self.court.state = self.model

    @precondition(lambda self: not self._all_honest())
    @rule()
    def demand_what_nobody_can_justify(self) -> None:
        """The cheat and nothing else dies, and the vault sells no more."""
        cheat = self.posted[-1]
        if self._is_open(cheat):
            self.docket.demand_leaf(cheat.header, 0)
            assert self.docket.justify(cheat.filing, 0) != ""
            assert self.docket.expire_leaf(cheat.header, 0) == ""
            assert not self.docket.is_alive(cheat.header)
            self.posted.pop()
            self.closed = True

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def demand_and_justify(self, data: st.DataObject) -> None:
        """Junk: an honest leaf is demanded and justified, at any time of its window."""
        chosen = data.draw(st.sampled_from(self.posted))
        if chosen.honest and self._is_open(chosen):
            index = data.draw(st.integers(0, len(chosen.filing.entries) - 1))
            if (chosen.header.struct_hash(), index) in self.demanded:
                return  # a leaf can be demanded once
            self.demanded.add((chosen.header.struct_hash(), index))
            self.docket.demand_leaf(chosen.header, index)
            active = self._ledger()[1]
            self.machine.send(self.docket.watcher, self.world.settlement, "activate", chosen.header.node)
            assert self._ledger()[1] == active or self.posted[self._ledger()[1] - 1] is not chosen
            assert self.docket.justify(chosen.filing, index) == ""
            assert self.docket.is_alive(chosen.header)

    @precondition(lambda self: self.posted)
    @rule(payer=st.sampled_from(PAYERS))
    def claim_a_voucher(self, payer: PrivateKey) -> None:
        """Claims from a channel what the posted receipts charge it."""
        config = self.court.channel(payer)
        channel_id, total = config.channel_id(CHAIN_ID), self._charged(payer, self._honest_tip())
        claimed = self.machine.read(self.world.escrow, "channels", channel_id)[1]
        if total > claimed:
            signature = payer.sign(Voucher(channel_id, total).digest(x402_domain(CHAIN_ID)))
            self.world.claim_vouchers([((config.abi_tuple(), total), signature, total)])

    @rule()
    def sweep(self) -> None:
        """Brings what the vault claimed into Settlement; anybody may."""
        self.machine.send(self.docket.watcher, self.world.vault, "sweep")

    @rule(seconds=st.sampled_from([1, 600, 3_600, 90_000]))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.machine.warp(seconds)

    @rule()
    def activate(self) -> None:
        """Activates what may be; never a cheat that was challenged, never more than is credited."""
        self.machine.send(self.docket.watcher, self.world.settlement, "activate", self.world.vault.address)

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        """A payee claims against any active header, and gets what the model says is due beyond earlier claims."""
        active = [one for one in self.posted[: self._ledger()[1]] if one.honest]
        if not active:
            return
        chosen = data.draw(st.sampled_from(active))
        payee = data.draw(st.sampled_from([one for one in self._payees() if one.kind != PayeeKind.DATANET]))
        due = chosen.after.tree.get(earned_key(payee))
        if due == 0:
            return
        entry = self.world.claim_entry(chosen.after.tree, chosen.header, payee)
        amount = self.world.claim((self.world.vault.address, chosen.header.epoch, *entry[2:]))
        assert amount == max(0, due - self.paid.get(payee, 0))
        self.paid[payee] = max(due, self.paid.get(payee, 0))

    # ---- laws ------------------------------------------------------------------------------------------------------

    @invariant()
    def tokens_are_conserved(self) -> None:
        """No call makes or loses a token."""
        world = self.world
        contracts = (world.escrow, world.collector, world.settlement, world.registry, world.vault, world.challenges)
        people = (world.admin, world.owner, world.operator, world.payer, world.treasury, *PAYERS, key("operator payee"))
        owners = {self.court.market.owner_of(number) for number in range(4)}
        holders = {one.address for one in (*contracts, *people)} | owners | {NOBODY, self.docket.challenger}
        assert sum(map(world.balance, holders)) == self.machine.read(world.token, "totalSupply")

    @invariant()
    def the_chain_holds_what_the_model_posted(self) -> None:
        """Epochs and numbers without gaps, and one chain of headers."""
        last, active, next_seq, _, last_total, active_total, _ = self._ledger()
        assert last == len(self.posted)
        assert active <= last
        assert next_seq == 1 + sum(len(one.filing.entries) for one in self.posted)
        assert last_total == (self.posted[-1].header.cum_total if self.posted else 0)
        assert active_total == (self.posted[active - 1].header.cum_total if active else 0)
        assert all(self.docket.is_alive(one.header) for one in self.posted)

    @invariant()
    def claimed_finalised_receipted_credited(self) -> None:
        """claimed ≤ finalised ≤ receipted, claimed and finalised ≤ credited, and credited ≤ what channels paid."""
        node, settlement = self.world.vault.address, self.world.settlement
        claimed = self.machine.read(settlement, "claimedTotal", node)
        credited = self.machine.read(settlement, "credited", node)
        _, _, _, _, last_total, active_total, _ = self._ledger()
        assert claimed == sum(self.paid.values()) <= active_total <= min(last_total, credited)
        channels = [self.court.channel(payer).channel_id(CHAIN_ID) for payer in PAYERS]
        paid_in = sum(self.machine.read(self.world.escrow, "channels", channel)[1] for channel in channels)
        slashed = self.staked - self.machine.read(self.world.registry, "stakeOf", node)[0]
        assert credited <= paid_in + slashed

    @invariant()
    def earned_equals_charged(self) -> None:
        """Σ EARNED = Σ CHARGED = cumTotal in the model, and no channel pays more than it is charged."""
        for state in (self.model, self._honest_tip()):
            earned = sum(state.tree.get(earned_key(payee)) for payee in self._payees())
            charged = sum(self._charged(payer, state) for payer in PAYERS)
            assert earned == charged == state.cum_total
        for payer in PAYERS:
            channel = self.court.channel(payer).channel_id(CHAIN_ID)
            balance, claimed = self.machine.read(self.world.escrow, "channels", channel)
            assert claimed <= min(balance, self._charged(payer, self._honest_tip()))

    # ---- what the rules read -----------------------------------------------------------------------------------------

    def _ledger(self) -> tuple[int, ...]:
        found: tuple[int, ...] = self.machine.read(self.world.settlement, "ledger", self.world.vault.address)
        return found

    def _all_honest(self) -> bool:
        return all(one.honest for one in self.posted)

    def _previous(self) -> BatchHeader:
        return self.posted[-1].header if self.posted else NO_HEADER

    def _honest_tip(self) -> LedgerState:
        honest = [one.after for one in self.posted if one.honest]
        return honest[-1] if honest else replace(LedgerState.genesis(self.court.ledger), finished_at=0)

    def _tip(self) -> ChainTip:
        if not self.posted:
            return ChainTip.genesis(LedgerState.genesis(self.court.ledger))
        return ChainTip.after(self.posted[-1].header, self.posted[-1].after)

    def _is_open(self, posted: Posted) -> bool:
        header = posted.header
        is_decided = header.epoch <= self._ledger()[1]
        from_ = self.machine.read(self.world.settlement, "activeFrom", header.node, header.epoch)
        return not is_decided and self.machine.now < from_

    def _honest_root(self, entry: Entry) -> bytes:
        return apply(entry.before, entry.item.receipt, entry.item.evidence).root

    def _charged(self, payer: PrivateKey, state: LedgerState) -> int:
        return state.tree.get(charged_key(self.court.channel(payer).channel_id(CHAIN_ID)))

    def _payees(self) -> list[Payee]:
        market, people = self.court.market, [key("operator payee").address, self.world.owner.address]
        owners = {market.owner_of(number) for number in range(4)} | set(people)
        links = [Payee.of_datanet(link.datanet_id, link.version) for link in market.datanets]
        return [TREASURY, *(Payee.of_address(owner) for owner in sorted(owners)), *links]

    def _stake(self, amount: int) -> None:
        self.world.stake(amount)
        self.staked += amount

    def _deposit(self, payer: PrivateKey) -> None:
        world, config, salt = self.world, self.court.channel(payer), 1
        self.machine.send(world.payer.address, world.token, "transfer", payer.address, DEPOSIT)
        until, nonce = self.machine.now + 600, deposit_nonce(config.channel_id(CHAIN_ID), salt)
        consent = ReceiveWithAuthorization(payer.address, ERC3009_COLLECTOR, DEPOSIT, 0, until, nonce)
        signature = payer.sign(consent.digest(Domain("OPEN", "1", CHAIN_ID, world.token.address)))
        data = b"".join(map(uint_word, [0, until, salt, 128, len(signature)])) + signature + bytes(-len(signature) % 32)
        arguments = (config.abi_tuple(), DEPOSIT, ERC3009_COLLECTOR, data)
        self.machine.send(world.operator.address, world.escrow, "deposit", *arguments)
