import { readdir } from "node:fs/promises";
import type { z } from "zod";
import { ContentError } from "./error.ts";
import { codeOf, type Folder, listFolder, TextReader } from "./files.ts";
import { Problems, type Refused } from "./problems.ts";
import { type SourceContent, withoutRefused } from "./refused.ts";
import {
  byName,
  checkModule,
  errorKeyContent,
  type Impacts,
  impactNamed,
  type Rule,
  type RuleContent,
  resolutionRiskOf,
  type Texts,
  textNames,
} from "./rule_content.ts";
import { checked, configShape, metadataShape, nameShape, parseYaml, pluginShape } from "./shapes.ts";

/**
 * Reads a tree of rule content in the layout of the Insights content service: `config.yaml`, and below
 * `external/` and `internal/`, at any depth, rule folders (`plugin.yaml`) with error key folders
 * (`metadata.yaml`); a text that an error key does not have is the rule's.
 *
 * Returns one entry per rule and error key that conforms, and what does not, with all its problems: one bad
 * rule is one bad rule. Throws ContentError where nothing can be read: no folder, no config.yaml, no rule,
 * or more than 50 MiB.
 */
export async function readContent(directory: string): Promise<SourceContent> {
  const trees = await listTrees(directory);
  const reader = new TextReader(directory);
  const config = parseYaml("config.yaml", await reader.text("config.yaml"), configShape);
  const impacts = {
    impact: new Map(Object.entries(config.impact)),
    resolutionRisk: new Map(Object.entries(config.resolution_risk ?? {})),
  };

  const found = new FoundRules();
  for (const tree of trees) found.look(tree);
  if (found.rules.size === 0 && found.refused.length === 0)
    throw new ContentError("external, internal", "hold no rule (a folder with a plugin.yaml)");

  const content: RuleContent[] = [];
  const refused = found.refused;
  for (const [name, folders] of [...found.rules].sort(byName)) {
    const read = await readRule(name, folders, reader, impacts);
    refused.push(...read.refused);
    content.push(...read.content);
  }
  return withoutRefused({ content, refused });
}

/** What config.yaml says of the names of impacts and of resolution risks. */
type Numbers = { impact: Impacts; resolutionRisk: Impacts };

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

/** What the trees hold, by the names of rules. */
class FoundRules {
  /** Reports name rules without the tree, so a name with two folders is no rule. */
  readonly rules = new Map<string, Folder[]>();
  readonly refused: Refused[] = [];

  /** A file in the wrong place is a problem, as it would silently not count. */
  look(folder: Folder, parent?: Folder, enclosingRule?: Folder): void {
    const isRule = folder.files.has("plugin.yaml");
    const isErrorKey = folder.files.has("metadata.yaml");
    if (isRule) this.rules.set(folder.name, [...(this.rules.get(folder.name) ?? []), folder]);
    if (isRule && isErrorKey)
      this.#refuse(
        folder.name,
        null,
        folder.path,
        "has both a plugin.yaml (rule) and a metadata.yaml (error key)",
      );
    else if (isErrorKey && !parent?.files.has("plugin.yaml")) {
      const [rule, key] = enclosingRule ? [enclosingRule.name, folder.name] : [(parent ?? folder).name, null];
      const problem = `has no plugin.yaml, but its folder ${folder.name} has a metadata.yaml`;
      this.#refuse(rule, key, parent?.path ?? ".", problem);
    }
    if (isRule && enclosingRule)
      this.#refuse(folder.name, null, folder.path, `is a rule inside the rule ${enclosingRule.path}`);

    // pictures and the like may lie anywhere; a text that belongs to nothing is a rule or an error key
    // forgotten half-way
    const orphan = textNames.find((name) => folder.files.has(`${name}.md`));
    if (orphan && !isRule && !isErrorKey) {
      const [rule, key] = enclosingRule ? [enclosingRule.name, folder.name] : [folder.name, null];
      const missing = enclosingRule ? "metadata.yaml" : "plugin.yaml";
      this.#refuse(rule, key, folder.path, `has ${orphan}.md, but no ${missing}`);
    }

