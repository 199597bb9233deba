import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, addReport, loadContent, someContent, value } from "../support/builders.ts";
import { runCcx } from "../support/command.ts";
import { openDatabase, testDatabase } from "../support/database.ts";

const database = testDatabase();
const ccx = (...args: string[]) => runCcx(["retention", ...args], { DATABASE_URL: database.url });

test("ccx retention shows what is past, drops it, and then has nothing to do", async () => {
  await database.pool.query(
    "select ensure_partition('new_reports', (now() at time zone 'UTC')::date - 20), ensure_partitions()",
  );
  const shown = await ccx("show");
  assert.deepEqual([shown.code, shown.stderr], [0, ""]);
  assert.match(shown.stdout, /^parent +name +day +is attached +rows +bytes +is past +held by +drop at$/m);
  const past = JSON.parse((await ccx("show", "--json")).stdout).filter(
    (row: { is_past: boolean }) => row.is_past,
  );
  assert.equal(past.length, 1);

  const preview = await ccx("apply", "--dry-run");
  assert.match(preview.stdout, new RegExp(`^drop +${past[0].name} `, "m"));

  const done = await ccx("apply");
  assert.deepEqual([done.code, done.stderr], [0, ""]);
  assert.match(
    done.stdout,
    new RegExp(`^detached +${past[0].name} .*\ndropped +${past[0].name}_detached `, "m"),
  );
  const nothing = await ccx("apply");
  assert.deepEqual([nothing.code, nothing.stdout], [3, "Nothing is past.\n"]);
});

test("ccx storm list ends with 3 when no storm goes on, ccx storm drop with 1 then", async () => {
  const { code, stdout } = await runCcx(["storm", "list"], { DATABASE_URL: database.url });
  assert.deepEqual([code, stdout], [3, "No storm.\n"]);
  const none = await runCcx(["storm", "drop", "1", "--reason", "wrong rule"], { DATABASE_URL: database.url });
  assert.deepEqual([none.code, none.stderr], [1, "ccx: there is no storm 1 that goes on\n"]);
});

test("ccx status shows on one screen what may be stuck, and ends with 3 while something is", async () => {
  const status = async () => {
    const { code, stdout } = await runCcx(["status", "--json"], { DATABASE_URL: database.url });
    const rows: { what: string; target: string | null; state: string; amount: string }[] = JSON.parse(stdout);
    return { code, attention: rows.filter(({ state }) => state !== "ok").map(({ what }) => what) };
  };
  assert.deepEqual(await status(), { code: 3, attention: ["consumer", "workers"] });
  await database.pool.query("insert into consumer_offset values ('results', 0, 5)");
  await database.pool.query("select ccx.heartbeat('lives', 'host', 1, '{work}', '1.0')");
  assert.deepEqual(await status(), { code: 0, attention: [] });
  const attention = async () =>
    (await database.pool.query("select what from status where state <> 'ok'")).rows.map(({ what }) => what);
  await database.pool.query("insert into decision_due values (1, 'c', now() - interval '6 minutes')");
  await database.pool.query(
    `insert into notification (target_id, org_id, account_number, cluster, updated_at, decided_at, next_attempt_at, state, ended_at, failure)
     values (1, 1, 0, 'c', now(), now() - interval '16 minutes', now(), 'pending', null, null),
       (2, 1, 0, 'c', now(), now(), now(), 'dead', now(), 'client')`,
  );
  await database.pool.query("update circuit set opened_at = now(), retry_at = now() where target_id = 2");
  await database.pool.query("update worker set seen_at = now() - interval '91 seconds'");
  assert.deepEqual(await attention(), [
    ...["workers", "decisions waiting", "messages waiting", "messages dead", "circuit"],
  ]);
});

test("what lets much go or holds much asks first: the end of a silence or a policy, a shorter retention", async () => {
  await using own = await openDatabase();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await runCcx(args, { DATABASE_URL: own.url });
    return { code, stdout, said: stderr };
  };
  const now = String(await value(own.pool, "select now()"));
  await loadContent(own.pool, [someContent("disk", { impact: 2, likelihood: 2 })]);
  for (let n = 0; n < 12; n++) await addReport(own.pool, aCluster(), now, ["disk"]);

  const added = await run(
    "silence",
    "add",
    "--rule",
    "disk",
    "--for",
    "1 day",
    "--reason",
    "for the test",
    "--yes",
  );
  assert.equal(added.code, 0);
  const held = await run("silence", "end", "1");
  assert.deepEqual([held.code, held.stdout], [1, ""]);
  assert.match(held.said, /^ccx: this silence held 12 of 12 open issues\nccx: The silence goes on\. --yes /);
  assert.equal(await value(own.pool, "select state from silences"), "active");
  assert.equal((await run("silence", "end", "1", "--yes")).code, 0);
  assert.equal(await value(own.pool, "select state from silences"), "expired");

  const target = ["--target", "notifications backend", "--rule", "disk", "--reason", "for the test"];
  assert.equal((await run("policy", "set", "total_risk_threshold=4", ...target, "--yes")).code, 0);
  const end = await run("policy", "end", ...target);
  assert.deepEqual([end.code, end.stdout], [1, ""]);
  assert.match(
    end.said,
    /of 12 open issues this holds 0 and releases 12\nccx: Nothing was changed: 12 open issues/,
  );
  assert.equal((await run("policy", "end", ...target, "--yes")).code, 0);

  const planned = await value(
    own.pool,
    "select id from set_policy('notifications backend', '{\"enabled\": false}', 'planned', now() + interval '1 day')",
  );
  const back = ["policy", "withdraw", String(planned), "--reason", "no longer wanted"];
  const asked = await run(...back);
  assert.equal(asked.code, 1);
  assert.match(asked.said, /Nothing was changed: 12 open issues are concerned/);
  assert.equal((await run(...back, "--yes")).code, 0);
  assert.equal((await run(...back, "--yes")).code, 1, "there is none any more");

  await own.pool.query(
    "select ensure_partition('reported', (now() at time zone 'UTC')::date - 10); select set_retention('reported', '12 days')",
  );
  const shorter = await run("retention", "set", "reported", "8 days");
  assert.deepEqual([shorter.code, shorter.stdout], [1, ""]);
  assert.match(
    shorter.said,
    /^ccx: by that 1 days and 0 rows of reported are past.*\nccx: Nothing was changed\./,
  );
  assert.equal(await value(own.pool, "select keep from retention where parent = 'reported'"), "12 days");
  const done = await run("retention", "set", "reported", "8 days", "--yes");
  assert.deepEqual([done.code, done.stdout], [0, "reported keeps its rows for 8 days.\n"]);
  const same = await run("retention", "set", "reported", "8 days");
  assert.deepEqual([same.code, same.said], [0, ""], "nothing more goes by that");
  assert.equal((await run("retention", "set", "reported", "1 hour")).code, 1);
});
