import { readFlag } from "./go_values.ts";

/** A flag of a command: `text` for one that takes a value. */
export type Flag = { name: string; type: "flag" | "text"; usage: string };

export type Flags = { has(name: string): boolean; text(name: string): string };

/** The command line asks for help, or is wrong: what to print, and the exit code. */
export class Usage extends Error {
  override name = "Usage";
  readonly code: 0 | 2;

  constructor(code: 0 | 2, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Reads a command line as programs in Go do it: one dash or two, `=value`, and nothing any more after the
 * first word that is no flag.
 * @throws Usage for --help and for what is wrong
 */
export function parseFlags(command: string, flags: readonly Flag[], args: readonly string[]): Flags {
  const given = new Map<string, string>();
  const wrong = (problem: string) => new Usage(2, `${problem}\n${usageOf(command, flags)}`);
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (!/^-./.test(arg) || arg === "--") break;
    const [, name = "", hasValue, value = ""] = /^--?([^=-][^=]*)(=?)(.*)$/s.exec(arg) ?? [];
    if (name === "") throw wrong(`bad flag syntax: ${arg}`);
    const flag = flags.find((one) => one.name === name);
    if (!flag && (name === "help" || name === "h")) throw new Usage(0, usageOf(command, flags));
    if (!flag) throw wrong(`flag provided but not defined: -${name}`);
    if (flag.type === "text") {
      const text = hasValue ? value : rest.shift();
      if (text === undefined) throw wrong(`flag needs an argument: -${name}`);
      given.set(name, text);
      continue;
    }
    const isSet = hasValue ? readFlag(value) : true;
    if (isSet === undefined)
      throw wrong(`invalid boolean value ${JSON.stringify(value)} for -${name}: parse error`);
    given.set(name, String(isSet));
  }
  return { has: (name) => given.get(name) === "true", text: (name) => given.get(name) ?? "" };
}

/** What --help prints. */
function usageOf(command: string, flags: readonly Flag[]): string {
  const lines = [...flags]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, usage }) => `  -${name}${type === "text" ? " string" : ""}\n    \t${usage}`);
  return [`Usage of ${command}:`, ...lines].join("\n");
}
