import assert from "node:assert/strict";
import { test } from "node:test";
import { pino } from "pino";
import { loadCode } from "../../src/db/load_code.ts";
import { rows, value } from "../support/builders.ts";
import { changed, code } from "../support/code.ts";
import { openDatabase } from "../support/database.ts";
import { waitsForLock } from "../support/sessions.ts";
import { until } from "../support/until.ts";

/** A log whose lines can be waited for. */
function notedLog() {
  const lines: string[] = [];
  const log = pino({ level: "info" }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
  return { log, lines };
}

const again = "the database is busy, loading is tried again";
const noise = "view public.noise";
const newNoise = changed(code, noise, (sql) => `${sql}\n-- changed`);

test("a session that reads a view delays the load, which goes on as soon as it can", async () => {
  await using database = await openDatabase();
  const [reader, loader] = [await database.pool.connect(), await database.pool.connect()];
  const { log, lines } = notedLog();
  await reader.query("begin; select from noise");
  const loading = loadCode(loader, log, newNoise);
  await waitsForLock(database.pool, loader, loading);
  await reader.query("commit");
  assert.deepEqual(await loading, { loaded: [noise], dropped: [] });
  assert.deepEqual(lines, []);
  for (const client of [reader, loader]) client.release();
});

test("when a lock cannot be had in time, everything is let go and tried again", async () => {
  await using database = await openDatabase();
  const [reader, loader] = [await database.pool.connect(), await database.pool.connect()];
  const { log, lines } = notedLog();
  await reader.query("begin; select from noise");
  const loading = loadCode(loader, log, newNoise);
  await until("it is tried again", () => lines.includes(again));
  assert.equal(
    await value(database.pool, "select hash from ccx.code_object where name = $1", [noise]),
    code.find(({ name }) => name === noise)?.hash,
  );
  await reader.query("commit");
  assert.deepEqual(await loading, { loaded: [noise], dropped: [] });
  for (const client of [reader, loader]) client.release();
});

for (const [sqlstate, message] of [
  ["40P01", "deadlock detected"],
  ["55P03", "canceling statement due to lock timeout"],
  ["XX000", "tuple concurrently updated"],
  ["XX000", "cache lookup failed for function 4711"],
] as const)
  test(`“${message}” is tried again`, async () => {
    await using database = await openDatabase();
    const client = await database.pool.connect();
    // fails the first time that the view is replaced; a sequence does not go back with the transaction
    await database.pool.query(`
      create sequence tries;
      create function fail_once() returns event_trigger language plpgsql as $$
      begin
        if nextval('tries') = 1 then
          raise exception using errcode = '${sqlstate}', message = '${message}';
        end if;
      end $$;
      create event trigger fail_once on ddl_command_end when tag in ('CREATE VIEW') execute function fail_once()`);
    const { log, lines } = notedLog();
    assert.deepEqual(await loadCode(client, log, newNoise), { loaded: [noise], dropped: [] });
    assert.deepEqual(lines, [again]);
    assert.equal(await value(database.pool, "select last_value from tries"), "2");
    client.release();
  });

test("two loads that meet wait for each other, even when they change different objects", async () => {
  await using database = await openDatabase();
  const [first, second] = [await database.pool.connect(), await database.pool.connect()];
  const { log } = notedLog();
  const other = changed(newNoise, "view public.drift", (sql) => `${sql}\n-- changed`);
  const loads = await Promise.all([loadCode(first, log, other), loadCode(second, log, other)]);
  assert.deepEqual(loads.map(({ loaded }) => loaded.length).toSorted(), [0, 2]);
  assert.equal((await rows(database.pool, "select from ccx.code_load")).length, 2);
  for (const client of [first, second]) client.release();
});
