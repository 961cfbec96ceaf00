// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {NodeRegistry} from "./NodeRegistry.sol";
import {DatanetVersion, IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {Claim, ISettlement, ShareClaim} from "./interfaces/ISettlement.sol";
import {ContributorsTree} from "./libraries/ContributorsTree.sol";
import {StateTree} from "./libraries/StateTree.sol";
import {Governed} from "./settlement/Governed.sol";
import {Ledgers} from "./settlement/Ledgers.sol";
import {Payouts} from "./settlement/Payouts.sol";

/// @title Credits, batches and claims.
/// @notice Whatever the trees of a node say, per node: claimed ≤ active cumTotal ≤ credited, so a forged root drains only
/// its own node's credit; per Datanet version: paid ≤ what the root earned it, so a forged weight drains only its Datanet.
contract Settlement is Ledgers, Payouts, Governed {
    using SafeERC20 for IERC20;

    struct Parameters {
        IChannelEscrow escrow;
        IAssetRegistry assets;
        IERC20 stakeToken;
        address treasury;
        uint32 treasuryPpm;
        uint64 activationDelay;
        uint64 notice;
        uint64 unbondingDelay;
    }

    uint8 private constant _ADDRESS = 0;
    uint8 private constant _DATANET = 1;
    uint8 private constant _TREASURY = 2;

    IAssetRegistry public immutable assets;

    error UnbondingTooShort();
    error InvalidPayee();

    // Why an entry of a claim was skipped; they never revert.
    error NotActive();
    error NothingToClaim();
    error InsufficientCredit();
    error TransferFailed();

    /// @dev Deploys the registry, which deploys the vaults' code: the three know one another from birth, for good.
    constructor(address authority, Parameters memory parameters)
        AccessManaged(authority)
        Governed(parameters.treasury, parameters.treasuryPpm)
        Ledgers(
            new NodeRegistry(
                this, parameters.escrow, parameters.stakeToken, parameters.notice, parameters.unbondingDelay
            ),
            parameters.activationDelay
        )
    {
        // A node's stake must not leave before its batches are beyond dispute.
        require(parameters.unbondingDelay > parameters.activationDelay, UnbondingTooShort());
        assets = parameters.assets;
    }

    // ---- payees: claim ---------------------------------------------------------------------------------------------

    /// @inheritdoc ISettlement
    function claim(Claim[] calldata claims) external whenNotPaused nonReentrant returns (uint256 paid) {
        for (uint256 i = 0; i < claims.length; ++i) {
            paid += _claim(claims[i]);
        }
    }

    /// @inheritdoc ISettlement
    function claimShare(ShareClaim[] calldata claims) external whenNotPaused nonReentrant returns (uint256 paid) {
        for (uint256 i = 0; i < claims.length; ++i) {
            paid += _claimShare(claims[i]);
        }
    }

    // ---- views -----------------------------------------------------------------------------------------------------

    /// @inheritdoc ISettlement
    function credited(address node) external view returns (uint256) {
        return _ledgers[node].credited;
    }

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
        address to;
        if (entry.payeeKind == _ADDRESS) {
            require(entry.id != 0 && uint256(entry.id) <= type(uint160).max, InvalidPayee());
            to = payoutOf(address(uint160(uint256(entry.id))));
        } else {
            require(entry.payeeKind == _TREASURY && entry.id == 0, InvalidPayee());
            to = treasury;
        }

        if (activate(entry.node) < entry.epoch) return _skip(entry.node, entry.id, entry.epoch, NotActive.selector);
        Ledger storage book = _ledgers[entry.node];
        bytes32 key = StateTree.earnedKey(entry.payeeKind, entry.id);
        uint256 before = book.claimed[key];
        if (entry.cumulative <= before) return _skip(entry.node, entry.id, entry.epoch, NothingToClaim.selector);
        _checkEarned(book, entry.epoch, key, entry.cumulative, entry.proof);

        amount = entry.cumulative - before;
        book.claimed[key] = entry.cumulative;
        bytes4 refusal = _pay(book, entry.node, to, amount);
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
        uint256 before = book.sharePaid[key][entry.contributor];
        uint256 share = _shareOf(entry);
        if (share <= before) return _skip(entry.node, id, entry.epoch, NothingToClaim.selector);
        _checkEarned(book, entry.epoch, key, entry.cumulative, entry.proof);

        amount = share - before;
        // Weights that add up to more than their total exhaust their own Datanet, and nothing else.
        if (book.claimed[key] + amount > entry.cumulative) {
            return _skip(entry.node, id, entry.epoch, InsufficientCredit.selector);
        }
        book.sharePaid[key][entry.contributor] = share;
        book.claimed[key] += amount;
        address to = payoutOf(entry.contributor);
        bytes4 refusal = _pay(book, entry.node, to, amount);
        if (refusal != 0) {
            book.sharePaid[key][entry.contributor] = before;
            book.claimed[key] -= amount;
            return _skip(entry.node, id, entry.epoch, refusal);
        }
        _emitShareClaimed(entry, to, amount);
    }

    /// @dev ⌊cumulative · weight / totalWeight⌋ once the contributor's place in the version is proven.
    function _shareOf(ShareClaim calldata entry) private view returns (uint256) {
        DatanetVersion memory version = assets.datanetVersion(entry.datanetId, entry.version);
        bool member = ContributorsTree.includes(
            version.contributorsRoot,
            version.contributorCount,
            entry.index,
            entry.contributor,
            entry.weight,
            entry.weightProof
        );
        require(member && entry.weight <= version.totalWeight, StateTree.InvalidProof());
        return uint256(entry.cumulative) * entry.weight / version.totalWeight;
    }

    function _checkEarned(Ledger storage book, uint64 epoch, bytes32 key, uint128 cumulative, bytes calldata proof)
        private
        view
    {
        Header storage header = book.headers[epoch];
        bytes32 treeRoot = StateTree.rootOf(key, cumulative, proof);
        require(StateTree.stateRoot(treeRoot, header.cumTotal) == header.stateRoot, StateTree.InvalidProof());
    }

    /// @return refusal 0 once paid; otherwise the reason, and nothing has changed.
    function _pay(Ledger storage book, address node, address to, uint256 amount) private returns (bytes4 refusal) {
        uint256 total = book.claimedTotal + amount;
        if (total > Math.min(book.credited, book.activeCumTotal)) return InsufficientCredit.selector;
        book.claimedTotal = uint128(total);
        // A token that refuses this payee, or everybody, must not hold up the other entries.
        if (IERC20(registry.tokenOf(node)).trySafeTransfer(to, amount)) return 0;
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
