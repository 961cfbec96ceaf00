// A viem client over HTTP against a running chain: what a browser wallet or a TypeScript agent would do.
// Usage: node viem_conformance.mjs <contracts folder> <rpc url> <input JSON>. Prints one JSON object of findings.
import { createRequire } from "node:module";
import { resolve } from "node:path";

const [, , contracts, rpcUrl, inputText] = process.argv;
const require = createRequire(resolve(contracts, "package.json"));
const viem = require("viem");
const { privateKeyToAccount } = require("viem/accounts");
const { foundry } = require("viem/chains");

const input = JSON.parse(inputText);
const payer = privateKeyToAccount(input.payerKey);
const chain = { ...foundry, contracts: { multicall3: { address: input.multicall } } };
const transport = viem.http(rpcUrl, { batch: true });
const reader = viem.createPublicClient({ chain, transport, pollingInterval: 50 });
const wallet = viem.createWalletClient({ chain, transport, account: payer });
const token = { address: input.token, abi: input.abi };
const found = {};

found.chainId = await reader.getChainId();
const [number, block, balance] = await Promise.all([
  reader.getBlockNumber({ cacheTime: 0 }),
  reader.getBlock({ includeTransactions: true }),
  reader.getBalance({ address: payer.address }),
]);
found.blockIsWhole = block.hash.length === 66 && block.logsBloom.length === 514 && typeof block.baseFeePerGas === "bigint";
found.balanceIsPositive = balance > 0n;
found.fees = await reader.estimateFeesPerGas().then((fees) => fees.maxFeePerGas > fees.maxPriorityFeePerGas);
found.feeHistory = await reader.getFeeHistory({ blockCount: 2, rewardPercentiles: [25, 75] }).then((h) => h.baseFeePerGas.length);

const [name, supply] = await reader.multicall({
  contracts: [{ ...token, functionName: "name" }, { ...token, functionName: "totalSupply" }],
  allowFailure: false,
});
found.name = name;
found.supply = supply.toString();

const { request } = await reader.simulateContract({ ...token, functionName: "transfer", args: [input.to, 21n], account: payer });
const hash = await wallet.writeContract(request);
const receipt = await reader.waitForTransactionReceipt({ hash });
found.status = receipt.status;
found.type = receipt.type;
found.sender = viem.isAddressEqual((await reader.getTransaction({ hash })).from, payer.address);

const logs = await reader.getLogs({
  address: [input.token, input.multicall],
  event: viem.parseAbiItem("event Transfer(address indexed from, address indexed to, uint256 value)"),
  args: { to: input.to },
  fromBlock: receipt.blockNumber,
  toBlock: receipt.blockNumber,
});
found.logs = logs.map((log) => [log.args.to, log.args.value.toString(), log.transactionHash === hash]);
found.blockReceipts = (await reader.request({ method: "eth_getBlockReceipts", params: [viem.toHex(receipt.blockNumber)] })).length;

const revertOf = async (attempt) => {
  try {
    await attempt();
  } catch (error) {
    const revert = error.walk((cause) => cause instanceof viem.ContractFunctionRevertedError);
    return revert && [revert.data.errorName, revert.data.args[2].toString()];
  }
};
const tooMuch = { ...token, functionName: "transfer", args: [input.to, 10n ** 40n], account: payer };
found.revert = await revertOf(() => reader.simulateContract(tooMuch));
found.estimateRevert = await revertOf(() => reader.estimateContractGas(tooMuch));

const deadline = block.timestamp + 3600n;
const nonce = await reader.readContract({ ...token, functionName: "nonces", args: [payer.address] });
const signature = await wallet.signTypedData({
  domain: { name, version: "1", chainId: found.chainId, verifyingContract: input.token },
  types: {
    Permit: ["address owner", "address spender", "uint256 value", "uint256 nonce", "uint256 deadline"].map((field) => {
      const [type, name] = field.split(" ");
      return { name, type };
    }),
  },
  primaryType: "Permit",
  message: { owner: payer.address, spender: input.to, value: 5n, nonce, deadline },
});
const { r, s, v } = viem.parseSignature(signature);
const permit = await wallet.writeContract({
  ...token, functionName: "permit", args: [payer.address, input.to, 5n, deadline, Number(v), r, s],
});
found.permit = (await reader.waitForTransactionReceipt({ hash: permit })).status;
found.allowance = (await reader.readContract({ ...token, functionName: "allowance", args: [payer.address, input.to] })).toString();

const foreign = await payer.signTransaction({
  chainId: 1, type: "eip1559", nonce: 10_000, to: input.to, value: 1n, gas: 21_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n,
});
found.foreign = await reader.sendRawTransaction({ serializedTransaction: foreign }).then(() => "accepted", (error) => error.details);
found.unknownMethod = await reader.request({ method: "eth_foo" }).then(() => null, (error) => error.code);
found.grew = (await reader.getBlockNumber({ cacheTime: 0 })) > number;

console.log(JSON.stringify(found));
