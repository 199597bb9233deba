import { readFileSync } from "node:fs";
import { parseEnv } from "node:util";
import { messageOf } from "../errors.ts";
import { type Key, keyList } from "./keys.ts";
import { nearest } from "./nearest.ts";

export type Variables = Readonly<Record<string, string | undefined>>;

const knownKeys = new Set(keyList.flatMap(([, { key, secret }]) => (secret ? [key, `${key}_FILE`] : [key])));

/** The variables of a file in dotenv form; adds what is wrong with it to `problems`. */
export function readFile(path: string, problems: string[]): Variables {
  const content = readText(path);
  if (content instanceof Error) {
    problems.push(`The configuration file ${path} cannot be read: ${messageOf(content)}.`);
    return {};
  }
  const variables = parseEnv(content);
  for (const key of Object.keys(variables)) {
    if (!knownKeys.has(key))
      problems.push(`${key}, in ${path}, is not a key of the configuration${hint(key)}.`);
  }
  // parseEnv passes over lines that are no assignment. Only values in several lines may have such lines.
  if (!Object.values(variables).some((value) => value?.includes("\n"))) {
    for (const [index, line] of content.split("\n").entries()) {
      if (/^\s*(#|$)/.test(line) || line.includes("=")) continue;
      problems.push(`Line ${index + 1} of ${path} is not of the form KEY=value.`);
    }
  }
  return variables;
}

/**
 * Refuses what looks like ours in the environment and is not, except what Kubernetes puts there, and what is
 * for the commands with the incumbent's names.
 */
export function checkEnvironment(env: Variables, problems: string[]): void {
  for (const [key, value] of Object.entries(env)) {
    if (!key.startsWith("CCX_") || !value || knownKeys.has(key)) continue;
    if (isServiceLink(key) || isIncumbents(key)) continue;
    problems.push(`${key}, in the environment, is not a key of the configuration${hint(key)}.`);
  }
}

/**
 * The text that a source has for a key: directly, or for a secret through a file.
 * Undefined when the source has none; an empty text counts as none.
 */
export function lookUp({ key, secret }: Key, source: Variables, problems: string[]): string | undefined {
  const direct = secret ? source[key] : source[key]?.trim();
  const path = secret ? source[`${key}_FILE`]?.trim() : undefined;
  if (!path) return direct || undefined;
  if (direct) {
    problems.push(`${key} and ${key}_FILE are both set: give one of them.`);
    return undefined;
  }
  const content = readText(path);
  if (content instanceof Error) {
    problems.push(`${key}_FILE names a file that cannot be read: ${messageOf(content)}.`);
    return undefined;
  }
  const value = content.replace(/\r?\n$/, "");
  if (value === "") problems.push(`${key}_FILE names an empty file.`);
  return value || undefined;
}

function readText(path: string): string | Error {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

function hint(key: string): string {
  const candidate = nearest(key, knownKeys);
  return candidate === undefined ? "" : ` (did you mean ${candidate}?)`;
}

/** Kubernetes describes to every pod a Service named ccx-x in variables such as CCX_X_PORT_80_TCP_ADDR. */
function isServiceLink(key: string): boolean {
  return /_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/.test(key);
}

/** Keys of ccx-notification-service and ccx-notification-writer (src/compat/keys.ts). */
function isIncumbents(key: string): boolean {
  return /^CCX_NOTIFICATION_(SERVICE|WRITER)_(_|CONFIG_FILE$)/.test(key);
}
