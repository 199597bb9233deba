import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { ConfigurationError, messageOf } from "../errors.ts";

/** A rule as load_rules() takes it. */
export type RuleFile = {
  name: string;
  component: string;
  description: string;
  reads: string[];
  tags: string[];
  links: Record<string, unknown>;
  source: string;
};

const header = /^-- (component|reads|tags|links): *(.*)$/;

/**
 * The SQL rules of a folder: each file NAME.sql is a query, below lines of comment that say what it is.
 * @throws ConfigurationError that names every file that is not of this form
 */
export async function readRules(folder: string): Promise<RuleFile[]> {
  const names = await readdir(folder).catch((error) => {
    throw new ConfigurationError(`The folder ${folder} cannot be read: ${messageOf(error)}`, {
      cause: error,
    });
  });
  const problems: string[] = [];
  const rules: RuleFile[] = [];
  for (const name of names.filter((it) => it.endsWith(".sql")).sort()) {
    const text = await readFile(path.join(folder, name), "utf8");
    const rule = ruleOf(path.basename(name, ".sql"), text);
    if (typeof rule === "string") problems.push(`${name}: ${rule}`);
    else rules.push(rule);
  }
  if (problems.length > 0) throw new ConfigurationError(problems.join("\n"));
  if (rules.length === 0) throw new ConfigurationError(`There is no rule (NAME.sql) in ${folder}.`);
  return rules;
}

/** The rule, or what is wrong with it. */
export function ruleOf(name: string, text: string): RuleFile | string {
  if (!/^[a-z][a-z0-9_]{0,59}$/.test(name))
    return "its name has to be of small letters, digits and underscores, and begin with a letter";
  if (text.includes("\0")) return "it has a NUL character";
  const lines = text.split(/\r?\n/);
  const described: string[] = [];
  const given = new Map<string, string>();
  for (const line of lines) {
    if (!line.startsWith("--")) break;
    const [, key, value = ""] = header.exec(line) ?? [];
    if (key === undefined) described.push(line.replace(/^-- ?/, ""));
    else if (given.has(key)) return `it has the line "-- ${key}:" twice`;
    else given.set(key, value.trim());
  }
  const description = described.join(" ").trim();
  if (description === "") return "it has to begin with a comment that says what it looks for";
  const component = given.get("component") ?? `ccx_rules_sql.${name}.report`;
  if (!/^([a-zA-Z0-9_]+\.)+[a-z0-9_]+$/.test(component))
    return `"${component}" is no component, such as a.b.report`;
  const reads = listOf(given.get("reads"));
  if (reads.length === 0)
    return 'it needs a line "-- reads:" with the files it reads, such as config/version.json';
  const links = linksOf(given.get("links"));
  if (links === undefined) return 'its line "-- links:" has to be a JSON object';
  return { name, component, description, reads, tags: listOf(given.get("tags")), links, source: text };
}

const listOf = (text = ""): string[] =>
  text
    .split(",")
    .map((word) => word.trim())
    .filter((word) => word !== "");

function linksOf(text: string | undefined): Record<string, unknown> | undefined {
  if (text === undefined || text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
