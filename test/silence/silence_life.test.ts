import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  decideDue,
  jobs,
  loadContent,
  notified,
  rows,
  someContent,
  value,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  addSilence,
  aLetteredCluster,
  endSilence,
  explainedAs,
  type GivenSilence,
  nobodyWaits,
  previewSilence,
  waiting,
  wholeTable,
} from "../support/policies.ts";

const database = testDatabase();
const at = "2026-03-01T12:00:00Z";

test("what a silence held is asked again when it is ended early, for clusters that reported within a day", () =>
  rolledBack(database.pool, async (db) => {
    const [held, other, silent] = [aCluster(), aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    const { id } = await addSilence(db, { rule: "disk" });
    await addReport(db, held, "2026-03-02T00:00:00Z", ["disk"]);
    await addReport(db, other, "2026-03-02T00:00:00Z", ["net"]);
    await addReport(db, silent, "2026-03-01T06:00:00Z", ["disk"]);
    await decideDue(db, "2026-03-02T00:00:00Z");
    await nobodyWaits(db);
    await endSilence(db, id, "2026-03-02T06:00:00Z");
    assert.deepEqual(await waiting(db), [held]);
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
    assert.equal((await decideDue(db, "2026-03-02T06:00:00Z")).notified, 1);
    assert.deepEqual(await notified(db, held), [["disk|KEY"]]);
  }));

test("the sweep asks again for what a silence held when it is over, once", () =>
  rolledBack(database.pool, async (db) => {
    const [held, other, silent] = [aCluster(), aCluster(), aCluster()];
    await loadContent(db, ["disk", "net"]);
    await db.query("select sweep($1)", [at]);
    await addSilence(db, { rule: "disk", ends_at: "2026-03-03T00:00:00Z" });
    await addReport(db, held, "2026-03-02T06:00:00Z", ["disk"]);
    await addReport(db, other, "2026-03-02T06:00:00Z", ["net"]);
    await addReport(db, silent, "2026-03-01T23:00:00Z", ["disk"]);
    await decideDue(db, "2026-03-02T06:00:00Z");
    await nobodyWaits(db);
    await db.query("select sweep('2026-03-02T23:59:59Z')");
    assert.deepEqual(await waiting(db), []);
    await db.query("select sweep('2026-03-03T00:00:00Z')");
    assert.deepEqual(await waiting(db, "2026-03-03T00:00:00Z"), [held]);
    assert.equal((await decideDue(db, "2026-03-03T00:00:00Z")).notified, 1);
    await db.query("select sweep('2026-03-03T00:01:00Z')");
    assert.deepEqual(await waiting(db), []);
  }));

test("a silence that ended while nobody swept is not forgotten", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await db.query("select sweep($1)", [at]);
    await addSilence(db, { cluster, ends_at: "2026-03-02T00:00:00Z" });
    await addReport(db, cluster, "2026-03-01T13:00:00Z", ["disk"]);
    await decideDue(db, "2026-03-01T13:00:00Z");
    await db.query("select sweep('2026-03-02T09:00:00Z')");
    assert.equal((await decideDue(db, "2026-03-02T09:00:00Z")).notified, 1);
  }));

test("a silence is pending, then active, then expired; one that was ended early is expired at once", () =>
  rolledBack(database.pool, async (db) => {
    // the view looks at now(), which stands still within a transaction
    const add = (name: string, starts: string, ends: string) =>
      db.query(
        `select add_silence(ends_at => now() + $3::interval, starts_at => now() + $2::interval, tag => $1,
           reason => 'for the test', at => now() - interval '10 days')`,
        [name, starts, ends],
      );
    await add("over", "-2 days", "-1 day");
    await add("just over", "-2 days", "0");
    await add("just begun", "0", "1 day");
    await add("in force", "-1 day", "1 second");
    await add("to come", "1 second", "1 day");
    await add("ended early", "-1 day", "1 day");
    await add("called off", "1 day", "2 days");
    await add("to be ended", "-1 day", "1 day");
    const ended = { "ended early": "0", "called off": "-1 day", "to be ended": "1 hour" };
    for (const [tag, after] of Object.entries(ended)) {
      await db.query("select end_silence(id, now() + $2::interval) from silence where tag = $1", [
        tag,
        after,
      ]);
    }
    const states = await rows(db, "select tag, state from silences");
    assert.deepEqual(Object.fromEntries(states.map(({ tag, state }) => [tag, state])), {
      over: "expired",
      "just over": "expired",
      "just begun": "active",
      "in force": "active",
      "to come": "pending",
      "ended early": "expired",
      "called off": "expired",
      "to be ended": "active",
    });
  }));

