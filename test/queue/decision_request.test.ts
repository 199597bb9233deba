import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import {
  aCluster,
  addReport,
  addReports,
  decideDue,
  jobs,
  loadContent,
  rows,
  serviceLog,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  addSilence,
  endPolicy,
  endSilence,
  nobodyWaits,
  setScopedPolicy,
  waiting,
} from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

type Fleet = Record<"disk1" | "net1" | "disk2" | "net2", string>;

/**
 * Two organizations with a cluster that has disk and one that has net|A and net|B each, reported at `at`;
 * nobody waits.
 */
async function aFleet(db: PoolClient): Promise<Fleet> {
  const net = ["net|A", "net|B"].map((name) => someContent(name, { tags: ["network"] }));
  await loadContent(db, ["disk", ...net]);
  const fleet = { disk1: aCluster(), net1: aCluster(), disk2: aCluster(), net2: aCluster() };
  for (const [name, cluster] of Object.entries(fleet)) {
    const hits = name.startsWith("disk") ? ["disk"] : ["net|A", "net|B"];
    await addReports(db, [{ org: Number(name.at(-1)), cluster, at, hits }]);
  }
  await nobodyWaits(db);
  return fleet;
}

const take = (db: PoolClient, batchSize: number, when = at) =>
  value(db, "select expand_decision_request($1, $2)", [batchSize, when]);

const request = (db: PoolClient, named: string, when = at) =>
  db.query(`select request_decisions('for the test', ${named}${named && ", "}at => $1)`, [when]);

test("whom a request concerns: of a rule, an organization, a cluster, or all of these", () =>
  rolledBack(database.pool, async (db) => {
    const { disk1, net1, disk2, net2 } = await aFleet(db);
    const scopes: Record<string, string[]> = {
      "": [disk1, net1, disk2, net2],
      "array['disk']": [disk1, disk2],
      "array['disk', 'net']": [disk1, net1, disk2, net2],
      "array['disks']": [],
      "org_id => 2": [disk2, net2],
      [`cluster => '${net1}'`]: [net1],
      "array['net'], org_id => 2": [net2],
      [`array['net'], org_id => 1, cluster => '${net2}'`]: [],
    };
    for (const [scope, expected] of Object.entries(scopes)) {
      await nobodyWaits(db);
      await request(db, scope);
      assert.deepEqual(await rows(db, "select * from decision_due"), [], "not before somebody decides");
      assert.deepEqual(await waiting(db), expected, scope);
      assert.deepEqual(await rows(db, "select * from decision_request"), [], scope);
    }
  }));

test("a change of policy, and its end, concern those for whom it is", () =>
  rolledBack(database.pool, async (db) => {
    const { disk1, net1, disk2, net2 } = await aFleet(db);
    const asks = async (change: Promise<unknown>, ...expected: string[]) => {
      await change;
      assert.deepEqual(await waiting(db), expected);
      await nobodyWaits(db);
    };
    const [one, two, three] = [1, 2, 3].map((n) => `2026-03-01T12:00:0${n}Z`) as [string, string, string];
    await asks(setScopedPolicy(db, {}, { max_events: 3 }, one), disk1, net1, disk2, net2);
    await asks(setScopedPolicy(db, { target: serviceLog, org: 1 }, { max_events: 3 }, one), disk1, net1);
    await asks(setScopedPolicy(db, { rule: "a.net.report" }, { max_events: 3 }, one), net1, net2);
    await asks(setScopedPolicy(db, { org: 2, rule: "net" }, { max_events: 3 }, two), net2);
    await asks(endPolicy(db, { org: 2, rule: "net" }, three), net2);
    await asks(endPolicy(db, { target: serviceLog, org: 1 }, three), disk1, net1);
  }));

test("the end of a silence concerns what it held, by each of its matchers", () =>
  rolledBack(database.pool, async (db) => {
    const { disk1, net1, disk2, net2 } = await aFleet(db);
    for (const [matchers, expected] of [
      [{ org_id: 1 }, [disk1, net1]],
      [{ cluster: disk2 }, [disk2]],
      [{ rule: "net" }, [net1, net2]],
      [{ rule: "net", org_id: 2, error_key: "A" }, [net2]],
      [{ error_key: "A" }, [net1, net2]],
      [{ tag: "network", org_id: 1 }, [net1]],
      [{ everything: true }, [disk1, net1, disk2, net2]],
    ] as const) {
      const { id } = await addSilence(db, matchers);
      assert.deepEqual(await waiting(db), [], "its beginning asks nobody");
      await endSilence(db, id, at);
      assert.deepEqual(await waiting(db), expected, JSON.stringify(matchers));
      await nobodyWaits(db);
    }
  }));

