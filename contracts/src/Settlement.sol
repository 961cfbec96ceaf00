// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {NodeRegistry} from "./NodeRegistry.sol";
import {DatanetVersion, IAssetRegistry} from "./interfaces/IAssetRegistry.sol";
import {IChannelEscrow} from "./interfaces/IChannelEscrow.sol";
import {INodeRegistry} from "./interfaces/INodeRegistry.sol";
import {BatchHeader, Claim, ISettlement, ShareClaim} from "./interfaces/ISettlement.sol";
import {ContributorsTree} from "./libraries/ContributorsTree.sol";
import {MAX_TREASURY_PPM} from "./libraries/Ppm.sol";
import {StateTree} from "./libraries/StateTree.sol";
import {StructHash} from "./libraries/StructHash.sol";

/// @title Credits, batches and claims.
/// @notice Whatever the trees of a node say, per node: claimed ≤ active cumTotal ≤ credited, so a forged root drains only
/// its own node's credit; per Datanet version: paid ≤ what the root earned it, so a forged weight drains only its Datanet.
contract Settlement is ISettlement, AccessManaged, EIP712, Nonces, Pausable, ReentrancyGuardTransient {
    using SafeCast for uint256;
    using SafeERC20 for IERC20;
    using StructHash for BatchHeader;

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

    struct Header {
        bytes32 hash;
        bytes32 stateRoot;
        uint128 cumTotal;
        uint64 activeFrom;
    }

    struct Ledger {
        uint64 lastEpoch;
        uint64 activeEpoch;
        uint64 lastSeq;
        uint64 lastClosedAt;
        uint128 lastCumTotal;
        uint128 activeCumTotal;
        uint128 credited;
        uint128 claimedTotal;
        mapping(uint64 epoch => Header) headers;
        mapping(bytes32 key => uint256) claimed;
        mapping(bytes32 key => mapping(address contributor => uint256)) sharePaid;
    }

    uint8 private constant _ADDRESS = 0;
    uint8 private constant _DATANET = 1;
    uint8 private constant _TREASURY = 2;

    /// @dev Bounds the work that a claim can meet; further epochs activate in the next call.
    uint64 public constant MAX_ACTIVATIONS = 64;

    INodeRegistry public immutable registry;
    IAssetRegistry public immutable assets;
    uint64 public immutable activationDelay;

    address public treasury;
    uint32 public treasuryPpm;

    mapping(address node => Ledger) private _ledgers;
    mapping(address payee => address) private _payouts;

    event TreasuryChanged(address treasury);
    event TreasuryPpmChanged(uint32 treasuryPpm);

    error InvalidParameters();
    error NotANode(address caller);
    error NotOperator(address caller);
    error ConflictingHeader(uint64 epoch);
    error UnexpectedEpoch(uint64 expected);
    error UnexpectedSeq(uint64 expected);
    error EmptyBatch();
    error BrokenChain();
    error DecreasingTotal();
    error InvalidClosingTime();
    error InvalidPayee();
    error ExpiredSignature(uint64 deadline);
    error InvalidSignature();

    // Why an entry of a claim was skipped; never reverts.
    error NotActive();
    error NothingToClaim();
    error InsufficientCredit();
    error TransferFailed();

    /// @dev Deploys the registry, which deploys the vaults' code: the three know one another from birth, for good.
    constructor(address authority, Parameters memory parameters)
        AccessManaged(authority)
        EIP712("OpenLoRA", "1")
    {
        require(parameters.unbondingDelay > parameters.activationDelay, InvalidParameters());
        assets = parameters.assets;
        activationDelay = parameters.activationDelay;
        _setTreasury(parameters.treasury);
        _setTreasuryPpm(parameters.treasuryPpm);
        registry = new NodeRegistry(
            this, parameters.escrow, parameters.stakeToken, parameters.notice, parameters.unbondingDelay
        );
    }

    // ---- parameters ------------------------------------------------------------------------------------------------

    function setTreasury(address to) external restricted {
        _setTreasury(to);
    }

    /// @notice For price lists registered from now on; those that exist keep what they copied.
    function setTreasuryPpm(uint32 ppm) external restricted {
        _setTreasuryPpm(ppm);
    }

    /// @notice Stops posts and claims. Credits, activation and every withdrawal go on.
    function pause() external restricted {
        _pause();
    }

    function unpause() external restricted {
        _unpause();
    }

    // ---- node: credit, post, activate ------------------------------------------------------------------------------

    /// @inheritdoc ISettlement
    function credit(uint256 amount) external nonReentrant {
        require(registry.isNode(msg.sender), NotANode(msg.sender));
        IERC20 token = IERC20(registry.tokenOf(msg.sender));
        uint256 held = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - held;

        Ledger storage book = _ledgers[msg.sender];
        uint256 total = book.credited + received;
        book.credited = total.toUint128();
        emit Credited(msg.sender, received, total);
    }

    /// @inheritdoc ISettlement
    function post(BatchHeader calldata header) external whenNotPaused returns (bytes32 hash) {
        require(msg.sender == registry.operatorOf(header.node), NotOperator(msg.sender));
        hash = header.hash();
        Ledger storage book = _ledgers[header.node];
        if (header.epoch != 0 && header.epoch <= book.lastEpoch) {
            require(book.headers[header.epoch].hash == hash, ConflictingHeader(header.epoch));
            return hash;
        }
        _checkSuccessor(book, header);

        uint64 from = uint64(block.timestamp) + activationDelay;
        book.lastEpoch = header.epoch;
        book.lastSeq += header.count;
        book.lastClosedAt = header.closedAt;
        book.lastCumTotal = header.cumTotal;
        book.headers[header.epoch] = Header(hash, header.stateRoot, header.cumTotal, from);
        emit BatchPosted(header.node, header.epoch, hash, header, from);
    }

    /// @inheritdoc ISettlement
    function activate(address node) public returns (uint64 activeEpoch) {
        Ledger storage book = _ledgers[node];
        activeEpoch = book.activeEpoch;
        uint64 end = uint64(Math.min(book.lastEpoch, activeEpoch + MAX_ACTIVATIONS));
        while (activeEpoch < end) {
            Header storage next = book.headers[activeEpoch + 1];
            if (block.timestamp < next.activeFrom || next.cumTotal > book.credited) break;
            book.activeEpoch = ++activeEpoch;
            book.activeCumTotal = next.cumTotal;
            emit BatchActivated(node, activeEpoch, next.cumTotal);
        }
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

    /// @inheritdoc ISettlement
    /// @dev Uses up a nonce, so that no older signed change can undo it.
    function setPayout(address to) external {
        _useNonce(msg.sender);
        _setPayout(msg.sender, to);
    }

    /// @inheritdoc ISettlement
    function setPayoutFor(address payee, address to, uint256 nonce, uint64 deadline, bytes calldata signature)
        external
    {
        require(block.timestamp <= deadline, ExpiredSignature(deadline));
        bytes32 digest = _hashTypedDataV4(StructHash.payoutChange(payee, to, nonce, deadline));
        require(SignatureChecker.isValidSignatureNowCalldata(payee, digest, signature), InvalidSignature());
        _useCheckedNonce(payee, nonce);
        _setPayout(payee, to);
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

    /// @inheritdoc ISettlement
    function payoutOf(address payee) public view returns (address) {
        address to = _payouts[payee];
        return to == address(0) ? payee : to;
    }

    /// @inheritdoc ISettlement
    function ledger(address node)
        external
        view
        returns (
            uint64 lastEpoch,
            uint64 activeEpoch,
            uint64 nextSeq,
            bytes32 lastHeaderHash,
            bytes32 lastStateRoot,
            uint128 lastCumTotal,
            uint128 activeCumTotal,
            uint64 lastClosedAt
        )
    {
        Ledger storage book = _ledgers[node];
        lastEpoch = book.lastEpoch;
        activeEpoch = book.activeEpoch;
        nextSeq = book.lastSeq + 1;
        (lastHeaderHash, lastStateRoot) = _tip(book);
        lastCumTotal = book.lastCumTotal;
        activeCumTotal = book.activeCumTotal;
        lastClosedAt = book.lastClosedAt;
    }

    /// @inheritdoc ISettlement
    function headerHash(address node, uint64 epoch) external view returns (bytes32) {
        return _ledgers[node].headers[epoch].hash;
    }

    /// @inheritdoc ISettlement
    function activeFrom(address node, uint64 epoch) external view returns (uint64) {
        return _ledgers[node].headers[epoch].activeFrom;
    }

    // ---- internals -------------------------------------------------------------------------------------------------

    function _checkSuccessor(Ledger storage book, BatchHeader calldata header) private view {
        require(header.epoch == book.lastEpoch + 1, UnexpectedEpoch(book.lastEpoch + 1));
        require(header.fromSeq == book.lastSeq + 1, UnexpectedSeq(book.lastSeq + 1));
        require(header.count != 0, EmptyBatch());
        (bytes32 hash, bytes32 root) = _tip(book);
        require(header.prevHeaderHash == hash && header.prevStateRoot == root, BrokenChain());
        require(header.cumTotal >= book.lastCumTotal, DecreasingTotal());
        require(
            header.closedAt >= book.lastClosedAt && header.closedAt <= block.timestamp, InvalidClosingTime()
        );
    }

    /// @dev The newest header's hash and state root; before the first, 0 and the root of the empty ledger.
    function _tip(Ledger storage book) private view returns (bytes32 hash, bytes32 root) {
        if (book.lastEpoch == 0) return (0, StateTree.stateRoot(0, 0));
        Header storage last = book.headers[book.lastEpoch];
        return (last.hash, last.stateRoot);
    }

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
            entry.node,
            entry.datanetId,
            entry.contributor,
            entry.version,
            to,
            entry.epoch,
            amount,
            entry.cumulative
        );
    }

    function _setPayout(address payee, address to) private {
        _payouts[payee] = to;
        emit PayoutChanged(payee, to);
    }

    function _setTreasury(address to) private {
        require(to != address(0), InvalidParameters());
        treasury = to;
        emit TreasuryChanged(to);
    }

    function _setTreasuryPpm(uint32 ppm) private {
        require(ppm <= MAX_TREASURY_PPM, InvalidParameters());
        treasuryPpm = ppm;
        emit TreasuryPpmChanged(ppm);
    }

    function _datanetPayee(bytes32 datanetId, uint32 version) private pure returns (bytes32) {
        return keccak256(abi.encode(datanetId, version));
    }
}
