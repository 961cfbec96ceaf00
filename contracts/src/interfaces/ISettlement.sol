// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

struct BatchHeader {
    address node;
    uint64 epoch;
    uint64 fromSeq;
    uint32 count;
    bytes32 prevHeaderHash;
    bytes32 prevStateRoot;
    bytes32 stateRoot;
    uint128 cumTotal;
    bytes32 receiptsRoot;
    uint64 closedAt;
}

struct Claim {
    address node;
    uint64 epoch;
    uint8 payeeKind; // 0 ADDRESS, 2 TREASURY (a DATANET is claimed share by share)
    bytes32 id; // left-padded address, or 0 for the treasury
    uint128 cumulative;
    bytes proof; // state-tree inclusion of EARNED[payee] = cumulative, see StateTree
}

struct ShareClaim {
    address node;
    uint64 epoch;
    bytes32 datanetId;
    uint32 version;
    uint128 cumulative;
    bytes proof; // state-tree inclusion of EARNED[DATANET, id] = cumulative
    address contributor;
    uint64 weight;
    uint32 index; // of the contributor's leaf
    bytes32[] weightProof; // siblings, bottom-up
}

/// @title Credits, batches and claims. One ledger per node; no tree can spend another node's credit.
interface ISettlement {
    event Credited(address indexed node, uint256 amount, uint256 total);
    event BatchPosted(
        address indexed node, uint64 indexed epoch, bytes32 headerHash, BatchHeader header, uint64 activeFrom
    );
    event BatchActivated(address indexed node, uint64 indexed epoch, uint128 cumTotal);
    event Claimed(
        address indexed node,
        uint8 payeeKind,
        bytes32 indexed id,
        address indexed to,
        uint64 epoch,
        uint256 amount,
        uint128 cumulative
    );
    event ShareClaimed(
        address indexed node,
        bytes32 indexed datanetId,
        address indexed contributor,
        uint32 version,
        address to,
        uint64 epoch,
        uint256 amount,
        uint128 cumulative
    );
    event ClaimSkipped(address indexed node, bytes32 indexed id, uint64 epoch, bytes4 reason);
    event PayoutChanged(address indexed payee, address to);

    /// @notice Vaults only: pulls `amount` of the node's token from the vault and credits what arrived.
    function credit(uint256 amount) external;
    /// @notice Operator key only. The same header again is a no-op; another one for that epoch reverts.
    function post(BatchHeader calldata header) external returns (bytes32 headerHash);
    /// @notice Activates, in epoch order, every posted header whose window has passed and which is fully credited.
    function activate(address node) external returns (uint64 activeEpoch);
    /// @notice Permissionless: pays each payee (or the payout address it chose) cumulative − claimed. A stale entry is
    /// skipped, a false proof reverts.
    function claim(Claim[] calldata claims) external returns (uint256 paid);
    function claimShare(ShareClaim[] calldata claims) external returns (uint256 paid);
    function setPayout(address to) external;
    function setPayoutFor(address payee, address to, uint256 nonce, uint64 deadline, bytes calldata signature) external;

    function credited(address node) external view returns (uint256);
    function claimedTotal(address node) external view returns (uint256);
    function claimed(address node, uint8 payeeKind, bytes32 id) external view returns (uint256);
    function sharePaid(address node, bytes32 datanetId, uint32 version, address contributor)
        external
        view
        returns (uint256);
    function payoutOf(address payee) external view returns (address);
    /// @notice The newest posted header of a node, and how far it is active. A fresh node stands at epoch 0 with the
    /// state root of the empty ledger.
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
        );
    function headerHash(address node, uint64 epoch) external view returns (bytes32);
    function activeFrom(address node, uint64 epoch) external view returns (uint64);
    function activationDelay() external view returns (uint64);
    function treasury() external view returns (address);
    /// @notice The treasury's part that price lists copy when they are registered.
    function treasuryPpm() external view returns (uint32);
}
