// solc-js over the sources of a folder: `src/…` is read from there, everything else from the installed npm packages.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of the contracts, which holds src/ and artifacts/. */
export const home = dirname(fileURLToPath(import.meta.url));

const require = createRequire(import.meta.url);

/** The text of a source: a path that starts with src/ below `root`, or a path inside an npm package. */
export function read(path, root = home) {
  return readFileSync(path.startsWith("src/") ? join(root, path) : require.resolve(path), "utf8");
}

/** The output of solc's standard JSON interface for the sources at `paths`. Throws what solc reports as an error. */
export function compile(paths, settings, root = home) {
  const solc = require("solc");
  const sources = Object.fromEntries(paths.map((path) => [path, { content: read(path, root) }]));
  const input = JSON.stringify({ language: "Solidity", sources, settings });
  const output = JSON.parse(solc.compile(input, { import: (path) => ({ contents: read(path, root) }) }));
  const errors = (output.errors ?? []).filter((entry) => entry.severity === "error");
  if (errors.length) throw new Error(errors.map((entry) => entry.formattedMessage).join("\n"));
  return output;
}