    const rule = isRule ? folder : enclosingRule;
    for (const { name, error } of folder.unreadable) {
      const problems = new Problems();
      problems.note(error);
      // behind the name may be a rule, an error key, or something inside of one
      this.refused.push(
        rule ? problems.refusing(rule.name, isRule ? name : folder.name) : problems.refusing(name),
      );
    }
    for (const child of folder.folders) this.look(child, folder, rule);
  }

  #refuse(rule: string, errorKey: string | null, path: string, problem: string): void {
    const problems = new Problems();
    problems.add(path, problem);
    this.refused.push(problems.refusing(rule, errorKey));
  }
}

async function readRule(
  name: string,
  [folder, ...twins]: Folder[],
  reader: TextReader,
  impacts: Numbers,
): Promise<SourceContent> {
  if (!folder) return { content: [], refused: [] };
  const problems = new Problems();
  for (const twin of twins) problems.add(twin.path, `rule ${name} is already in ${folder.path}`);
  problems.try(() => checked(folder.path, name, nameShape));
  const path = `${folder.path}/plugin.yaml`;
  const plugin = await readYaml(path, pluginShape, reader, problems);
  const texts = await readTexts(folder, reader, problems);
  const rule = { name, pythonModule: plugin?.python_module ?? "", plugin, texts };
  if (plugin) problems.try(() => checkModule(rule, path));

  const errorKeys = folder.folders.filter(({ files }) => files.has("metadata.yaml"));
  if (errorKeys.length === 0)
    problems.add(folder.path, "is a rule without error keys (folders with metadata.yaml)");
  const content: RuleContent[] = [];
  const refused: Refused[] = [];
  for (const errorKey of errorKeys) {
    const ofKey = new Problems();
    const entry = await readErrorKey(rule, errorKey, texts, reader, impacts, ofKey);
    if (entry) content.push(entry);
    else refused.push(ofKey.refusing(name, errorKey.name));
  }
  if (problems.none) return { content, refused };
  return { content: [], refused: [...refused, problems.refusing(name)] };
}

async function readErrorKey(
  rule: Rule,
  folder: Folder,
  ruleTexts: Texts,
  reader: TextReader,
  impacts: Numbers,
  problems: Problems,
): Promise<RuleContent | undefined> {
  problems.try(() => checked(folder.path, folder.name, nameShape));
  const path = `${folder.path}/metadata.yaml`;
  const metadata = await readYaml(path, metadataShape, reader, problems);
  const impact =
    metadata &&
    problems.try(() => ({
      name: metadata.impact,
      number: impactNamed(metadata.impact, impacts.impact, path),
      resolutionRisk: resolutionRiskOf(impacts.resolutionRisk.get(metadata.resolution_risk ?? "")),
    }));
  const texts = { ...ruleTexts, ...(await readTexts(folder, reader, problems)) };
  return errorKeyContent(rule, folder, metadata, impact, texts, problems);
}

async function readYaml<T>(
  path: string,
  shape: z.ZodType<T>,
  reader: TextReader,
  problems: Problems,
): Promise<T | undefined> {
  const source = await readText(path, reader, problems);
  return source === undefined ? undefined : problems.try(() => parseYaml(path, source, shape));
}

async function readTexts(folder: Folder, reader: TextReader, problems: Problems): Promise<Texts> {
  const texts: Texts = {};
  for (const name of textNames) {
    const path = `${folder.path}/${name}.md`;
    if (folder.files.has(`${name}.md`)) texts[name] = { path, text: await readText(path, reader, problems) };
  }
  return texts;
}

async function readText(path: string, reader: TextReader, problems: Problems): Promise<string | undefined> {
  try {
    return await reader.text(path);
  } catch (error) {
    problems.note(error);
    return undefined;
  }
}
