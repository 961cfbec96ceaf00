// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Prices of one node in token base units per million tokens; `adapterKey` 0 is the node's default.
struct PriceList {
    address node;
    bytes32 adapterKey;
    uint96 promptPerM;
    uint96 cachedPerM;
    uint96 outputPerM;
    uint96 minFee;
    address operatorPayee;
    uint32 treasuryPpm;
}

/// @title Who runs a node, with which key, at which prices and with what at stake.
/// @notice A node is named by its vault: one per owner and accepted token. Everything here is append-only windows.
interface INodeRegistry {
    event NodeRegistered(
        address indexed node, address indexed owner, address indexed token, address operator, string uri
    );
    event OperatorRotated(address indexed node, address operator, uint64 from);
    event PriceListRegistered(
        address indexed node, bytes32 indexed adapterKey, bytes32 indexed priceHash, PriceList list, uint64 from
    );
    event Staked(address indexed node, address indexed from, uint256 amount);
    event UnbondingStarted(address indexed node, uint256 amount, uint64 unlockAt);
    event Unbonded(address indexed node, address to, uint256 amount);

    /// @notice Deploys the caller's vault for `token` and names its first operator key.
    function register(address token, address operator, string calldata uri) external returns (address node);
    function rotateOperator(address node, address operator) external;
    /// @notice Registers a price list; the registry itself fills in `treasuryPpm`. The first of a (node, adapterKey)
    /// starts now, a successor's `from` must be at least NOTICE ahead (0 = as early as allowed).
    function registerPriceList(
        address node,
        bytes32 adapterKey,
        uint96 promptPerM,
        uint96 cachedPerM,
        uint96 outputPerM,
        uint96 minFee,
        address operatorPayee,
        uint64 from
    ) external returns (bytes32 priceHash);
    function stake(address node, uint256 amount) external;
    function startUnbonding(address node, uint256 amount) external;
    function withdrawUnbonded(address node, address to) external;

    function vaultOf(address owner, address token) external view returns (address node);
    function isNode(address node) external view returns (bool);
    function ownerOf(address node) external view returns (address);
    function tokenOf(address node) external view returns (address);
    function operatorOf(address node) external view returns (address);
    function operatorAt(address node, uint64 time) external view returns (address);
    function stakeOf(address node) external view returns (uint256 bonded, uint256 unbonding, uint64 unlockAt);
    function priceHashAt(address node, bytes32 adapterKey, uint64 time) external view returns (bytes32);
    /// @return list The registered preimage of `priceHash` and its window [from, until).
    function priceList(bytes32 priceHash) external view returns (PriceList memory list, uint64 from, uint64 until);
}
