import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  aMessage,
  aReport,
  claim,
  decideDue,
  ingest,
  loadContent,
  notified,
  type Row,
  rows,
  someContent,
} from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { disableRule, toggleRule } from "../support/policies.ts";
import { twoSessions } from "../support/sessions.ts";

const database = testDatabase();
const ago = (minutes: number) => new Date(Date.now() - minutes * 60_000).toISOString();

/** Everything that a person may try out, in one transaction that stays open. */
async function tryOut(db: PoolClient, cluster: string): Promise<void> {
  await db.query(`select set_policy('notifications backend', '{"cooldown": "0", "filter": "totalRisk > 0"}', 'what if'),
    set_policy('service log', '{"enabled": true, "required_tags": []}', 'what if'),
    end_policy('notifications backend', 'what if', org_id => 1),
    add_silence(now() + interval '1 hour', 'what if', rule => 'net'),
    end_silence((select min(id) from silence))`);
  await disableRule(db, 1, "x.cpu.report", "", new Date().toISOString());
  await toggleRule(db, cluster, "cpu", "KEY", { disabled_at: new Date().toISOString() });
  await db.query("select load_content($1)", [
    JSON.stringify(
      [someContent("disk", { impact: 4 }), "net", "cpu"].map((one) =>
        typeof one === "string" ? someContent(one) : one,
      ),
    ),
  ]);
}

const jobs = (db: PoolClient): Promise<Row[]> => rows(db, "select * from graphile_worker.jobs");

test("while somebody tries out a change, reports are stored, decided and delivered without waiting", () =>
  twoSessions(database.pool, async (person, service) => {
    const cluster = aCluster();
    const { pool } = database;
    await loadContent(pool, ["disk", "net", "cpu"]);
    await pool.query(`select set_policy('notifications backend', '{"max_events": 1}', 'for the test', now() - interval '1 day', org_id => 1),
      add_silence(now() + interval '1 day', 'for the test', rule => 'mem')`);
    await pool.query(
      `insert into new_reports (org_id, cluster, updated_at, report, received_at) values (1, $1, $2, $3, $2)`,
      [cluster, ago(60), aReport("disk")],
    );
    while ((await decideDue(pool, ago(60))).clusters > 0);
    await person.query("commit; begin");

    const before = await jobs(person);
    await tryOut(person, cluster);
    const shown =
      "select component, target, decision_before, decision, reasons from explain_diff order by 1, 2";
    assert.deepEqual(
      (await rows(person, shown)).map(({ decision_before, decision }) => `${decision_before} ${decision}`),
      ["hold notify", "hold notify"],
    );

    assert.deepEqual(await jobs(person), before);

    await service.query("commit; begin; set local lock_timeout = '1s'");
    const other = aCluster();
    await ingest(
      service,
      [cluster, other].map((one, nth) => aMessage(nth, one, ago(5), ["disk", "net", "cpu"])),
      { at: ago(4) },
    );
    await service.query("select sweep($1)", [ago(3)]);
    assert.deepEqual(await decideDue(service, ago(2)), {
      clusters: 2,
      notifications: 5,
      notified: 5,
      held: 7,
    });
    assert.equal(
      (await claim(service, ago(1))).length,
      4,
      "the others wait for an earlier one of their cluster",
    );
    await service.query("commit; begin; set local lock_timeout = '10ms'");
    assert.deepEqual(
      (await notified(pool, other)).flat().sort(),
      ["cpu|KEY", "disk|KEY", "net|KEY"],
      "by what is in force",
    );
    await assert.rejects(loadContent(service, []), { code: "55P03" }, "only content waits for content");

    await person.query("rollback; begin");
    assert.deepEqual(await rows(person, shown), [], "it never was");
    assert.deepEqual(
      (await jobs(person)).map(({ key }) => key).sort(),
      ["decide", "deliver notifications backend"],
      "of the service alone",
    );
    assert.deepEqual(await rows(person, "select cause from decision_request"), []);
  }));
