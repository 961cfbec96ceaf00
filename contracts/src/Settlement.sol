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

/// @title Settlement: credits, batches and claims.
/// @notice Two limits are enforced for any tree of a node. Per node, claimed ≤ active cumTotal ≤ credited: a forged root
/// spends only its own node's credit. Per Datanet version, paid ≤ earned: a forged weight spends only what its own
/// Datanet earned.
contract Settlement is ISettlement, Ledgers, Payouts, Governed {
    using SafeERC20 for IERC20;

    /// @notice What the contracts are deployed with. Times are in seconds.
    struct Parameters {
        IChannelEscrow escrow; // whose channels pay the vaults
        IAssetRegistry assets; // knows Datanets and the weights of their contributors
        IERC20 stakeToken; // what stakes are paid in
        address treasury; // receives the treasury's claims
        uint32 treasuryPpm; // the treasury's part of new price lists, parts per million of the fee
        uint64 activationDelay; // between posting a header and its activation
        uint64 notice; // how far ahead price lists are registered that succeed others
        uint64 unbondingDelay; // how long stake remains bonded; longer than activationDelay
    }

    uint8 private constant _ADDRESS = 0;
    uint8 private constant _DATANET = 1;
    uint8 private constant _TREASURY = 2;

    /// @inheritdoc ISettlement
    IAssetRegistry public immutable assets;

    /// @dev Deploys the registry, which deploys the code of the vaults: each knows the others for good.
    /// @param authority The access manager that says who governs.
    /// @param parameters What the contracts are deployed with.
    /// @custom:reverts UnbondingTooShort The unbonding delay is not longer than the activation delay.
    /// @custom:reverts InvalidTreasury The treasury is the zero address.
    /// @custom:reverts TreasuryPpmTooHigh The treasury's part exceeds its maximum.
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
        // A node's stake must remain bonded until its batches are beyond dispute.
        if (parameters.unbondingDelay <= parameters.activationDelay) {
            revert UnbondingTooShort(parameters.unbondingDelay, parameters.activationDelay);
        }
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
            bool isAddress = entry.id != 0 && uint256(entry.id) <= type(uint160).max;
            if (!isAddress) revert InvalidPayeeAddress(entry.id);
            to = payoutOf(address(uint160(uint256(entry.id))));
        } else {
            if (entry.payeeKind != _TREASURY) revert UnclaimablePayeeKind(entry.payeeKind);
            if (entry.id != 0) revert InvalidTreasuryId(entry.id);
            to = treasury;
        }

        if (activate(entry.node) < entry.epoch) return _skip(entry.node, entry.id, entry.epoch, NotActive.selector);
        Ledger storage book = _ledgers[entry.node];
        bytes32 key = StateTree.earnedKey(entry.payeeKind, entry.id);
        uint256 before = book.claimed[key];
        if (entry.cumulative <= before) return _skip(entry.node, entry.id, entry.epoch, NothingToClaim.selector);
        _checkEarned(entry.node, entry.epoch, key, entry.cumulative, entry.proof);

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
        _checkEarned(entry.node, entry.epoch, key, entry.cumulative, entry.proof);

        amount = share - before;
        // Weights that add up to more than their stated total exhaust their own Datanet only.
        if (book.claimed[key] + amount > entry.cumulative) {
            return _skip(entry.node, id, entry.epoch, SharesExceedEarnings.selector);
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
        if (!member) revert InvalidWeightProof(entry.datanetId, entry.version, entry.contributor, entry.weight);
        if (entry.weight > version.totalWeight) revert WeightExceedsTotal(entry.weight, version.totalWeight);
        return uint256(entry.cumulative) * entry.weight / version.totalWeight;
    }

    function _checkEarned(address node, uint64 epoch, bytes32 key, uint128 cumulative, bytes calldata proof)
        private
        view
    {
        Header storage header = _ledgers[node].headers[epoch];
        bytes32 expected = header.stateRoot;
        bytes32 proven = StateTree.stateRoot(StateTree.rootOf(key, cumulative, proof), header.cumTotal);
        if (proven != expected) revert InvalidProof(node, epoch, proven, expected);
    }

    /// @return refusal 0 if the payment succeeded; otherwise the reason, and nothing has changed.
    function _pay(Ledger storage book, address node, address to, uint256 amount) private returns (bytes4 refusal) {
        uint256 total = book.claimedTotal + amount;
        if (total > Math.min(book.credited, book.activeCumTotal)) return InsufficientCredit.selector;
        book.claimedTotal = uint128(total);
        // A token that refuses this payee, or everyone, must not block the other entries.
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
