// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {UsageReceipt} from "../src/interfaces/IJudge.sol";
import {BatchHeader} from "../src/interfaces/ILedgers.sol";
import {StateTree} from "../src/libraries/StateTree.sol";
import {CheatingOperators} from "./CheatingOperators.sol";
import {Trees} from "./Trees.sol";

/// @dev What challengers, answerers and time do to an honest node and to cheating ones. Whatever must succeed is called
/// without a guard; what must fail is counted in `harmed` if it does not.
contract ChallengeMoves is CheatingOperators {
    struct Demand {
        BatchHeader header;
        bytes32 commitment;
        uint64 activeFrom;
        uint8 kind; // KIND_LEAF or KIND_PAYEE
        bytes32 item;
        bytes32 payee; // an address
        uint256 bond;
        uint256 openedAt;
        bool isOpen;
    }

    Demand[] internal demands;
    address[2] internal authors = [vm.addr(0xC5), vm.addr(0xC6)];
    uint256 public harmed; // junk that was accepted against the honest node
    uint256 public deaths; // of cheating headers

    function setUp() public override {
        super.setUp();
        vm.deal(authors[0], 1e6 ether);
        vm.deal(authors[1], 1e6 ether);
    }

    // ---- demands ---------------------------------------------------------------------------------------------------

    function demandHonest(uint256 place, uint256 who, bool leaf_, uint256 payee) external {
        if (honest.length == 0) return;
        demand(honest[place % honest.length], leaf_ ? 0 : 1, 0, payee, authors[who % 2]);
    }

    function demandCheat(uint256 which, uint64 epoch, uint256 who, bool leaf_, uint256 place) external {
        address node = address(cheats[which % cheats.length]);
        epoch = some(node, epoch);
        if (epoch == 0) return;
        demand(batches[node][epoch].header, leaf_ ? 0 : 1, uint32(place % 2), place, authors[who % 2]);
    }

    function demand(BatchHeader memory made, uint8 kind, uint32 index, uint256 payee, address author) internal {
        Demand memory one;
        (one.commitment,, one.activeFrom,) = settlement.header(made.node, made.epoch);
        if (block.timestamp >= one.activeFrom) return;
        one.payee = word(payee % 3 == 0 ? alice : vm.addr(0x900 + payee % 3));
        (one.header, one.kind, one.isOpen, one.openedAt) = (made, kind, true, block.timestamp);
        one.item = kind == 0 ? bytes32(uint256(index)) : StateTree.earnedKey(ADDRESS, one.payee);
        (, uint64 openedAt,) = court.demandOf(made.node, made.epoch, kind, one.item);
        if (openedAt != 0) return;
        one.bond = court.bondOf(kind, made.node, made.epoch);
        vm.prank(author);
        if (kind == 0) court.demandLeaf{value: one.bond + 1 gwei}(made, index);
        else court.demandPayee{value: one.bond + 1 gwei}(made, ADDRESS, one.payee);
        demands.push(one);
    }

    function answer(uint256 place) external {
        if (demands.length != 0) answerOne(place % demands.length);
    }

    /// @dev Anybody answers for the honest node.
    function answerOne(uint256 place) internal {
        Demand storage one = demands[place];
        if (!one.isOpen || one.header.node != address(vault)) return;
        uint256 index = one.header.epoch - 1;
        if (one.kind == 0) {
            bytes memory shown = abi.encode(evidenceOf(index));
            court.justify(one.header, honest[index == 0 ? 0 : index - 1], leafOf(index), receipts[index], shown);
        } else {
            bytes memory witness = Trees.stateWitness(valuesAt(index + 1, 0), one.item);
            court.showPayee(one.header, ADDRESS, one.payee, witness);
        }
        one.isOpen = false;
    }

    function expire(uint256 place) external {
        if (demands.length == 0) return;
        Demand storage one = demands[place % demands.length];
        if (!one.isOpen || !alive(one) || block.timestamp < one.openedAt + 24 hours) return;
        one.isOpen = false;
        court.expire(one.header.node, one.header.epoch, one.kind, one.item);
        ++deaths;
    }

    function reclaim(uint256 place) external {
        if (demands.length == 0) return;
        Demand storage one = demands[place % demands.length];
        if (!one.isOpen || alive(one)) return;
        one.isOpen = false;
        court.reclaim(one.header.node, one.header.epoch, one.commitment, one.activeFrom, one.kind, one.item);
    }

    function withdrawBonds(uint256 who) external {
        address author = authors[who % 2];
        if (court.returnedTo(author) == 0) return;
        vm.prank(author);
        court.withdraw(payable(author));
    }

    function alive(Demand storage one) internal view returns (bool) {
        (bytes32 commitment,, uint64 activeFrom,) = settlement.header(one.header.node, one.header.epoch);
        return commitment == one.commitment && activeFrom == one.activeFrom;
    }

    // ---- proofs ----------------------------------------------------------------------------------------------------

    function prove(uint256 which, uint64 epoch) external {
        address node = address(cheats[which % cheats.length]);
        epoch = some(node, epoch);
        if (epoch == 0 || !settlement.isOpen(node, epoch)) return;
        bytes memory proof = proofOf(batches[node][epoch]);
        if (proof.length == 0) return;
        vm.prank(challenger);
        (bool proven,) = address(court).call(proof);
        check(proven, "a contradiction that was not accepted");
        check(settlement.commitmentOf(node, epoch) == 0, "the header is alive");
        ++deaths;
    }

    /// @dev A proof of a cheating batch, aimed at the honest node; or an honest receipt in a proof of any kind.
    function junk(uint256 place, uint8 kind, uint256 word_, bytes32 noise) external {
        if (honest.length == 0) return;
        place %= honest.length;
        BatchHeader memory made = honest[place];
        bytes[6] memory calls;
        UsageReceipt memory other = receipts[word_ % receipts.length];
        calls[0] = abi.encodeCall(court.proveBrokenLink, (made, leafOf(place), leafOf(word_ % honest.length)));
        calls[1] = abi.encodeCall(court.proveBrokenEnd, (made, leafOf(word_ % honest.length)));
        calls[2] = abi.encodeCall(court.proveWrongTotal, (made, noise, uint128(word_)));
        calls[3] = abi.encodeCall(
            court.proveDoubleBilling,
            (made, leafOf(place), receipts[place], honest[word_ % honest.length], leafOf(word_ % honest.length), other)
        );
        bytes memory signed = signature(operatorKey, digestOf(this.hashOf(other)));
        calls[4] = abi.encodeCall(court.proveEquivocation, (made, leafOf(place), other, signed));
        bytes32 key = StateTree.chargedKey(receipt.channelId);
        bytes memory witness = Trees.stateWitness(valuesAt(place + 1, 0), key);
        calls[5] = abi.encodeCall(court.proveOverClaim, (made, channelOf(address(vault)), witness));
        vm.prank(challenger);
        (bool accepted,) = address(court).call(calls[kind % 6]);
        if (accepted) ++harmed;
    }

    // ---- stake, time and reorgs --------------------------------------------------------------------------------------

    function settle(uint256 which) external {
        address node = address(cheats[which % cheats.length]);
        settlement.activate(node);
        try settlement.settleSlash(node) {} catch {}
        try settlement.cover(node) {} catch {}
        address token = registry.tokenOf(node);
        if (token != address(open) || registry.rewardOf(token, challenger) == 0) return;
        vm.prank(challenger);
        registry.withdrawReward(token, challenger);
    }

    /// @dev An honest node has an answerer, which is never later than 24 hours.
    function wait(uint256 time) external {
        time = bound(time, 1, 12 hours);
        for (uint256 i = 0; i < demands.length; ++i) {
            if (block.timestamp + time >= demands[i].openedAt + 24 hours) answerOne(i);
        }
        vm.warp(block.timestamp + time);
    }

    /// @dev The chain forgets a post and the demand on it. The honest node sends the same header again, a second later.
    function reorg(uint256 who) external {
        uint256 before = vm.snapshotState();
        uint256 count = honest.length;
        postHonest();
        if (honest.length == count) return;
        BatchHeader memory made = honest[count];
        UsageReceipt memory one = receipts[count];
        demand(made, 0, 0, 0, authors[who % 2]);
        check(vm.revertToState(before), "the state before");
        vm.warp(block.timestamp + 1);
        post(made);
        honest.push(made);
        receipts.push(one);
        check(court.openDemands(made.node, made.epoch) == 0, "a demand that the chain forgot");
    }

    /// @dev A posted epoch; 0 if there is none.
    function some(address node, uint64 epoch) internal view returns (uint64) {
        (uint64 last,,,,,,) = settlement.ledger(node);
        return last == 0 ? 0 : uint64(bound(epoch, 1, last));
    }

    // ---- figures ---------------------------------------------------------------------------------------------------

    /// @dev What the challenges hold, and what they owe: bonds of open demands, and bonds that were returned.
    function coins() external view returns (uint256 held, uint256 owed) {
        held = address(court).balance;
        for (uint256 i = 0; i < demands.length; ++i) {
            if (demands[i].isOpen) owed += demands[i].bond;
        }
        owed += court.returnedTo(authors[0]) + court.returnedTo(authors[1]);
    }

    /// @dev Everything that would have to be different if a challenge had harmed the honest node.
    function checkHonest() external view {
        equal(settlement.diedAt(address(vault)), 0, "the honest ledger was closed");
        (uint256 bonded, uint256 unbonding,) = registry.stakeOf(address(vault));
        equal(bonded + unbonding, BOND, "honest stake");
        (uint64 last,,,,,,) = settlement.ledger(address(vault));
        equal(last, honest.length, "honest headers");
    }

    /// @dev Per node: claimed ≤ active ≤ credited, and no active header has an open demand.
    function checkLedgers() external view {
        for (uint256 i = 0; i <= cheats.length; ++i) {
            address node = i == cheats.length ? address(vault) : address(cheats[i]);
            (, uint64 active,,,, uint128 total,) = settlement.ledger(node);
            check(settlement.claimedTotal(node) <= total && total <= settlement.credited(node), "claimed and credited");
            if (active != 0) equal(court.openDemands(node, active), 0, "demands on an active header");
        }
        for (uint256 i = 0; i < demands.length; ++i) {
            Demand storage one = demands[i];
            if (!one.isOpen || !alive(one)) continue;
            check(settlement.isOpen(one.header.node, one.header.epoch), "a demanded header is final");
            check(court.openDemands(one.header.node, one.header.epoch) != 0, "a demand that nobody counts");
        }
    }

    /// @dev What the registry holds of a token, and what of it belongs to somebody.
    function stakes(bool inOpen) external view returns (uint256 held, uint256 owned) {
        address token = inOpen ? address(open) : address(hostile);
        held = inOpen ? open.balanceOf(address(registry)) : hostile.balanceOf(address(registry));
        for (uint256 i = 0; i < cheats.length; ++i) {
            if (cheats[i].token() != token) continue;
            (uint256 bonded, uint256 unbonding,) = registry.stakeOf(address(cheats[i]));
            owned += bonded + unbonding + registry.slashedOf(address(cheats[i]));
        }
        owned += registry.rewardOf(token, authors[0]) + registry.rewardOf(token, authors[1]);
        if (inOpen) owned += BOND;
    }
}
