// Runs the forge binary of this platform with the given arguments and exits with its code.
// The wrapper that npm puts on the PATH exits with 0 even when tests fail.

import { spawnSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
const suffix = process.platform === "win32" ? ".exe" : "";
const home = dirname(createRequire(import.meta.url).resolve(`@foundry-rs/forge-${process.platform}-${arch}/package.json`));
const { error, status } = spawnSync(join(home, "bin", `forge${suffix}`), process.argv.slice(2), {
  cwd: dirname(fileURLToPath(import.meta.url)),
  stdio: "inherit",
});
if (error) throw error;
process.exit(status ?? 1);
