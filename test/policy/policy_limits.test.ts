import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  claimOne,
  decisions,
  failed,
  loadContent,
  notified,
  reportAndDecide,
  rows,
  serviceLog,
  settle,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { explained, explainedAs, setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("only the clusters that a policy allows are notified of", () =>
  rolledBack(database.pool, async (db) => {
    const [allowed, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    for (const cluster of [allowed, other]) await addReport(db, cluster, at, ["disk"]);
    await setScopedPolicy(db, {}, { allowed_clusters: ["nobody", allowed] }, "2026-02-01");
    assert.deepEqual(await decisions(db, allowed, at), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, other, at), { "disk|KEY": ["cluster_not_allowed"] });
    assert.deepEqual(await explainedAs(db, "qualifies", other, at), { "disk|KEY": false });
    await setScopedPolicy(db, {}, { allowed_clusters: [] }, "2026-02-02");
    assert.deepEqual(await decisions(db, allowed, at), { "disk|KEY": ["cluster_not_allowed"] });
    await setScopedPolicy(db, {}, { allowed_clusters: null }, "2026-02-03");
    assert.deepEqual(await decisions(db, other, at), { "disk|KEY": "notify" });
  }));

test("a blocked cluster is not notified of, even if it is allowed", () =>
  rolledBack(database.pool, async (db) => {
    const [blocked, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    for (const cluster of [blocked, other]) await addReport(db, cluster, at, ["disk"]);
    await setScopedPolicy(db, {}, { blocked_clusters: ["nobody", blocked] }, "2026-02-01");
    assert.deepEqual(await decisions(db, blocked, at), { "disk|KEY": ["cluster_blocked"] });
    assert.deepEqual(await explainedAs(db, "qualifies", blocked, at), { "disk|KEY": false });
    assert.deepEqual(await decisions(db, other, at), { "disk|KEY": "notify" });
    await setScopedPolicy(db, {}, { allowed_clusters: [blocked] }, "2026-02-02");
    assert.deepEqual(await decisions(db, blocked, at), { "disk|KEY": ["cluster_blocked"] });
    await setScopedPolicy(db, {}, { allowed_clusters: [other] }, "2026-02-03");
    assert.deepEqual(await decisions(db, blocked, at), {
      "disk|KEY": ["cluster_not_allowed", "cluster_blocked"],
    });
  }));

test("the lists of an organization's policy count instead of those of its target, an absent one too", () =>
  rolledBack(database.pool, async (db) => {
    const [mine, theirs] = [aCluster(), aCluster()];
    await loadContent(db, ["disk"]);
    await addReports(db, [
      { org: 1, cluster: mine, at, hits: ["disk"] },
      { org: 2, cluster: theirs, at, hits: ["disk"] },
    ]);
    await setScopedPolicy(db, {}, { allowed_clusters: [], blocked_clusters: [mine, theirs] }, "2026-02-01");
    await setScopedPolicy(db, { org: 1 }, { allowed_clusters: null, blocked_clusters: [] }, "2026-02-02");
    assert.deepEqual(await decisions(db, mine, at), { "disk|KEY": "notify" });
    assert.deepEqual(await decisions(db, theirs, at), {
      "disk|KEY": ["cluster_not_allowed", "cluster_blocked"],
    });
  }));

test("a report of a blocked cluster is recorded as lower: nothing in it qualifies", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await setScopedPolicy(db, {}, { blocked_clusters: [cluster] }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["disk"]);
    assert.deepEqual(await rows(db, "select state from reported where cluster = $1", [cluster]), [
      { state: 3 },
    ]);
  }));

test("after a message a cluster is left alone for the spacing, whatever its other issues", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster, other] = [aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(db, {}, { spacing: "6 hours" }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T13:00:00Z", ["disk", "net"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"]]);
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T17:59:59.999999Z"), {
      "disk|KEY": ["cooldown", "spacing"],
      "net|KEY": ["spacing"],
    });
    const held = await explained(db, cluster, "2026-03-01T13:00:00Z");
    assert.partialDeepStrictEqual(held["net|KEY"], {
      qualifies: true,
      last_notified_at: null,
      next_eligible_at: "2026-03-01T18:00:00Z",
    });
    assert.equal(held["disk|KEY"]?.next_eligible_at, "2026-03-08T12:00:00Z", "the later of the two");
    assert.equal((await reportAndDecide(db, other, "2026-03-01T13:00:00Z", ["net"])).notified, 1);
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T18:00:00Z"), {
      "disk|KEY": ["cooldown"],
      "net|KEY": "notify",
    });
  }));

