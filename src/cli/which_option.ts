import type { Command } from "commander";

/** What PostgreSQL calls the types that people give values of, and what to say instead. */
const types: Record<string, string> = {
  bigint: "a whole number",
  integer: "a whole number",
  interval: "an interval such as '2 days'",
  "timestamp with time zone": "a time such as 2026-12-24T08:00Z",
};

/**
 * A refusal of PostgreSQL that quotes a value of the wrong form, with the name of the option or argument that
 * had it; any other as it is.
 */
export function withItsOption(message: string, command: Command | undefined): string {
  const [, type, , value] = /(?:type ([a-z ]+)|(date\/time field value[^:]*)): "(.*)"/s.exec(message) ?? [];
  if (!command || value === undefined) return message;
  const options = Object.entries(command.opts<Record<string, unknown>>())
    .filter(([, given]) => given === value)
    .map(([name]) => `--${name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
  const args = command.registeredArguments
    .filter((_, nth) => command.args[nth] === value)
    .map((argument) => `<${argument.name()}>`);
  const names = [...options, ...args];
  if (names.length === 0) return message;
  return `${names.join(" or ")} takes ${types[type ?? "timestamp with time zone"] ?? type}, not "${value}"`;
}
