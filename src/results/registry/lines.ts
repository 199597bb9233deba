import { ConfigurationError } from "../../errors.ts";

/** A million clusters have about 80 MB. */
export const maxRegistryBytes = 128 * 1024 * 1024;

const columns = ["cluster", "org_id", "display_name", "managed", "status"] as const;
const needed = ["cluster", "org_id"] as const;
type Column = (typeof columns)[number];

/** A line that names a cluster, in the words of the file; `problem`: why it cannot even be read. */
export type RegistryLine = { line: number; problem?: string } & Partial<Record<Column, string>>;

/**
 * The lines of a CSV file (RFC 4180, UTF-8, commas) behind its header, which names the columns in any order.
 * A line break never belongs to a field: a quote that somebody forgot spoils its own line, and not the rest
 * of the file. Whether the values make sense is SQL's to say.
 *
 * @throws ConfigurationError for what is no such file at all
 */
export function registryLines(bytes: Uint8Array): Iterable<RegistryLine> {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ConfigurationError("is not UTF-8", { cause });
  }
  const { value: first, done } = physicalLines(text).next();
  const header = done ? undefined : fieldsOf(first.text);
  if (!Array.isArray(header)) throw new ConfigurationError(`has no header: ${columns.join(",")}`);
  const names = header.map((name) => name.toLowerCase());
  const unknown = names.filter((name) => !columns.some((column) => column === name));
  const missing = needed.filter((name) => !names.includes(name));
  if (unknown.length > 0 || missing.length > 0 || new Set(names).size < names.length)
    throw new ConfigurationError(
      `has to begin with a header of ${columns.join(", ")}, each at most once; ${needed.join(" and ")} ` +
        `are needed`,
    );
  return linesBelow(text, names as Column[]);
}

function* linesBelow(text: string, names: Column[]): Generator<RegistryLine> {
  let isHeader = true;
  for (const { line, text: written } of physicalLines(text)) {
    if (isHeader) isHeader = false;
    else {
      const fields = fieldsOf(written);
      if (typeof fields === "string") yield { line, problem: fields };
      else if (fields.length !== names.length)
        yield { line, problem: `has ${fields.length} fields, where the header has ${names.length}` };
      else yield Object.assign({ line }, ...fields.map((field, nth) => ({ [names[nth] ?? ""]: field })));
    }
  }
}

/** What is not empty, with its number in the file, from 1. */
function* physicalLines(text: string): Generator<{ line: number; text: string }> {
  const ends = /\r\n|\r|\n|$/g;
  let line = 1;
  for (let from = 0; from <= text.length; line++) {
    ends.lastIndex = from;
    const end = ends.exec(text);
    const written = text.slice(from, end?.index);
    if (written.trim() !== "") yield { line, text: written };
    from = (end?.index ?? text.length) + (end?.[0].length || 1);
  }
}

/** The fields of a line, without blanks around them; or what is wrong with it. */
function fieldsOf(line: string): string[] | string {
  if (line.includes("\0")) return "holds a character that cannot be stored";
  if (!line.includes('"')) return line.split(",").map((field) => field.trim());
  const fields: string[] = [];
  for (let from = 0; from <= line.length; ) {
    const plain = /[^",]*(?=,|$)/y;
    const quoted = /\s*"((?:[^"]|"")*)"\s*(?=,|$)/y;
    plain.lastIndex = quoted.lastIndex = from;
    const found = plain.exec(line) ?? quoted.exec(line);
    if (!found) return "a quote is not closed, not doubled, or does not begin its field";
    fields.push(found[1]?.replaceAll('""', '"') ?? found[0].trim());
    from += found[0].length + 1;
  }
  return fields;
}
