// Checks the documentation of the contracts: `npm run natspec`, or `node natspec.mjs ROOT` for the sources in ROOT/src.
// Prints one line per fault and exits 1 if there is any. The rules:
// - every contract, interface and library has a @title; every struct and enum has a @notice;
// - errors and events are declared in interfaces, each with a @notice and a @param per parameter; an error without
//   parameters says in @dev why there are no values to report;
// - a public function, or the getter of a public variable, is documented in an interface: @notice, a @param per
//   parameter and a @return per value; unless it is view or pure also @custom:access (who may call it) and
//   @custom:reverts (what reverts);
// - a contract that implements it has @inheritdoc of a base interface whose function has the documentation;
// - @custom:reverts starts with the name of an error that exists, or is "Never.";
// - constructors have a @param per parameter; internal functions of libraries have @dev, @param and @return.

import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";

import { compile, home, read } from "./compiler.mjs";

const settings = { evmVersion: "prague", outputSelection: { "*": { "": ["ast"] } } };

/** The tags of a documentation comment: tag → the texts of its occurrences. Text before the first tag is a @notice. */
function tagsOf(node) {
  const tags = new Map();
  let texts = [];
  tags.set("notice", texts);
  for (const line of (node.documentation?.text ?? "").split("\n")) {
    const [, tag, rest] = /^\s*@([\w:-]+)\s*(.*)$/.exec(line) ?? [undefined, undefined, line.trim()];
    if (tag === undefined && texts.length > 0) {
      texts[texts.length - 1] = `${texts.at(-1)} ${rest}`.trim();
      continue;
    }
    if (tag !== undefined && !tags.has(tag)) tags.set(tag, []);
    if (tag !== undefined) texts = tags.get(tag);
    if (tag !== undefined || rest !== "") texts.push(rest.trim());
  }
  return tags;
}

function describes(tags, ...names) {
  return names.some((name) => tags.get(name)?.some((text) => text !== ""));
}

/** What is missing for parameters and returned values. */
function* undocumentedValues(node, tags) {
  const documented = (tags.get("param") ?? []).filter((text) => /^\S+\s+\S/.test(text)).map((text) => text.split(/\s/)[0]);
  for (const { name } of node.parameters?.parameters ?? []) {
    if (name === "") yield "has a parameter without a name";
    else if (!documented.includes(name)) yield `has no @param ${name}`;
  }
  const returned = node.returnParameters?.parameters ?? [];
  const texts = tags.get("return") ?? [];
  const described = returned.filter(({ name }, i) => (name === "" ? /\S/ : /\S\s+\S/).test(texts[i] ?? "")).length;
  if (described < returned.length) yield `has ${described} @return for ${returned.length} returned values`;
}

function* undocumentedEffects(node, tags) {
  if (["view", "pure"].includes(node.stateMutability)) return;
  if (!describes(tags, "custom:access")) yield "has no @custom:access: say who may call it";
  if (!describes(tags, "custom:reverts")) yield "has no @custom:reverts: say which errors it reverts with";
}

function* withoutValues(node, tags) {
  if (node.parameters.parameters.length > 0 || describes(tags, "dev")) return;
  yield "has no parameter: give it the values that matter, or say in @dev why there are none";
}

function* unknownErrors(tags, errors) {
  for (const text of tags.get("custom:reverts") ?? []) {
    const name = text.split(/\s/)[0];
    if (name !== "Never." && !errors.has(name)) yield `has @custom:reverts ${name}, which is no error`;
  }
}

function isPublic(node) {
  if (node.nodeType === "VariableDeclaration") return node.stateVariable && node.visibility === "public";
  return node.nodeType === "FunctionDefinition" && node.kind === "function" && ["public", "external"].includes(node.visibility);
}

/** A public function of a contract takes its documentation from the interface that declares it. */
function* undocumentedImplementation(node, contract, declarations) {
  const [name] = tagsOf(node).get("inheritdoc") ?? [];
  if (name === undefined) {
    yield "has no @inheritdoc: declare and document it in an interface";
    return;
  }
  const base = contract.linearizedBaseContracts.map((id) => declarations.get(id)).find((entry) => entry.name === name);
  if (base?.contractKind !== "interface") {
    yield `has @inheritdoc ${name}, which is no base interface`;
    return;
  }
  const inherited = base.nodes.find((entry) => entry.functionSelector === node.functionSelector);
  if (inherited === undefined) yield `has @inheritdoc ${name}, which does not declare it`;
  else if (!describes(tagsOf(inherited), "notice", "dev")) yield `has @inheritdoc ${name}, where it is not documented`;
}

function* faultsOfMember(node, contract, { declarations, errors }) {
  const tags = tagsOf(node);
  yield* unknownErrors(tags, errors);
  if (["ErrorDefinition", "EventDefinition"].includes(node.nodeType)) {
    if (contract?.contractKind !== "interface") yield "is not declared in an interface";
    if (!describes(tags, "notice")) yield "has no @notice";
    if (node.nodeType === "ErrorDefinition") yield* withoutValues(node, tags);
    yield* undocumentedValues(node, tags);
  } else if (["StructDefinition", "EnumDefinition"].includes(node.nodeType)) {
    if (!describes(tags, "notice")) yield "has no @notice";
  } else if (node.kind === "constructor") {
    yield* undocumentedValues(node, tags);
  } else if (isPublic(node)) {
    if (contract.contractKind !== "interface") {
      yield* undocumentedImplementation(node, contract, declarations);
    } else {
      if (!describes(tags, "notice")) yield "has no @notice";
      yield* undocumentedValues(node, tags);
      yield* undocumentedEffects(node, tags);
    }
  } else if (node.nodeType === "FunctionDefinition" && contract?.contractKind === "library" && node.visibility === "internal") {
    if (!describes(tags, "notice", "dev")) yield "has no @dev";
    yield* undocumentedValues(node, tags);
  }
}

function* faultsOfSource(path, text, ast, context) {
  const line = (node) => text.subarray(0, Number(node.src.split(":")[0])).toString().split("\n").length;
  const report = (node, fault) => `${path}:${line(node)}: ${node.name || node.kind} ${fault}`;
  for (const node of ast.nodes) {
    if (node.nodeType !== "ContractDefinition") {
      for (const fault of faultsOfMember(node, undefined, context)) yield report(node, fault);
      continue;
    }
    if (!describes(tagsOf(node), "title")) yield report(node, "has no @title");
    for (const member of node.nodes) {
      for (const fault of faultsOfMember(member, node, context)) yield report(member, fault);
    }
  }
}

function* faults(root) {
  const names = readdirSync(join(root, "src"), { recursive: true, withFileTypes: true });
  const paths = names
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sol"))
    .map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)).split(sep).join("/"))
    .sort();
  const { sources } = compile(paths, settings, root);
  const tops = Object.values(sources).flatMap(({ ast }) => ast.nodes);
  const contracts = tops.filter((node) => node.nodeType === "ContractDefinition");
  const members = [...tops, ...contracts.flatMap((contract) => contract.nodes)];
  const context = {
    declarations: new Map(contracts.map((contract) => [contract.id, contract])),
    errors: new Set(members.filter((node) => node.nodeType === "ErrorDefinition").map((node) => node.name)),
  };
  for (const path of paths) yield* faultsOfSource(path, Buffer.from(read(path, root)), sources[path].ast, context);
}

const reported = [...faults(process.argv[2] ?? home)];
if (reported.length) {
  console.error(reported.join("\n"));
  process.exit(1);
}
console.log("natspec: every public declaration is documented");
