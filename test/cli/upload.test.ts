import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { assertGivesUp } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";
import { shellOn } from "../support/shell.ts";

const database = testDatabase();
const ccx = shellOn(database);
const cluster = "00000000-0000-4000-8000-00000000000a";

/** Uploads of organization 1, an hour apart, the last one a minute ago; all say the same. */
beforeEach(async () => {
  await database.pool.query("truncate archive, archive_chunk, upload_message, analysis cascade");
  await database.pool.query(
    `select accept_upload(jsonb_build_object(
        'request_id', id, 'org_id', org, 'account_number', '', 'principal', org, 'cluster', $1::text,
        'service', 'openshift', 'category', 'periodic', 'content_type', 'x', 'size', 5,
        'sha256', encode(sha256('12345'), 'hex'), 'store', 'database', 'object_key', id, 'b64_identity', '',
        'received_at', now() - ago), '12345', now() - ago)
     from (values ('first', '1', interval '2 hours'), ('second', '1', '1 hour'), ('other', '2', '1 minute'))
       u (id, org, ago)`,
    [cluster],
  );
});

const ids = (rows: Record<string, unknown>[]) => rows.map(({ request_id }) => request_id);

test("uploads are listed, the newest first, and narrowed", async () => {
  assert.deepEqual(ids((await ccx.json("upload", "list")).printed), ["other", "second", "first"]);
  await database.pool.query("select note_payload_status('second', 'p', 'error', 'truncated: it ends')");
  for (const [args, expected] of [
    [
      ["--org", "1"],
      ["second", "first"],
    ],
    [["--cluster", cluster.toUpperCase(), "--limit", "1"], ["other"]],
    [["--state", "failed"], ["second"]],
    [["--since", "2999-01-01"], []],
    [["--org", "3"], []],
  ] as const) {
    const { code, printed } = await ccx.json("upload", "list", ...args);
    assert.deepEqual([code, ids(printed)], [expected.length > 0 ? 0 : 3, expected], args.join(" "));
  }
  const lines = await ccx.lines("upload", "list", "--state", "failed");
  assert.ok(lines.some((line) => line.includes("truncated: it ends")));
  assert.ok(lines.every((line) => line.length <= 120));
  assertGivesUp(await ccx("upload", "list", "--limit", "0"), /^ccx: --limit has to be a whole number/);
});

test("one upload is shown with all that was said about it", async () => {
  const { printed } = await ccx.json("upload", "show", "first");
  const one = printed as unknown as Record<string, unknown> & { said: Record<string, unknown>[] };
  assert.deepEqual([one.state, one.org_id, one.is_kept], ["stored", "1", true]);
  assert.deepEqual(
    one.said.map(({ service, status }) => [service, status]),
    [["ingress", "received"]],
  );
  const lines = await ccx.lines("upload", "show", "first");
  assert.ok(
    lines.some((line) => /^state +stored$/.test(line)),
    lines.join("\n"),
  );
  assert.ok(lines.some((line) => line.includes("Payload received by ingress")));
  assert.deepEqual(await ccx.json("upload", "show", "nobody"), { code: 3, printed: null as never });
});

test("kept contents are listed, with those that are the same", async () => {
  await database.pool.query("update archive set removed_at = now() where request_id = 'other'");
  const { printed } = await ccx.json("upload", "archives");
  assert.deepEqual(
    printed.map(({ request_id, same_as, duplicates }) => [request_id, same_as, duplicates]),
    [
      ["second", "first", "0"],
      ["first", null, "1"],
    ],
  );
  assert.equal((await ccx.json("upload", "archives", "--org", "2")).code, 3);
});

