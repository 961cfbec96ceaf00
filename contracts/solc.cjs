#!/usr/bin/env node
// solc-js behind the two options of a native solc that forge uses: --version and --standard-json.
const { readFileSync, writeSync } = require("node:fs");
const solc = require("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace("Emscripten.clang", "Linux.g++")}`);
} else {
  const output = Buffer.from(solc.compile(readFileSync(0, "utf8")));
  for (let sent = 0; sent < output.length; ) sent += writeSync(1, output, sent, 65536 < output.length - sent ? 65536 : output.length - sent);
}
