import assert from "node:assert/strict";
import { test } from "node:test";
import { runCcx } from "../support/command.ts";
import { testDatabase } from "../support/database.ts";

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
