import assert from "node:assert/strict";
import { before, beforeEach, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { retryRejected } from "../../src/ingest/retry.ts";
import { aRejected, ingest, type Row, value } from "../support/builders.ts";
import { assertGivesUp } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { cells, shellOn } from "../support/shell.ts";

const database = testDatabase();
const ccx = shellOn(database);
const at = "2026-03-01T12:00:00Z";
const base64 = (bytes: string | Buffer) => Buffer.from(bytes).toString("base64");
const binary = Buffer.concat([Buffer.from("{\xff\x00", "latin1"), Buffer.alloc(2_000, 7)]);
const hostile = `{"a": "\u001b[2J\u202e"}`;

const messages: Row[] = [
  {
    ...aRejected(0, "not_json"),
    value: base64(hostile),
    key: base64("k"),
    headers: { h: [base64("v"), null] },
  },
  { ...aRejected(1, "invalid_utf8"), value: base64(binary), org_id: 7, cluster: aCluster() },
  { ...aRejected(2, "tombstone"), detail: "bad \u001b[31mcolour\nand line" },
  { ...aRejected(3, "not_storable"), value: base64(gzipSync(aReport(aCluster(), ["bug"]))) },
];

const reset = async () => {
  await database.pool.query("truncate rejected_message, new_reports, consumer_offset restart identity");
  await ingest(database.pool, messages, { at });
};

describe("looking at rejected messages", () => {
  before(reset);

  test("list shows the newest first, narrowed as asked, and ends with code 3 when there is none", async () => {
    const [head, ...lines] = await ccx.lines("rejected", "list");
    assert.match(
      head ?? "",
      /^id +position +received at +reason +org id +cluster +bytes +attempts +stored at +detail$/,
    );
    assert.equal(lines.length, 4, "a line break in a text is no line");
    assert.deepEqual(cells(lines[1]).slice(0, 4), ["3", "results/0/2", "2026-03-01T12:00:00Z", "tombstone"]);
    assert.match(lines[1] ?? "", /bad \\u\{1b\}\[31mcolour\\u\{a\}and line$/);
    const ids = async (...args: string[]) =>
      (await ccx.json("rejected", "list", ...args)).printed.map(({ id }) => id);
    assert.deepEqual(await ids("--org", "7"), ["2"]);
    assert.deepEqual(await ids("--reason", "tombstone"), ["3"]);
    assert.deepEqual(await ids("--limit", "2"), ["4", "3"]);
    assert.deepEqual(await ids("--since", "2026-03-01T12:00:00Z", "--topic", "results"), [
      "4",
      "3",
      "2",
      "1",
    ]);
    const none = await ccx("rejected", "list", "--until", at);
    assert.deepEqual([none.code, none.stdout], [3, "Nothing is rejected.\n"]);
    for (const limit of ["0", "-1", "x"])
      assertGivesUp(
        await ccx("rejected", "list", `--limit=${limit}`),
        /^ccx: --limit has to be a whole number/,
      );
  });

  test("show prints what a person can read, and nothing that steers the terminal", async () => {
    const text = (await ccx("rejected", "show", "results/0/0")).stdout;
    assert.match(text, /^position +results\/0\/0$/m);
    assert.match(text, /^detail +it is$/m);
    assert.match(
      text,
      /^key +k\nheader h +v\nheader h +none\n\n\d+ bytes of text:\n\{"a": "\\u\{1b\}\[2J\\u\{202e\}"\}$/m,
    );
    const dumped = (await ccx("rejected", "show", "2")).stdout;
    assert.match(dumped, /^2003 bytes, not text:\n00000000 {2}7b ff 00( 07){13} {2}\{\.{15}$/m);
    assert.match(dumped, /^… 979 bytes more: --raw writes them all$/m);
    assert.match((await ccx("rejected", "show", "3")).stdout, /^No value \(a tombstone\)\.$/m);
    const inflated = (await ccx("rejected", "show", "results/0/3")).stdout;
    assert.match(inflated, /^\d+ bytes of gzip, which hold this text:\n\{"OrgID":/m);
  });

  test("show --json has the bytes in base64, and as text where they are", async () => {
    const shown = async (place: string) =>
      (await ccx.json("rejected", "show", place)).printed as unknown as Row;
    const first = await shown("1");
    assert.deepEqual(first.value, { base64: base64(hostile), text: hostile });
    assert.deepEqual(first.headers, [{ name: "h", values: [{ base64: "dg==", text: "v" }, null] }]);
    assert.deepEqual((await shown("2")).value, { base64: base64(binary), text: null });
    assert.equal((await shown("3")).value, null);
  });

  test("show --raw writes the bytes exactly", async () => {
    const { stdout } = await ccx("rejected", "show", "1", "--raw");
    assert.equal(stdout, hostile);
    // what is not UTF-8 does not survive a text: compare what it becomes
    assert.equal((await ccx("rejected", "show", "2", "--raw")).stdout, binary.toString("utf8"));
    assertGivesUp(
      await ccx("rejected", "show", "3", "--raw"),
      /^ccx: The message has no value: it is a tombstone\.$/,
    );
  });

  test("what is not there is code 3, what is no place is refused", async () => {
    for (const place of ["results/0/99", "99", "other/0/0"])
      assert.equal((await ccx("rejected", "show", place)).code, 3);
    for (const place of ["results", "results/0", "results/0/-1", "'; drop table rejected_message; --"])
      assertGivesUp(
        await ccx("rejected", "show", place),
        /^ccx: ".*" is neither TOPIC\/PARTITION\/OFFSET nor the id/,
      );
    assertGivesUp(await ccx("rejected", "show", "9".repeat(30)), /^ccx: .*out of range/);
  });
});

describe("trying again", () => {
  beforeEach(reset);

  test("a named message is tried without a question", async () => {
    const { printed } = await ccx.json("rejected", "retry", "results/0/3", "1");
    assert.deepEqual(printed, { stored: 1, replaced: 0, unchanged: 0, rejected: 1, done_already: 0 });
    const { printed: rest } = await ccx.json("rejected", "list");
    assert.deepEqual(
      rest.map(({ id, attempts }) => [id, attempts]),
      [
        ["3", 1],
        ["2", 1],
        ["1", 2],
      ],
    );
    const { printed: all } = await ccx.json("rejected", "list", "--all");
    assert.equal(all.length, 4, "what was stored stays on record");
    assert.ok(all[0]?.stored_at);
    const again = await ccx("rejected", "retry", "results/0/3");
    assert.deepEqual([again.code, again.stdout], [3, "There is nothing to try again.\n"]);
  });

  test("a stretch of them is tried when that is confirmed, and says how many first", async () => {
    const asked = await ccx("rejected", "retry", "--reason", "not_storable");
    assertGivesUp(asked, /^reason +messages$/, /^not_storable +1$/, /^ccx: Nothing was tried\. --yes says/);
    assert.equal(await value(database.pool, "select count(*)::integer from new_reports"), 0);
    const done = await ccx.lines("rejected", "retry", "--reason", "not_storable", "--yes");
    assert.deepEqual(done, ["1 stored, 0 replaced, 0 unchanged, 0 still rejected"]);
    assert.deepEqual(await ccx.lines("rejected", "retry", "--all", "--yes"), [
      "0 stored, 0 replaced, 0 unchanged, 3 still rejected",
    ]);
  });

  test("what is meant has to be said, and --all goes with nothing else", async () => {
    const refusal = /^ccx: Name messages or narrow them \(--reason, …\), or say --all\.$/;
    assertGivesUp(await ccx("rejected", "retry", "--yes"), refusal);
    assertGivesUp(await ccx("rejected", "retry", "--all", "--reason", "empty"), refusal);
  });

  test("two retries at once store each message once", async () => {
    const both = await Promise.all([retryRejected(database.pool, {}), retryRejected(database.pool, {})]);
    assert.equal(
      both.reduce((sum, { stored, unchanged }) => sum + stored + unchanged, 0),
      1,
    );
  });
});
