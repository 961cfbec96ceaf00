// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {DatanetVersion, IAssetRegistry} from "../interfaces/IAssetRegistry.sol";
import {Claim, ISettlement, ShareClaim} from "../interfaces/ISettlement.sol";
import {BoundedTransfer} from "../libraries/BoundedTransfer.sol";
import {ContributorsTree} from "../libraries/ContributorsTree.sol";
import {HeaderCommitment} from "../libraries/HeaderCommitment.sol";
import {StateTree} from "../libraries/StateTree.sol";
import {Deaths} from "./Deaths.sol";
import {Payouts} from "./Payouts.sol";

/// @title Claims of payees and contributors against active headers.
/// @dev Whatever a tree says: per node, claimed ≤ active cumTotal ≤ credited; per Datanet version, paid ≤ earned.
abstract contract Claims is ISettlement, Deaths, Payouts {
    using BoundedTransfer for IERC20;

    uint8 private constant _ADDRESS = 0;
    uint8 private constant _DATANET = 1;
    uint8 private constant _TREASURY = 2;

    /// @inheritdoc ISettlement
    uint256 public constant TRANSFER_GAS = 300_000;

    /// @inheritdoc ISettlement
    IAssetRegistry public immutable assets;

    /// @param assets_ The registry that knows Datanets and the weights of their contributors.
    constructor(IAssetRegistry assets_) {
        assets = assets_;
    }

    // ---- payees: claim ---------------------------------------------------------------------------------------------

    /// @inheritdoc ISettlement
    function claim(Claim[] calldata claims) external nonReentrant whenClaimsRun returns (uint256 paid) {
        for (uint256 i = 0; i < claims.length; ++i) {
            paid += _claim(claims[i]);
        }
    }

    /// @inheritdoc ISettlement
    function claimShare(ShareClaim[] calldata claims) external nonReentrant whenClaimsRun returns (uint256 paid) {
        for (uint256 i = 0; i < claims.length; ++i) {
            paid += _claimShare(claims[i]);
        }
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc ISettlement
    function claimedTotal(address node) external view returns (uint256) {
        return _ledgers[node].claimedTotal;
    }

    /// @inheritdoc ISettlement
    function claimed(address node, uint8 payeeKind, bytes32 id) external view returns (uint256) {
        return _ledgers[node].claimed[StateTree.earnedKey(payeeKind, id)];
    }

    /// @inheritdoc ISettlement
    function sharePaid(address node, bytes32 datanetId, uint32 version, address contributor)
        external
        view
        returns (uint256)
    {
        return _ledgers[node].sharePaid[StateTree.earnedKey(_DATANET, _datanetPayee(datanetId, version))][contributor];
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _claim(Claim calldata entry) private returns (uint256 amount) {
        if (activate(entry.node) < entry.epoch) return _skip(entry.node, entry.id, entry.epoch, NotActive.selector);
        address to = _receiverOf(entry.payeeKind, entry.id);
        if (to == address(0)) return _skip(entry.node, entry.id, entry.epoch, InvalidPayee.selector);
        Ledger storage book = _ledgers[entry.node];
        bytes32 key = StateTree.earnedKey(entry.payeeKind, entry.id);
        uint256 before = book.claimed[key];
        if (entry.cumulative <= before) return _skip(entry.node, entry.id, entry.epoch, NothingToClaim.selector);
        if (!_isEarned(book, entry.epoch, entry.headerHash, key, entry.cumulative, entry.proof)) {
            return _skip(entry.node, entry.id, entry.epoch, InvalidProof.selector);
        }

        amount = entry.cumulative - before;
        book.claimed[key] = entry.cumulative;
        bytes4 refusal = _pay(book, to, amount);
        if (refusal != 0) {
            book.claimed[key] = before;
            return _skip(entry.node, entry.id, entry.epoch, refusal);
        }
        emit Claimed(entry.node, entry.payeeKind, entry.id, to, entry.epoch, amount, entry.cumulative);
    }

    function _claimShare(ShareClaim calldata entry) private returns (uint256 amount) {
        bytes32 id = _datanetPayee(entry.datanetId, entry.version);
        if (activate(entry.node) < entry.epoch) return _skip(entry.node, id, entry.epoch, NotActive.selector);
        Ledger storage book = _ledgers[entry.node];
        bytes32 key = StateTree.earnedKey(_DATANET, id);
        (bool member, uint256 share) = _shareOf(entry);
        if (!member) return _skip(entry.node, id, entry.epoch, InvalidWeight.selector);
        uint256 before = book.sharePaid[key][entry.contributor];
        if (share <= before) return _skip(entry.node, id, entry.epoch, NothingToClaim.selector);
        if (!_isEarned(book, entry.epoch, entry.headerHash, key, entry.cumulative, entry.proof)) {
            return _skip(entry.node, id, entry.epoch, InvalidProof.selector);
        }

        amount = share - before;
        // Weights that add up to more than their stated total exhaust their own Datanet only.
        if (book.claimed[key] + amount > entry.cumulative) {
            return _skip(entry.node, id, entry.epoch, SharesExceedEarnings.selector);
        }
        book.sharePaid[key][entry.contributor] = share;
        book.claimed[key] += amount;
        address to = payoutOf(entry.contributor);
        bytes4 refusal = _pay(book, to, amount);
        if (refusal != 0) {
            book.sharePaid[key][entry.contributor] = before;
            book.claimed[key] -= amount;
            return _skip(entry.node, id, entry.epoch, refusal);
        }
        _emitShareClaimed(entry, to, amount);
    }

    /// @return Who receives the claims of a payee; the zero address if it cannot claim directly or its id is malformed.
    function _receiverOf(uint8 payeeKind, bytes32 id) private view returns (address) {
        if (payeeKind == _TREASURY) return id == 0 ? treasury : address(0);
        bool isAddress = payeeKind == _ADDRESS && uint256(id) <= type(uint160).max;
        return isAddress ? payoutOf(address(uint160(uint256(id)))) : address(0);
    }

    /// @return member Whether the contributor's place in the version is proven.
    /// @return share ⌊cumulative · weight / totalWeight⌋ if it is.
    function _shareOf(ShareClaim calldata entry) private view returns (bool member, uint256 share) {
        DatanetVersion memory version = assets.datanetVersion(entry.datanetId, entry.version);
        member = ContributorsTree.includes(
            version.contributorsRoot,
            version.contributorCount,
            entry.index,
            entry.contributor,
            entry.weight,
            entry.weightProof
        );
        if (!member || entry.weight > version.totalWeight) return (false, 0);
        share = uint256(entry.cumulative) * entry.weight / version.totalWeight;
    }

    /// @return Whether the header of the epoch commits to a tree that holds `cumulative` under `key`.
    function _isEarned(
        Ledger storage book,
        uint64 epoch,
        bytes32 headerHash,
        bytes32 key,
        uint128 cumulative,
        bytes calldata proof
    ) private view returns (bool) {
        (bool wellFormed, bytes32 root) = StateTree.tryRootOf(key, cumulative, proof);
        if (!wellFormed) return false;
        Header storage posted = book.headers[epoch];
        bytes32 stateRoot = StateTree.stateRoot(root, posted.cumTotal);
        return HeaderCommitment.hash(headerHash, stateRoot) == posted.commitment;
    }

    /// @return refusal 0 if the payment succeeded; otherwise the reason, and nothing has changed.
    function _pay(Ledger storage book, address to, uint256 amount) private returns (bytes4 refusal) {
        uint256 total = book.claimedTotal + amount;
        if (total > Math.min(book.credited, book.headers[book.activeEpoch].cumTotal)) {
            return InsufficientCredit.selector;
        }
        book.claimedTotal = uint128(total);
        // A token that refuses this payee, or everyone, or burns gas, must not block the other entries.
        if (IERC20(book.token).tryTransfer(to, amount, TRANSFER_GAS)) return 0;
        book.claimedTotal = uint128(total - amount);
        return TransferFailed.selector;
    }

    function _skip(address node, bytes32 id, uint64 epoch, bytes4 reason) private returns (uint256) {
        emit ClaimSkipped(node, id, epoch, reason);
        return 0;
    }

    function _emitShareClaimed(ShareClaim calldata entry, address to, uint256 amount) private {
        emit ShareClaimed(
            entry.node, entry.datanetId, entry.contributor, entry.version, to, entry.epoch, amount, entry.cumulative
        );
    }

    function _datanetPayee(bytes32 datanetId, uint32 version) private pure returns (bytes32) {
        return keccak256(abi.encode(datanetId, version));
    }
}
