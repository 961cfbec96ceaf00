// Compiles src/ with solc-js and writes artifacts/NAME.json, or with --check compares them with what is there.
// The output depends on the sources, the pinned compiler and the pinned libraries only: no metadata is appended.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const home = dirname(fileURLToPath(import.meta.url));
const artifacts = join(home, "artifacts");
const resolve = createRequire(import.meta.url).resolve;

const contracts = {
  AccessManager: "@openzeppelin/contracts/access/manager/AccessManager.sol",
  AssetRegistry: "src/AssetRegistry.sol",
  ChannelEscrow: "src/ChannelEscrow.sol",
  ERC3009DepositCollector: "src/ERC3009DepositCollector.sol",
  Multicall3: "src/Multicall3.sol",
  NodeRegistry: "src/NodeRegistry.sol",
  NodeVault: "src/NodeVault.sol",
  OpenToken: "src/OpenToken.sol",
  Settlement: "src/Settlement.sol",
};

const settings = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] } },
};

function read(path) {
  return readFileSync(path.startsWith("src/") ? join(home, path) : resolve(path), "utf8");
}

function compile() {
  const solc = createRequire(import.meta.url)("solc");
  const sources = Object.fromEntries(Object.values(contracts).map((path) => [path, { content: read(path) }]));
  const input = { language: "Solidity", sources, settings };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (path) => ({ contents: read(path) }) }));
  const errors = (output.errors ?? []).filter((found) => found.severity === "error");
  if (errors.length) throw new Error(errors.map((found) => found.formattedMessage).join("\n"));
  return output.contracts;
}

// The metadata names compiler, settings and the hash of every source the contract is made of.
function artifact(contractName, { abi, evm, metadata }) {
  const sourceHash = "0x" + createHash("sha256").update(metadata).digest("hex");
  const bytecode = "0x" + evm.bytecode.object;
  const deployedBytecode = "0x" + evm.deployedBytecode.object;
  return JSON.stringify({ contractName, abi, bytecode, deployedBytecode, sourceHash }, null, 1) + "\n";
}

function main() {
  const compiled = compile();
  const files = new Map(
    Object.entries(contracts).map(([name, path]) => [`${name}.json`, artifact(name, compiled[path][name])]),
  );
  const present = existsSync(artifacts) ? readdirSync(artifacts).filter((name) => name.endsWith(".json")) : [];
  const stale = present.filter((name) => !files.has(name));

  if (process.argv.includes("--check")) {
    const differing = [...files].filter(([name, text]) => !present.includes(name) || readFileSync(join(artifacts, name), "utf8") !== text);
    const wrong = [...differing.map(([name]) => name), ...stale];
    if (wrong.length) {
      console.error(`artifacts differ from the sources: ${wrong.join(", ")}\nrun: npm --prefix contracts run compile`);
      process.exit(1);
    }
    console.log(`${files.size} artifacts match the sources`);
    return;
  }

  mkdirSync(artifacts, { recursive: true });
  for (const name of stale) rmSync(join(artifacts, name));
  for (const [name, text] of files) writeFileSync(join(artifacts, name), text);
  console.log(`${files.size} artifacts written`);
}

main();
