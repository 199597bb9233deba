import assert from "node:assert/strict";
import { glob, readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

const root = path.join(import.meta.dirname, "../..");

/** Every `raise exception` of sql/, with the SQLSTATE that it has. */
async function raised(): Promise<{ file: string; code: string | undefined }[]> {
  const files = await Array.fromAsync(glob("{sql/*,fleet}/*.sql", { cwd: root }));
  const found = await Promise.all(
    files.sort().map(async (file) => {
      const text = (await readFile(path.join(root, file), "utf8")).replaceAll(
        /(?<=^|\s)--(?: [^\n]*)?$/gm,
        "",
      );
      return [...text.matchAll(/raise exception (?:'(?:[^']|'')*'|[^;'])*;/g)].map(([statement]) => ({
        file,
        code: /errcode = '(\w+)'/.exec(statement)?.[1],
      }));
    }),
  );
  return found.flat();
}

test("every refusal has a SQLSTATE of its own class, or is what a type or a constraint would refuse", async () => {
  const others = (await raised()).filter(({ code }) => !/^NT[A-Z][0-9]{2}$/.test(code ?? ""));
  assert.deepEqual(others, [
    { file: "sql/ingest/store_reports.sql", code: "invalid_text_representation" },
    { file: "sql/issues/tg_new_reports__issues.sql", code: "check_violation" },
    // in place of foreign keys
    { file: "sql/ledger/tg_notified_issue__referred.sql", code: "foreign_key_violation" },
    { file: "sql/ledger/tg_notified_issue__refers.sql", code: "foreign_key_violation" },
  ]);
});

test("docs/reference/errors.md lists every SQLSTATE of ours, and no other", async () => {
  const page = await readFile(path.join(root, "docs/reference/errors.md"), "utf8");
  const listed = [...page.matchAll(/^\| `(NT\w+)` \|/gm)].map(([, code]) => code);
  const codes = new Set((await raised()).map(({ code }) => code).filter((code) => code?.startsWith("NT")));
  assert.deepEqual(listed, [...codes].sort());
});
