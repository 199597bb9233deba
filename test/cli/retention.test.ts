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
