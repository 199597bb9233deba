import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "../../src/config/config.ts";
import { keyList } from "../../src/config/keys.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { ingestBatch } from "../../src/ingest/ingest_batch.ts";
import { parseMessage } from "../../src/ingest/parse_message.ts";
import { type Arrived, portionsOf } from "../../src/ingest/portions.ts";
import { aCluster, decideDue, loadContent, type Row, rows, someContent, value } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { assertRefusal, catalogOf, injections } from "../support/injections.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("a report's names and details are stored as they are, notified as they are, and never run", async () => {
  const before = await catalogOf(database.pool);
  await loadContent(
    database.pool,
    injections.map((text) => ({
      ...someContent("x"),
      rule_name: text,
      error_key: text,
      description: text,
      tags: [text],
    })),
  ).catch((error) => assertRefusal(error, "content"));
  const messages: Arrived[] = injections.map((text, nth) => ({
    offset: String(nth),
    key: Buffer.from(text),
    headers: { [text]: text },
    value: Buffer.from(
      JSON.stringify({
        OrgID: 1,
        ClusterName: aCluster(),
        LastChecked: at,
        [text]: text,
        Report: {
          system: {},
          fingerprints: [],
          reports: [{ component: text, key: text, details: { [text]: text }, [text]: text }],
        },
        ...(nth % 2 ? {} : { Version: text }),
      }),
    ),
  }));
  for (const entries of portionsOf(messages, 1_000, () => new Date(at)))
    await ingestBatch(
      database.pool,
      { topic: "'; drop table issue; --", partition: 0, highWatermark: "1000" },
      entries,
    );

  const odd = injections.filter((_, nth) => nth % 2 === 1);
  const found = "select r.component, r.error_key from issue i join rule r on r.id = i.rule_id order by i.id";
  assert.deepEqual(
    new Set(
      (await rows(database.pool, found)).map(({ component, error_key }) => `${component} ${error_key}`),
    ),
    new Set(odd.map((text) => `${text} ${text}`)),
  );
  const details =
    "select (report::jsonb -> 'reports' -> 0 -> 'details') as details from new_reports order by kafka_offset";
  assert.deepEqual(
    (await rows(database.pool, details)).map((row) => row.details),
    odd.map((text) => ({ [text]: text })),
  );
  const rejected = await rows(
    database.pool,
    "select key, headers, topic from rejected_message order by kafka_offset",
  );
  const even = injections.filter((_, nth) => nth % 2 === 0);
  assert.deepEqual(
    rejected.map(({ key }) => String(key)),
    even,
  );
  assert.deepEqual(
    rejected.map(({ headers }) => Object.keys(headers as object)),
    even.map((text) => [text]),
  );
  for (let left = 1; left > 0; left = (await decideDue(database.pool, at)).clusters);
  assert.deepEqual(await rows(database.pool, "select * from drift"), []);
  assert.deepEqual(await catalogOf(database.pool), before);
});

