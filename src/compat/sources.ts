import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse as parseToml } from "smol-toml";
import { parse as parseYaml } from "yaml";
import { ConfigurationError, messageOf } from "../errors.ts";
import { type ClowderValues, clowderValues } from "./clowder.ts";
import { readDuration, readFlag } from "./go_values.ts";
import { type IncumbentKey, type Program, programs, variableOf } from "./keys.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

/** Where a value is from. What neither the file nor the environment nor Clowder says is a default. */
export type Origin = "default" | "file" | "environment" | "Clowder";

/** The value of every key of a program, as text, and what else its sources say. */
export type Given = {
  values: ReadonlyMap<string, { text: string; origin: Origin }>;
  clowder: ClowderValues | undefined;
  /** what people may want to know of how it was read */
  notes: readonly string[];
};

/** In the order in which theirs looks for them. */
const extensions = ["json", "toml", "yaml", "yml"];

/**
 * Reads the configuration of an incumbent as it does: a file (named by …_CONFIG_FILE, whose extension does
 * not count, or config.* in this folder), over it the environment, over that Clowder's. Unlike theirs, a
 * variable counts also where the file does not have its key. Throws ConfigurationError with everything
 * that is wrong, one a line; no secret is in it.
 */
export function readIncumbent(program: Program, env: Variables, folder = process.cwd()): Given {
  const { prefix } = programs[program];
  const problems: string[] = [];
  const notes: string[] = [];
  const named = env[`${prefix}_CONFIG_FILE`];
  const file = named ? findFile(path.resolve(folder, named)) : findFile(path.join(folder, "config"));
  if (named && file === undefined)
    problems.push(`${prefix}_CONFIG_FILE names no file that can be found: ${named}.`);
  const inFile = file === undefined ? new Map<string, string>() : readFile(file, problems);
  if (file !== undefined) notes.push(`configuration file ${file}`);
  const clowder = clowderValues(program, env, problems, notes);
  const values: Given["values"] = new Map(
    programs[program].keys.map((key) => [key.name, valueFrom(program, key, inFile, env, clowder)]),
  );
  for (const key of programs[program].keys) {
    const value = values.get(key.name);
    const problem = value && value.text !== "" ? problemOf(key, value.text) : undefined;
    if (problem) problems.push(`${key.name} has to be ${problem}${shown(key, value?.text ?? "")}.`);
  }
  if (problems.length > 0) throw new ConfigurationError(problems.join("\n"));
  return { values, clowder, notes };
}

/** The values of a file alone, for whoever looks at it. */
export function readIncumbentFile(file: string): ReadonlyMap<string, string> {
  const problems: string[] = [];
  const values = readFile(file, problems);
  if (problems.length > 0) throw new ConfigurationError(problems.join("\n"));
  return values;
}

const isTopic = (name: string): boolean => /[._]topic$/.test(name);

const shown = ({ secret }: IncumbentKey, text: string): string =>
  secret ? "" : `, but is ${JSON.stringify(text.slice(0, 200))}`;

function valueFrom(
  program: Program,
  key: IncumbentKey,
  inFile: ReadonlyMap<string, string>,
  env: Variables,
  clowder: ClowderValues | undefined,
): { text: string; origin: Origin } {
  const ofClowder = clowder?.values.get(key.name);
  if (ofClowder !== undefined) return { text: ofClowder, origin: "Clowder" };
  const variable = env[variableOf(program, key.name)];
  const named = variable || inFile.get(key.name);
  // a topic has another name where Clowder made it
  const mapped = isTopic(key.name) && named ? clowder?.topics.get(named) : undefined;
  if (mapped !== undefined) return { text: mapped, origin: "Clowder" };
  if (variable) return { text: variable, origin: "environment" };
  const text = inFile.get(key.name);
  if (text !== undefined) return { text, origin: "file" };
  const fallback = key.default ?? "";
  const mappedFallback = isTopic(key.name) ? clowder?.topics.get(fallback) : undefined;
  return mappedFallback !== undefined
    ? { text: mappedFallback, origin: "Clowder" }
    : { text: fallback, origin: "default" };
}

function findFile(named: string): string | undefined {
  const base = path.join(path.dirname(named), path.basename(named, path.extname(named)));
  return extensions.map((extension) => `${base}.${extension}`).find((file) => existsSync(file));
}

/** The keys of a file, with their sections, in small letters: case does not count, as with theirs. */
function readFile(file: string, problems: string[]): Map<string, string> {
  const values = new Map<string, string>();
  let read: unknown;
  try {
    const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
    const extension = path.extname(file);
    read =
      extension === ".toml" ? parseToml(text) : extension === ".json" ? JSON.parse(text) : parseYaml(text);
  } catch (error) {
    problems.push(`The configuration file ${file} cannot be read: ${messageOf(error)}.`);
    return values;
  }
  for (const [section, members] of Object.entries(isTable(read) ? read : {})) {
    if (!isTable(members)) continue;
    for (const [name, value] of Object.entries(members)) {
      const text = asText(value);
      if (text !== undefined) values.set(`${section}.${name}`.toLowerCase(), text);
    }
  }
  return values;
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function asText(value: unknown): string | undefined {
  if (Array.isArray(value)) return value.map(String).join(",");
  return ["string", "number", "boolean", "bigint"].includes(typeof value) ? String(value) : undefined;
}

function problemOf({ type }: IncumbentKey, text: string): string | undefined {
  if (type === "flag" && readFlag(text) === undefined) return "true or false";
  if (type === "number" && !/^\d{1,9}$/.test(text)) return "a whole number";
  if (type === "duration" && readDuration(text) === undefined) return "a duration such as 30s";
  return undefined;
}
