import type pg from "pg";

/**
 * A query of a page, and what the page says it prints; `start` and `end` are where that stands in the text.
 */
export type Example = { title: string; sql: string; printed: string; start: number; end: number };

/** The examples of a Markdown page: under each `##`, a block of sql and right after it a block of text. */
export function examplesOf(page: string): Example[] {
  const pattern = /^## (.+)$(?:(?!^## )[\s\S])*?^```sql\n([\s\S]*?)^```\n+^```text\n([\s\S]*?)^```$/gm;
  return [...page.matchAll(pattern)].map(([whole, title = "", sql = "", printed = ""], nth, all) => {
    const end = (all[nth]?.index ?? 0) + whole.length - "```".length;
    return { title, sql, printed, start: end - printed.length, end };
  });
}

/** What psql would print (UTC) for the last result of these statements that has columns. */
export async function printedBy(client: pg.Client, sql: string): Promise<string> {
  const asText = { getTypeParser: () => (text: string) => text };
  await client.query("set timezone = 'UTC'; set datestyle = 'ISO'; set intervalstyle = 'postgres'");
  const answer = await client.query({ text: sql, types: asText as never, rowMode: "array" });
  const last = [answer].flat().findLast(({ fields }) => fields?.length > 0);
  if (!last) throw new Error("none of these statements prints anything");
  return aligned(last as unknown as pg.QueryArrayResult<(string | null)[]>);
}

const numeric = new Set([20, 21, 23, 26, 700, 701, 1700]);

/** psql's aligned format, without the blanks at the ends of lines. */
function aligned({ fields, rows }: pg.QueryArrayResult<(string | null)[]>): string {
  const widths = fields.map(({ name }, nth) =>
    Math.max(name.length, ...rows.map((row) => row[nth]?.length ?? 0)),
  );
  const line = (texts: string[]) => ` ${texts.join(" | ")}`.trimEnd();
  const centred = fields.map(({ name }, nth) => {
    const free = (widths[nth] ?? 0) - name.length;
    return " ".repeat(free >> 1) + name + " ".repeat(free - (free >> 1));
  });
  const cells = rows.map((row) =>
    fields.map(({ dataTypeID }, nth) => {
      const text = row[nth] ?? "";
      const width = widths[nth] ?? 0;
      return numeric.has(dataTypeID) ? text.padStart(width) : text.padEnd(width);
    }),
  );
  return [
    line(centred),
    widths.map((width) => "-".repeat(width + 2)).join("+"),
    ...cells.map(line),
    `(${rows.length} row${rows.length === 1 ? "" : "s"})`,
    "",
  ].join("\n");
}
