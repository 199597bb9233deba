import stringWidth from "string-width";

type Row = Record<string, unknown>;

/** Prints rows as a table for people, or as one JSON array for programs. */
export function printRows(rows: Row[], options: { json?: boolean | undefined; empty: string }): void {
  if (options.json) console.log(JSON.stringify(rows));
  else if (rows.length === 0) console.log(options.empty);
  else console.log(table(rows));
}

/** What a table for people leaves out first where it would be wider than `width`. */
export type Narrow = { width: number; lessWanted: readonly string[] };

const narrowest = 8;

/**
 * Prints rows as a table that fits: rules by their bare names, no empty columns, what all rows have in common
 * in a line above, then without what is wanted less, and what is still too long cut. `wide`: as it is.
 */
export function printFitting(
  rows: Row[],
  { wide, ...options }: { json?: boolean | undefined; wide?: boolean | undefined; empty: string },
  narrow: Narrow,
): void {
  if (options.json || wide || rows.length === 0) printRows(rows, options);
  else console.log(fitting(rows, narrow));
}

/** What `printFitting` prints. */
export function fitting(rows: Row[], { width, lessWanted }: Narrow): string {
  let lines = rows.map(withRuleNames);
  const names = () => Object.keys(lines[0] ?? {});
  const drop = (gone: readonly string[]) => {
    lines = lines.map((row) =>
      Object.fromEntries(Object.entries(row).filter(([name]) => !gone.includes(name))),
    );
  };
  const widthOf = () =>
    Math.max(
      ...table(lines)
        .split("\n")
        .map((line) => stringWidth(line)),
    );
  const isTooWide = () => widthOf() > width;
  drop(names().filter((name) => lines.every((row) => cell(row[name]) === "")));
  const shared: string[] = [];
  let left: string[] = [];
  if (isTooWide() && lines.length > 1) {
    const same = names().filter((name) => new Set(lines.map((row) => cell(row[name]))).size === 1);
    if (same.length < names().length) {
      shared.push(...same.map((name) => `${name.replaceAll("_", " ")}: ${cell(lines[0]?.[name])}`));
      drop(same);
    }
  }
  for (const name of lessWanted) {
    if (!isTooWide()) break;
    if (!names().includes(name) || names().length === 1) continue;
    drop([name]);
    left = [...left, name.replaceAll("_", " ")];
  }
  let isCut = false;
  for (let most = width; isTooWide() && most >= narrowest; most = Math.floor(most * 0.85)) {
    isCut = true;
    lines = lines.map((row) =>
      Object.fromEntries(Object.entries(row).map(([name, value]) => [name, shortened(cell(value), most)])),
    );
  }
  const notes = [left.length > 0 ? `without ${left.join(", ")}` : "", isCut ? "cut" : ""].filter(Boolean);
  return [
    ...wrapped(shared, width),
    table(lines),
    ...(notes.length > 0 ? [`(${notes.join("; ")}; --wide shows all)`] : []),
  ].join("\n");
}

/** Parts in as few lines as they fit into. */
function wrapped(parts: string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last !== undefined && stringWidth(last) + 2 + stringWidth(part) <= width)
      lines[lines.length - 1] = `${last}; ${part}`;
    else lines.push(shortened(part, width));
  }
  return lines.length > 0 ? [...lines, ""] : [];
}

/** `a.b.x.report` is x to people, who find its path with --wide. */
function withRuleNames(row: Row): Row {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) =>
      name === "component"
        ? [
            "rule",
            String(value ?? "")
              .replace(/\.(report|recommendation)$/, "")
              .replace(/^.*\./, ""),
          ]
        : [name, value],
    ),
  );
}

function shortened(text: string, most: number): string {
  if (stringWidth(text) <= most) return text;
  let short = "";
  for (const sign of text) {
    if (stringWidth(short + sign) > most - 1) break;
    short += sign;
  }
  return `${short}…`;
}

/** Columns as wide, on a terminal, as their widest value; the last one is not padded. */
export function table(rows: Row[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [
    columns.map((name) => name.replaceAll("_", " ")),
    ...rows.map((row) => columns.map((name) => (name === "bytes" ? size(row[name]) : cell(row[name])))),
  ];
  const widths = columns.map((_, nth) => Math.max(...lines.map((line) => stringWidth(line[nth] ?? ""))));
  return lines
    .map((line) =>
      line
        .map((text, nth) => text + " ".repeat((widths[nth] ?? 0) - stringWidth(text)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Bytes as people read them: 16384 is 16 kB. Programs get the number, with --json. */
function size(bytes: unknown): string {
  if (bytes === null || bytes === undefined) return "";
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let [amount, unit] = [Number(bytes), 0];
  while (amount >= 1024 && unit < units.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${amount < 10 && unit > 0 ? Math.round(amount * 10) / 10 : Math.round(amount)} ${units[unit]}`;
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (Array.isArray(value)) return visible(value.join(", "));
  if (typeof value === "object") return visible(JSON.stringify(value));
  // a time to the second is enough for people
  return visible(String(value).replace(/^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z$/, "$1Z"));
}

/**
 * Text of others as it may stand on a terminal: what would move the cursor, colour, or turn the writing round
 * is written as \u{…}. `kept` names control characters that may stay.
 */
export function visible(text: string, kept = ""): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (sign) =>
    kept.includes(sign) ? sign : `\\u{${sign.codePointAt(0)?.toString(16)}}`,
  );
}