test("only clusters that reported within a day before they are asked are", () =>
  rolledBack(database.pool, async (db) => {
    const [recent, silent] = [aCluster(), aCluster()];
    await addReport(db, recent, "2026-03-01T12:00:00.000001Z", ["disk"]);
    await addReport(db, silent, "2026-03-01T12:00:00Z", ["disk"]);
    await nobodyWaits(db);
    await request(db, "");
    assert.deepEqual(await waiting(db, "2026-03-02T12:00:00Z"), [recent]);
  }));

test("a request of the future is taken only when it is due, and the sweep wakes the decider then", () =>
  rolledBack(database.pool, async (db) => {
    const { disk1 } = await aFleet(db);
    const [before, due] = ["2026-03-01T17:59:59Z", "2026-03-01T18:00:00Z"];
    await request(db, `cluster => '${disk1}'`, due);
    assert.equal((await decideDue(db, before)).clusters, 0);
    assert.deepEqual((await rows(db, "select woken from sweep($1)", [before]))[0]?.woken, []);
    assert.deepEqual((await rows(db, "select woken from sweep($1)", [due]))[0]?.woken, ["decide"]);
    assert.equal((await decideDue(db, due)).clusters, 1);
    assert.equal((await decideDue(db, due)).clusters, 0);
  }));

test("a request wakes the decider at commit, not before", () =>
  rolledBack(database.pool, async (db) => {
    await request(db, "");
    const waiting = "select count(*)::integer from graphile_worker.jobs";
    assert.equal(await value(db, waiting), 0, "the job's row is not locked while a person looks around");
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
  }));

test("a request is taken batch by batch in the order of names, and goes on where it was", () =>
  rolledBack(database.pool, async (db) => {
    const clusters = ["e", "c", "a", "d", "b"];
    await addReports(
      db,
      clusters.map((cluster) => ({ cluster, at, hits: ["disk"] })),
    );
    await addReports(db, [{ org: 2, cluster: "b", at, hits: ["disk"] }]);
    await nobodyWaits(db);
    await request(db, "");
    const batches: unknown[] = [];
    for (let taken = await take(db, 2); taken !== 0; taken = await take(db, 2)) {
      batches.push(
        (await rows(db, "select cluster, org_id from decision_due order by 1, 2")).map(
          ({ cluster }) => cluster,
        ),
      );
      assert.equal(taken, (batches.at(-1) as string[]).length);
      await db.query("delete from decision_due");
      assert.ok(batches.length < 9, "it comes to an end");
    }
    assert.deepEqual(batches, [["a", "b", "b"], ["c", "d"], ["e"]], "both that are called b at once");
  }));

test("of several requests the one that has been due for longest is first, and one that concerns nobody holds up none", () =>
  rolledBack(database.pool, async (db) => {
    const { disk1, net1, disk2 } = await aFleet(db);
    await request(db, `cluster => '${disk1}'`, "2026-03-01T12:00:03Z");
    await request(db, "array['gone']", "2026-03-01T12:00:01Z");
    await request(db, "array['gone']", "2026-03-01T12:00:01Z");
    await request(db, `cluster => '${net1}'`, "2026-03-01T12:00:02Z");
    await request(db, `cluster => '${disk2}'`, "2026-03-01T12:00:02Z");
    const order: string[] = [];
    for (let n = 0; n < 3; n++) {
      assert.equal(await take(db, 10, "2026-03-01T13:00:00Z"), 1);
      order.push(
        ...(await rows(db, "delete from decision_due returning cluster")).map((row) => String(row.cluster)),
      );
    }
    assert.deepEqual(order, [net1, disk2, disk1]);
    await request(db, "array['gone']");
    await request(db, "org_id => 1");
    assert.equal((await decideDue(db, at)).clusters, 2, "a decider does not go to sleep over the first");
  }));
