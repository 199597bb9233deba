import { readdir } from "node:fs/promises";
import { ContentError } from "./error.ts";
import { codeOf, type Folder, listFolder, TextReader } from "./files.ts";
import {
  byName,
  checkModule,
  errorKeyContent,
  type Rule,
  type RuleContent,
  type Texts,
  textNames,
} from "./rule_content.ts";
import { checked, configShape, metadataShape, nameShape, parseYaml, pluginShape } from "./shapes.ts";

type RuleFolder = Rule & { folder: Folder };

/**
 * Reads a tree of rule content in the layout of the Insights content service: `config.yaml`, and below
 * `external/` and `internal/`, at any depth, rule folders (`plugin.yaml`) with error key folders
 * (`metadata.yaml`); a text that an error key does not have is the rule's.
 *
 * Returns one entry per rule and error key, sorted by both. All or nothing: the first thing wrong, in
 * order of paths, throws a ContentError whose one-line message names the path and the problem.
 */
export async function readContent(directory: string): Promise<RuleContent[]> {
  const trees = await listTrees(directory);
  const reader = new TextReader(directory);
  const config = parseYaml("config.yaml", await reader.text("config.yaml"), configShape);
  const impacts = new Map(Object.entries(config.impact));

  const content: RuleContent[] = [];
  for (const rule of await readRules(trees, reader))
    content.push(...(await readErrorKeys(rule, reader, impacts)));
  return content;
}

async function listTrees(directory: string): Promise<Folder[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause) => {
    const code = codeOf(cause);
    const known: Record<string, string> = { ENOENT: "does not exist", ENOTDIR: "is not a folder" };
    throw new ContentError(`content folder ${directory}`, known[code] ?? `cannot be read (${code})`, {
      cause,
    });
  });
  const trees: Folder[] = [];
  for (const name of ["external", "internal"]) {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry && !entry.isDirectory())
      throw new ContentError(name, "is not a folder (symbolic links are not followed)");
    if (entry) trees.push(await listFolder(directory, name));
  }
  return trees;
}

/**
 * All rules, sorted by name; a name is used once in both trees together, as reports name rules without the
 * tree.
 */
async function readRules(trees: Folder[], reader: TextReader): Promise<RuleFolder[]> {
  const rules = new Map<string, RuleFolder>();
  for (const folder of trees.flatMap((tree) => findRules(tree))) {
    const pythonModule = await readModule(folder, reader);
    const twin = rules.get(folder.name);
    if (twin) throw new ContentError(folder.path, `rule ${folder.name} is already in ${twin.folder.path}`);
    rules.set(folder.name, { folder, name: folder.name, pythonModule });
  }
  if (rules.size === 0)
    throw new ContentError("external, internal", "hold no rule (a folder with a plugin.yaml)");
  return [...rules].sort(byName).map(([, rule]) => rule);
}

/**
 * The rule folders at or below a folder. A file in the wrong place is an error, as it would silently not
 * count.
 */
function findRules(folder: Folder, parent?: Folder, enclosingRule?: Folder): Folder[] {
  const isRule = folder.files.has("plugin.yaml");
  const isErrorKey = folder.files.has("metadata.yaml");
  if (isRule && isErrorKey)
    throw new ContentError(folder.path, "has both a plugin.yaml (rule) and a metadata.yaml (error key)");
  if (isRule && enclosingRule)
    throw new ContentError(folder.path, `is a rule inside the rule ${enclosingRule.path}`);
  if (isErrorKey && !parent?.files.has("plugin.yaml"))
    throw new ContentError(
      parent?.path ?? ".",
      `has no plugin.yaml, but its folder ${folder.name} has a metadata.yaml`,
    );
  const inner = folder.folders.flatMap((child) => findRules(child, folder, isRule ? folder : enclosingRule));
  // pictures and the like may lie anywhere; a text that belongs to nothing is a rule or an error key
  // forgotten half-way
  const orphan = textNames.find((name) => folder.files.has(`${name}.md`));
  if (orphan && !isRule && !isErrorKey) {
    const missing = enclosingRule ? "metadata.yaml" : "plugin.yaml";
    throw new ContentError(folder.path, `has ${orphan}.md, but no ${missing}`);
  }
  return isRule ? [folder] : inner;
}

async function readModule(folder: Folder, reader: TextReader): Promise<string> {
  checked(folder.path, folder.name, nameShape);
  const path = `${folder.path}/plugin.yaml`;
  const { python_module: pythonModule } = parseYaml(path, await reader.text(path), pluginShape);
  checkModule({ name: folder.name, pythonModule }, path);
  return pythonModule;
}

async function readErrorKeys(
  rule: RuleFolder,
  reader: TextReader,
  impacts: Map<string, number>,
): Promise<RuleContent[]> {
  const ruleTexts = await readTexts(rule.folder, reader);
  const content: RuleContent[] = [];
  for (const folder of rule.folder.folders) {
    if (!folder.files.has("metadata.yaml")) continue;
    checked(folder.path, folder.name, nameShape);
    const metadataPath = `${folder.path}/metadata.yaml`;
    const metadata = parseYaml(metadataPath, await reader.text(metadataPath), metadataShape);
    const texts = { ...ruleTexts, ...(await readTexts(folder, reader)) };
    const errorKey = { name: folder.name, path: folder.path, metadataPath };
    content.push(errorKeyContent(rule, errorKey, metadata, impacts, texts));
  }
  if (content.length === 0)
    throw new ContentError(rule.folder.path, "is a rule without error keys (folders with metadata.yaml)");
  return content;
}

async function readTexts(folder: Folder, reader: TextReader): Promise<Texts> {
  const texts: Texts = {};
  for (const name of textNames) {
    const path = `${folder.path}/${name}.md`;
    if (folder.files.has(`${name}.md`)) texts[name] = { path, text: await reader.text(path) };
  }
  return texts;
}