/** Calls with a text in every place that takes one, and where it has to stand afterwards (or be refused). */
const calls: [what: string, sql: string, stored?: string][] = [
  [
    "a silence's rule",
    "select id from add_silence('infinity'::timestamptz - interval '1 day', 'because', rule => $1)",
  ],
  [
    "a silence's error key",
    "select add_silence(now() + '1 day', 'because', error_key => $1)",
    "select error_key from silence",
  ],
  [
    "a silence's cluster",
    "select add_silence(now() + '1 day', 'because', cluster => $1)",
    "select $1::text from silence where cluster = lower($1)",
  ],
  ["a silence's tag", "select add_silence(now() + '1 day', 'because', tag => $1)", "select tag from silence"],
  [
    "a silence's reason",
    "select add_silence(now() + '1 day', $1 || ' padded', org_id => 1)",
    "select left(reason, -7) from silence",
  ],
  ["a preview's rule", "select count(*) from preview_silence(rule => $1)"],
  ["a preview's tag", "select count(*) from preview_silence(tag => $1)"],
  ["an acknowledged rule", "select acknowledge(1, $1)"],
  [
    "an acknowledged error key",
    "select acknowledge(1, 'x', error_key => $1)",
    "select error_key from rule_disable",
  ],
  ["an acknowledged cluster", "select acknowledge(1, 'x', cluster => $1)"],
  [
    "a justification",
    "select acknowledge(1, 'x', justification => $1)",
    "select justification from rule_disable",
  ],
  ["an undone rule", "select unacknowledge(1, $1)"],
  ["a policy's target", `select set_policy($1, '{"cooldown": "1 day"}', 'because')`],
  [
    "a policy's reason",
    `select set_policy('service log', '{"cooldown": "9 days"}', $1 || ' padded')`,
    "select left(reason, -7) from policy where reason like '% padded'",
  ],
  [
    "a policy's filter",
    "select set_policy('service log', jsonb_build_object('filter', $1::text), 'because')",
  ],
  [
    "a policy's tag",
    "select set_policy('service log', jsonb_build_object('required_tags', array[$1]), 'because')",
    "select required_tags[1] from policy where $1 = any (required_tags)",
  ],
  [
    "a policy's cluster",
    "select set_policy('service log', jsonb_build_object('blocked_clusters', array[$1]), 'because')",
  ],
  [
    "a policy's cooldown",
    "select set_policy('service log', jsonb_build_object('cooldown', $1::text), 'because')",
  ],
  ["a policy's setting", "select set_policy('service log', jsonb_build_object($1::text, '1'), 'because')"],
  ["a policy's rule", `select set_policy('service log', '{"cooldown": "1 day"}', 'because', rule => $1)`],
  ["an ended policy", "select end_policy('service log', 'because', rule => $1)"],
  ["an explained target", "select count(*) from explain_at(now(), $1, null)"],
  ["an explained cluster", "select count(*) from explain_at(now(), null, $1)"],
  ["an explained report", "select count(*) from explain_report(1, $1, now())"],
  ["a time travel's target", "select count(*) from new_issues_at(now(), $1)"],
  ["a woken delivery", "select wake_delivery($1)"],
  ["a partition's table", "select ensure_partition($1, '2026-03-01')"],
  ["an event", "select announce($1, jsonb_build_object($1::text, $1::text))"],
  ["a dead letter's error", "select settle_dead_letters('{1}', $1)"],
  ["content", "select load_content(jsonb_build_array(jsonb_build_object('rule_name', $1::text)))"],
];

for (const [what, sql, stored] of calls) {
  test(`${what} is taken literally, or refused`, () =>
    rolledBack(database.pool, async (db) => {
      const before = await catalogOf(db);
      let taken = 0;
      for (const text of [...injections, "\0", "x\0y"]) {
        await db.query("savepoint before");
        try {
          await db.query(sql, [text]);
          taken++;
          if (stored)
            assert.ok(
              (await rows(db, stored, stored.includes("$1") ? [text] : [])).some(
                (row) => Object.values(row)[0] === text,
              ),
              text,
            );
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          const { code, message } = error as { code?: string; message: string };
          // no such table: the name was one, as a whole
          if (what !== "a partition's table" || code !== "42P01")
            assertRefusal(error, `${what} ${JSON.stringify(text)}: ${message}`);
        }
        await db.query("rollback to savepoint before");
      }
      if (stored) assert.ok(taken > 10, `${taken} taken`);
      assert.deepEqual(await catalogOf(db), before);
    }));
}

test("a silence of % or _ is about that name alone", () =>
  rolledBack(database.pool, async (db) => {
    const names: Row[] = await rows(db, "select distinct component, error_key from rule");
    assert.ok(names.length > 10);
    for (const text of ["%", "_", "\\"]) {
      const held = await rows(db, "select component from preview_silence(error_key => $1)", [text]);
      assert.ok(
        held.every(({ component }) => component === text),
        text,
      );
    }
  }));

test("a value of the configuration is taken literally, or refused with a sentence that names its key", () => {
  for (const [name, { key, secret }] of keyList) {
    for (const text of [...injections, "a\0b"]) {
      try {
        const taken = loadConfig({ env: { [key]: text } })[name];
        assert.ok(
          secret ? taken === text : [taken].flat().join() === text.trim(),
          `${key} ${text}: ${taken}`,
        );
      } catch (error) {
        assert.ok(error instanceof ConfigurationError, `${key} ${text}: ${error}`);
        assert.match(error.message, new RegExp(`(^|\\n)(${key}|CCX_\\w+) `));
      }
    }
  }
  assert.equal(parseMessage(Buffer.from("'; drop table issue; --"), new Date()).kind, "rejected");
});

test("the number of rows says that nothing was dropped", async () => {
  assert.equal(await value(database.pool, "select count(*)::integer > 10 from new_reports"), true);
});