test("what was given up is announced again, one or all, and nothing by accident", async () => {
  const giveUp = () =>
    database.pool.query(
      "update upload_message set due_at = null, died_at = now() where kind = 'announcement'",
    );
  const due = async () =>
    ids(
      (
        await database.pool.query(
          "select request_id from upload_message where kind = 'announcement' and due_at is not null order by 1",
        )
      ).rows,
    );
  await giveUp();
  assert.deepEqual(await ccx.json("upload", "redrive", "first"), { code: 0, printed: [{ redriven: 1 }] });
  assert.deepEqual(await due(), ["first"]);
  assert.equal((await ccx.json("upload", "redrive", "first")).code, 3, "it is no longer given up");
  for (const args of [[], ["first", "--all"]])
    assertGivesUp(await ccx("upload", "redrive", ...args), /^ccx: Name the request id, or say --all/);
  await giveUp();
  assert.notEqual((await ccx("upload", "redrive", "--all")).code, 0, "nobody said --yes");
  assert.deepEqual(await due(), []);
  await ccx.json("upload", "redrive", "--all", "--yes");
  assert.deepEqual(await due(), ["first", "other", "second"]);
});

test("limits are shown, changed one by one, and not below what is kept without asking", async () => {
  await database.pool.query("select set_archive_limits('2 days')");
  const limits = async (...args: string[]) => {
    const { code, printed } = await ccx.json("upload", "limits", ...args);
    const [row, ...others] = printed;
    assert.deepEqual([code, others], [0, []], args.join(" "));
    const { changed_by, changed_at, ...rest } = row as Record<string, unknown>;
    assert.match(`${changed_by} ${changed_at}`, /^\w+ \d{4}-/);
    return rest;
  };
  const now = { kept_archives: "3", kept_bytes: "15", past_archives: 0, past_bytes: 0 };
  assert.deepEqual(await limits(), { keep: "2 days", max_bytes: null, ...now });
  assert.deepEqual(await limits("--max-bytes", "2GiB"), {
    ...{ keep: "2 days", max_bytes: String(2 * 1024 ** 3), ...now },
  });
  assert.deepEqual(await limits("--keep", "8 days"), {
    ...{ keep: "8 days", max_bytes: String(2 * 1024 ** 3), ...now },
  });
  assert.deepEqual(await limits("--keep", "90 minutes", "--max-bytes", "none", "--yes"), {
    ...{ keep: "01:30:00", max_bytes: null, ...now },
  });
  const set = { keep: "01:30:00", max_bytes: null };

  for (const [args, why] of [
    [["--keep", "59 minutes"], /^ccx: archives are kept for 1 hour to 100 years, not 00:59:00$/m],
    [["--keep", "for ever"], /^ccx: .*interval.*for ever/m],
    [["--max-bytes", "0"], /^ccx: the most bytes of archives that are kept have to be more than 0, not 0$/m],
    [["--max-bytes", "9999999TiB"], /^ccx: --max-bytes has to be a number of bytes/],
    [["--max-bytes", "ten"], /^ccx: --max-bytes has to be a number of bytes/],
    [["--max-bytes", "-1"], /^ccx: --max-bytes has to be a number of bytes/],
    [["--max-bytes", "1.5GiB"], /^ccx: --max-bytes has to be a number of bytes/],
    [["--max-bytes", ""], /^ccx: --max-bytes has to be a number of bytes/],
  ] as const) {
    assertGivesUp(await ccx("upload", "limits", ...args), why);
    assert.deepEqual(await limits(), { ...set, ...now });
  }

  // what is announced may go: the first is two hours old, and nine bytes are no room for two of five
  await database.pool.query("update upload_message set due_at = null, sent_at = now()");
  const due = { ...now, past_archives: 1, past_bytes: 5 };
  assert.deepEqual(await limits(), { ...set, ...due });
  await database.pool.query("select set_archive_limits('1 day')");
  for (const args of [
    ["--keep", "90 minutes"],
    ["--max-bytes", "9"],
  ]) {
    const { code, stderr } = await ccx("upload", "limits", ...args);
    assert.equal(code, 1);
    assert.match(stderr, /^ccx: Nothing was changed\. --yes says that it is meant\.$/m, args.join(" "));
    assert.deepEqual(await limits(), { keep: "1 day", max_bytes: null, ...now });
  }
  assert.deepEqual(await limits("--max-bytes", "9", "--yes"), {
    ...{ keep: "1 day", max_bytes: "9", ...now, past_archives: 2, past_bytes: 10 },
  });
  assert.deepEqual((await limits("--max-bytes", "none")).past_archives, 0, "to keep more asks nobody");
});