test("the view says who asked, why, until when, and who ended it", () =>
  rolledBack(database.pool, async (db) => {
    const given = { org_id: 7, cluster: "C", rule: "a.disk.report|K", tag: "t", reason: "planned work" };
    const { id } = await addSilence(db, given, "2026-03-01T06:00:00Z");
    await endSilence(db, id, "2026-03-02T00:00:00Z");
    const [silence] = await rows(
      db,
      `select s.*, created_by = session_user as mine, ended_by = session_user as ended_by_me from silences s`,
    );
    assert.partialDeepStrictEqual(silence, {
      id,
      org_id: "7",
      cluster: "c",
      rule_name: "disk",
      error_key: "K",
      tag: "t",
      everything: false,
      reason: "planned work",
      starts_at: "2026-03-01T06:00:00Z",
      ends_at: "2026-03-02T00:00:00Z",
      created_at: "2026-03-01T06:00:00Z",
      mine: true,
      ended_by_me: true,
    });
  }));

test("silences of something else may overlap, and of the same one after the other", () =>
  rolledBack(database.pool, async (db) => {
    await addSilence(db, { rule: "disk", ends_at: "2026-03-03" });
    await addSilence(db, { rule: "disk", starts_at: "2026-03-03", ends_at: "2026-03-04" });
    const others: GivenSilence[] = [
      { rule: "disk|A" },
      { rule: "disk", org_id: 1 },
      { rule: "disk", cluster: "c" },
      { rule: "disk", tag: "t" },
      { rule: "net" },
      { org_id: 1 },
      { org_id: 2 },
    ];
    for (const silence of others) await addSilence(db, silence);
    assert.equal(await value(db, "select count(*)::integer from silence"), 9);
  }));

test("a silence that was ended makes room for a new one, and stays on record", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk"]);
    await addReport(db, cluster, at, ["disk"]);
    const first = await addSilence(db, { cluster });
    await endSilence(db, first.id, "2026-03-03");
    const second = await addSilence(db, { cluster }, "2026-03-03");
    const pending = await addSilence(
      db,
      { cluster, starts_at: "2026-03-09", ends_at: "2026-03-10" },
      "2026-03-03",
    );
    await endSilence(db, pending.id, "2026-03-04");
    await addSilence(db, { cluster, starts_at: "2026-03-09", ends_at: "2026-03-10" }, "2026-03-04");
    assert.deepEqual(await explainedAs(db, "silence_id", cluster, "2026-03-02"), { "disk|KEY": first.id });
    assert.deepEqual(await explainedAs(db, "silence_id", cluster, "2026-03-03"), { "disk|KEY": second.id });
    assert.equal(await value(db, "select count(*)::integer from silence"), 4, "nothing is ever deleted");
  }));

test("a preview lists open issues, from the tags of that time, and silences nothing", () =>
  rolledBack(database.pool, async (db) => {
    const [cluster, healed] = [aLetteredCluster(), aCluster()];
    await loadContent(db, [someContent("disk", { tags: ["t"] })]);
    await loadContent(db, [someContent("net", { tags: ["t"] })], "2026-03-02");
    await addReport(db, cluster, at, ["disk", "net"]);
    await addReports(db, [
      { cluster: healed, at, hits: ["disk"] },
      { cluster: healed, at: "2026-03-01T13:00:00Z", hits: [] },
    ]);
    assert.deepEqual(await previewSilence(db, { tag: "t" }, at), [`1 ${cluster} disk|KEY`]);
    assert.deepEqual(await previewSilence(db, { tag: "t" }, "2026-03-02"), [`1 ${cluster} net|KEY`]);
    assert.deepEqual(await previewSilence(db, { rule: "x.net.report|KEY" }, at), [`1 ${cluster} net|KEY`]);
    assert.deepEqual(await previewSilence(db, { cluster: cluster.toUpperCase(), rule: "none" }, at), []);
    assert.equal((await previewSilence(db, { cluster: cluster.toUpperCase() }, at)).length, 2);
    assert.equal((await previewSilence(db, {}, at)).length, 2, "no matcher: everything");
    assert.deepEqual(await wholeTable(db, "silence"), []);
  }));
