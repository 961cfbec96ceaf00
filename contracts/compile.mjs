// Compiles src/ with solc-js and writes artifacts/NAME.json. With --check it compares the committed files instead.
// test/snapshots/sizes.json has their sizes, so that a change is visible in review.
// The output depends only on the sources, the pinned compiler and the pinned libraries: no metadata is appended.

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { compile, home } from "./compiler.mjs";

const artifacts = join(home, "artifacts");

const contracts = {
  AccessManager: "@openzeppelin/contracts/access/manager/AccessManager.sol",
  AssetRegistry: "src/AssetRegistry.sol",
  Challenges: "src/Challenges.sol",
  ChannelEscrow: "src/ChannelEscrow.sol",
  ERC3009DepositCollector: "src/ERC3009DepositCollector.sol",
  Judge: "src/Judge.sol",
  Multicall3: "src/Multicall3.sol",
  NodeRegistry: "src/NodeRegistry.sol",
  NodeVault: "src/NodeVault.sol",
  OpenGovernor: "src/governance/OpenGovernor.sol",
  OpenToken: "src/OpenToken.sol",
  ServingParameters: "src/governance/ServingParameters.sol",
  Settlement: "src/Settlement.sol",
  TimelockController: "@openzeppelin/contracts/governance/TimelockController.sol",
};

const sizes = join(home, "test", "snapshots", "sizes.json");
const maxCode = 24_576; // EIP-170
const maxInit = 49_152; // EIP-3860

const settings = {
  evmVersion: "prague",
  optimizer: { enabled: true, runs: 200 },
  metadata: { bytecodeHash: "none", appendCBOR: false },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] } },
};

// The metadata names the compiler, its settings and the hash of every source of the contract.
function artifact(contractName, { abi, evm, metadata }) {
  const sourceHash = "0x" + createHash("sha256").update(metadata).digest("hex");
  const bytecode = "0x" + evm.bytecode.object;
  const deployedBytecode = "0x" + evm.deployedBytecode.object;
  return JSON.stringify({ contractName, abi, bytecode, deployedBytecode, sourceHash }, null, 1) + "\n";
}

/** The bytes of each contract's code and of the code that creates it. Throws if a public chain would refuse one. */
function measured(compiled) {
  const rows = Object.entries(contracts).map(([name, path]) => {
    const { evm } = compiled[path][name];
    const [code, init] = [evm.deployedBytecode, evm.bytecode].map(({ object }) => object.length / 2);
    if (code > maxCode || init > maxInit) throw new Error(`${name} is too large: ${code} bytes, created by ${init}`);
    return [name, { code, init }];
  });
  return JSON.stringify(Object.fromEntries(rows), null, 1) + "\n";
}

function main() {
  const compiled = compile(Object.values(contracts), settings).contracts;
  const files = new Map(
    Object.entries(contracts).map(([name, path]) => [`${name}.json`, artifact(name, compiled[path][name])]),
  );
  const present = existsSync(artifacts) ? readdirSync(artifacts).filter((name) => name.endsWith(".json")) : [];
  const stale = present.filter((name) => !files.has(name));

  if (process.argv.includes("--check")) {
    const differing = [...files].filter(([name, text]) => !present.includes(name) || readFileSync(join(artifacts, name), "utf8") !== text);
    const wrong = [...differing.map(([name]) => name), ...stale];
    if (!existsSync(sizes) || readFileSync(sizes, "utf8") !== measured(compiled)) wrong.push("test/snapshots/sizes.json");
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
  writeFileSync(sizes, measured(compiled));
  console.log(`${files.size} artifacts written`);
}

main();
