import stringWidth from "string-width";

type Row = Record<string, unknown>;

/** Prints rows as a table for people, or as one JSON array for programs. */
export function printRows(rows: Row[], options: { json?: boolean | undefined; empty: string }): void {
  if (options.json) console.log(JSON.stringify(rows));
  else if (rows.length === 0) console.log(options.empty);
  else console.log(table(rows));
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
