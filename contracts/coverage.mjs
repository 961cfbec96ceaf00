// Measures the line, function and branch coverage of src/ by the contracts' own tests: `npm run coverage`.
// It fails if anything is not covered, or if test/coverage.json differs; --write writes that file.
//
// What forge counts. Lines and functions: each with code in src/. Branches: both ways of an `if` that has an `else`, of a
// ternary and of `require`, and the body of an `if` without `else`. The path past such an `if` is not counted, nor
// are the parts of `&&` and `||`, loops that end at once, and assembly. Forge compiles without the optimizer for this,
// and the tests of gas and of invariants are left out: they would only repeat what the others reach.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { home } from "./compiler.mjs";

const committed = join(home, "test", "coverage.json");

/** Per file of src/ what was reached and what exists, and the places that no test reached. */
function counted(lcov) {
  const files = {};
  const missed = [];
  let file = "";
  for (const row of lcov.split("\n")) {
    const [, kind, rest] = /^(SF|DA|FNDA|BRDA):(.*)$/.exec(row) ?? [];
    if (kind === "SF") file = rest;
    if (kind === undefined || kind === "SF" || !file.startsWith("src/")) continue;
    const fields = rest.split(",");
    const [what, hits, place] = {
      DA: ["lines", fields[1], `line ${fields[0]}`],
      FNDA: ["functions", fields[0], `function ${fields[1]}`],
      BRDA: ["branches", fields[3], `branch ${fields[2]} in line ${fields[0]}`],
    }[kind];
    files[file] ??= { lines: [0, 0], functions: [0, 0], branches: [0, 0] };
    files[file][what][1] += 1;
    if (hits === "0" || hits === "-") missed.push(`${file}: ${place}`);
    else files[file][what][0] += 1;
  }
  return { files, missed };
}

/** As committed: one line per file, and the sums, each as "reached/existing". */
function summary(files) {
  const total = { lines: [0, 0], functions: [0, 0], branches: [0, 0] };
  const rows = Object.entries(files).sort();
  for (const [, row] of rows) {
    for (const what of Object.keys(total)) total[what] = total[what].map((sum, i) => sum + row[what][i]);
  }
  const shown = (row) => Object.fromEntries(Object.entries(row).map(([what, [hit, all]]) => [what, `${hit}/${all}`]));
  return { total: shown(total), files: Object.fromEntries(rows.map(([name, row]) => [name, shown(row)])) };
}

function measured() {
  const folder = mkdtempSync(join(tmpdir(), "coverage-"));
  try {
    const report = join(folder, "lcov.info");
    const chosen = ["--exclude-tests", "--no-match-contract", "GasTest|Invariant"];
    const written = ["--report", "lcov", "--report-file", report];
    const { status, stdout, stderr } = spawnSync(process.execPath, ["forge.mjs", "coverage", ...chosen, ...written], {
      cwd: home,
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
    if (status !== 0) throw new Error(`forge coverage failed:\n${stdout}${stderr}`);
    return counted(readFileSync(report, "utf8"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function main() {
  const { files, missed } = measured();
  const found = summary(files);
  const text = JSON.stringify(found, null, 1) + "\n";
  console.log(`coverage: lines ${found.total.lines}, functions ${found.total.functions}, branches ${found.total.branches}`);
  for (const place of missed) console.error(`not covered: ${place}`);
  if (process.argv.includes("--write")) writeFileSync(committed, text);
  else if (readFileSync(committed, "utf8") !== text) {
    console.error("test/coverage.json differs: run `node coverage.mjs --write` in contracts/ and read what changed");
    process.exit(1);
  }
  if (missed.length) process.exit(1);
}

main();