test("what is held by spacing is notified after it, and the next spacing counts from there", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net", "cpu"]);
    await setScopedPolicy(db, {}, { spacing: "1 day" }, "2026-02-01");
    await reportAndDecide(db, cluster, "2026-03-01T00:00:00Z", ["disk"]);
    await reportAndDecide(db, cluster, "2026-03-01T12:00:00Z", ["disk", "net"]);
    assert.deepEqual(await rows(db, "select state from reported where cluster = $1", [cluster]), [
      { state: 2 },
    ]);
    await reportAndDecide(db, cluster, "2026-03-02T00:00:00Z", ["disk", "net"]);
    await reportAndDecide(db, cluster, "2026-03-02T23:59:59Z", ["disk", "net", "cpu"]);
    assert.deepEqual(await notified(db, cluster), [["disk|KEY"], ["net|KEY"]]);
    const first = await decisions(db, cluster, "2026-03-01T00:00:00Z");
    assert.deepEqual(
      first,
      { "disk|KEY": "notify" },
      "no message holds what was decided with it or before it",
    );
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T23:00:00Z"), {
      "disk|KEY": ["cooldown", "spacing"],
      "net|KEY": ["spacing"],
    });
    assert.deepEqual(await decisions(db, cluster, "2026-03-02T23:59:59Z"), {
      "disk|KEY": ["cooldown", "spacing"],
      "net|KEY": ["cooldown", "spacing"],
      "cpu|KEY": ["spacing"],
    });
  }));

test("a message that was given up does not count for the spacing", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(db, {}, { spacing: "6 hours" }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["disk"]);
    const claimed = await claimOne(db, at);
    await settle(db, [failed(claimed, { permanent: true })], at);
    await addReport(db, cluster, "2026-03-01T13:00:00Z", ["disk", "net"]);
    const answers = { "disk|KEY": "notify", "net|KEY": "notify" };
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T13:00:00Z"), answers);
  }));

test("spacing counts the messages to one target about one cluster of one organization", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    const tags = ["osd_customer"];
    await loadContent(db, [someContent("disk", { tags }), someContent("net", { tags })]);
    await setScopedPolicy(db, {}, { spacing: "6 hours" }, "2026-02-01");
    await reportAndDecide(db, cluster, at, ["disk"]);
    await setScopedPolicy(
      db,
      { target: serviceLog },
      { enabled: true, spacing: "6 hours" },
      "2026-03-01T12:30:00Z",
    );
    await addReports(db, [
      { org: 1, cluster, at: "2026-03-01T13:00:00Z", hits: ["disk", "net"] },
      { org: 2, cluster, at: "2026-03-01T13:00:00Z", hits: ["disk"] },
    ]);
    const answers = await rows(
      db,
      `select d.target_id as target, d.org_id, rule_name(d.component) as rule, d.reasons
       from event_targets t cross join decide(t.id, '2026-03-01T13:00:00Z') d order by 1, 2, 3`,
    );
    assert.deepEqual(
      answers.map(({ target, org_id, rule, reasons }) => `${target} ${org_id} ${rule} ${reasons}`),
      ["1 1 disk cooldown,spacing", "1 1 net spacing", "1 2 disk ", "2 1 disk ", "2 1 net ", "2 2 disk "],
    );
  }));

test("issues of one cluster are held by the spacing of the policy that each follows", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net", "cpu"]);
    await setScopedPolicy(db, {}, { spacing: "6 hours" }, "2026-02-01");
    await setScopedPolicy(db, { rule: "net" }, { spacing: "0" }, "2026-02-02");
    await setScopedPolicy(db, { rule: "cpu" }, { spacing: "1 hour" }, "2026-02-02");
    await reportAndDecide(db, cluster, at, ["disk"]);
    await addReport(db, cluster, "2026-03-01T12:30:00Z", ["disk", "net", "cpu"]);
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T12:30:00Z"), {
      "disk|KEY": ["cooldown", "spacing"],
      "net|KEY": "notify",
      "cpu|KEY": ["spacing"],
    });
    assert.equal(
      (await decisions(db, cluster, "2026-03-01T13:00:00Z"))["cpu|KEY"],
      "notify",
      "its own hour is over",
    );
    await setScopedPolicy(db, { org: 1 }, { spacing: "2 hours" }, "2026-03-01T13:00:00Z");
    assert.deepEqual(await decisions(db, cluster, "2026-03-01T13:59:59Z"), {
      "disk|KEY": ["cooldown", "spacing"],
      "net|KEY": ["spacing"],
      "cpu|KEY": ["spacing"],
    });
    assert.equal((await decisions(db, cluster, "2026-03-01T14:00:00Z"))["net|KEY"], "notify");
  }));
