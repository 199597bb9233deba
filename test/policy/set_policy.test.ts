import assert from "node:assert/strict";
import { test } from "node:test";
import {
  aCluster,
  addReport,
  addReports,
  decideDue,
  jobs,
  loadContent,
  notificationsBackend,
  type Row,
  rows,
  serviceLog,
  setPolicy,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { nobodyWaits, takeRequests } from "../support/policies.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();

const versions = `select enabled, total_risk_threshold as risk, required_tags as tags, cooldown::text,
    max_events, max_report_age::text as age, lower(validity) as begins, upper(validity) as ends, reason, changed_by = session_user as mine
  from policy where target_id = 1 order by lower(validity)`;

test("a change is a new version; what was not named stays, the earlier version keeps its time", () =>
  rolledBack(database.pool, async (db) => {
    const changed = await setPolicy(
      db,
      notificationsBackend,
      { cooldown: "1 month", required_tags: ["a", "b"] },
      "2026-03-01T00:00:00Z",
      "calmer",
    );
    assert.equal(changed?.target_id, 1);
    const [before, after, ...more] = await rows(db, versions);
    assert.deepEqual(more, []);
    assert.equal(before?.ends, "2026-03-01T00:00:00Z");
    assert.equal(before?.cooldown, "7 days");
    assert.deepEqual(after, {
      enabled: true,
      risk: 2,
      tags: ["a", "b"],
      cooldown: "1 mon",
      max_events: 100,
      age: null,
      begins: "2026-03-01T00:00:00Z",
      ends: null,
      reason: "calmer",
      mine: true,
    });
  }));

test("every setting can be changed", () =>
  rolledBack(database.pool, async (db) => {
    const change = {
      enabled: false,
      total_risk_threshold: 4,
      required_tags: ["x"],
      cooldown: "0",
      max_events: 7,
      max_report_age: "3 days",
      doubtful_texts: "hold",
    };
    await setPolicy(db, notificationsBackend, change, "2026-03-01");
    const [, after] = await rows(db, versions);
    assert.partialDeepStrictEqual(after, {
      enabled: false,
      risk: 4,
      tags: ["x"],
      cooldown: "00:00:00",
      max_events: 7,
      age: "3 days",
    });
    assert.equal(
      (await rows(db, "select doubtful_texts as texts from policy where max_events = 7"))[0]?.texts,
      "hold",
    );
  }));

test("a policy changes for its target only", () =>
  rolledBack(database.pool, async (db) => {
    await setPolicy(db, serviceLog, { enabled: true }, "2026-03-01");
    assert.equal((await rows(db, versions)).length, 1);
    assert.deepEqual(
      await rows(db, "select enabled, max_events from policy where target_id = 2 and upper_inf(validity)"),
      [{ enabled: true, max_events: 1 }],
    );
  }));

test("a change asks again for the clusters that reported within a day, not for the others", () =>
  rolledBack(database.pool, async (db) => {
    const [recent, silent, healed, healthy] = [aCluster(), aCluster(), aCluster(), aCluster()];
    await addReport(db, recent, "2026-03-01T00:00:01Z", ["disk"]);
    await addReport(db, silent, "2026-03-01T00:00:00Z", ["disk"]);
    await addReport(db, healed, "2026-02-27T12:00:00Z", ["disk"]);
    await addReport(db, healed, "2026-02-28T13:00:00Z", []);
    await addReport(db, healed, "2026-03-01T13:00:00Z", []);
    await addReport(db, healthy, "2026-03-01T13:00:00Z", []);
    await decideDue(db, "2026-03-01T14:00:00Z");
    await nobodyWaits(db);
    await setPolicy(db, notificationsBackend, { cooldown: "1 day" }, "2026-03-02T00:00:00Z");
    await takeRequests(db, "2026-03-02T00:00:00Z");
    assert.deepEqual(await rows(db, "select cluster, by_report from decision_due"), [
      { cluster: recent, by_report: false },
    ]);
    assert.deepEqual(Object.keys(await jobs(db)), ["decide"]);
  }));

test("a cluster that waits with a new report stays one that has a new report", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await addReport(db, cluster, "2026-03-01T12:00:00Z", ["disk"]);
    const waiting = await rows(db, "select * from decision_due");
    await setPolicy(db, notificationsBackend, { cooldown: "1 day" }, "2026-03-01T13:00:00Z");
    await takeRequests(db, "2026-03-01T13:00:00Z");
    assert.deepEqual(await rows(db, "select * from decision_due"), waiting);
    assert.equal(waiting[0]?.by_report, true);
  }));

test("what cannot be is refused with a sentence and changes nothing", () =>
  rolledBack(database.pool, async (db) => {
    await setPolicy(db, notificationsBackend, {}, "2026-02-01", "the present one");
    const before = await rows(db, versions);
    const when = "2026-03-01";
    const refuse = async (
      code: string,
      change: object,
      target = notificationsBackend,
      at = when,
      why?: string,
    ) => refused(db, code, () => setPolicy(db, target, { ...change }, at, why));
    await refuse("NTG01", { enabled: true }, "pager");
    await refuse("NTP09", {
      colour: 1,
    });
    await refuse("NTP09", { id: 9 });
    await refuse("NTP06", { cooldown: "-1 day" });
    await refuse("NTP10", {
      cooldown: "soon",
    });
    await refuse("NTP06", { total_risk_threshold: 5 });
    await refuse("NTP06", { total_risk_threshold: -1 });
    await refuse("NTP06", { max_events: 0 });
    await refuse("NTP06", { max_events: 1001 });
    await refuse("NTP06", { required_tags: [null] });
    await refuse("NTP06", { storm_share: 0 });
    await refuse("NTP06", { storm_share: 1.01 });
    await refuse("NTP06", { storm_minimum: 0 });
    await refuse("NTP06", { max_report_age: "59 seconds" });
    await refuse("NTP06", { max_report_age: "101 years" });
    await refuse("NTP10", { max_report_age: "24" });
    await refuse("NTP06", { doubtful_texts: "perhaps" });
    await refuse("NTP05", { doubtful_texts: null });
    await refuse("NTP05", { enabled: null });
    await refuse("NTP06", { enabled: false }, notificationsBackend, when, "why  ");
    await refuse("NTP11", { enabled: false }, notificationsBackend, "2026-02-01");
    assert.deepEqual(await rows(db, versions), before);
  }));

test("a cooldown that leads out of the calendar is refused: it would stop every decision", () =>
  rolledBack(database.pool, async (db) => {
    await refused(db, "NTP06", () =>
      setPolicy(db, notificationsBackend, { cooldown: "290000 years" }, "2026-03-01"),
    );
  }));

test("a policy remarks on how many open issues it holds or releases, those of narrower ones left out", () =>
  rolledBack(database.pool, async (db) => {
    await loadContent(db, ["disk", "net", someContent("low", { impact: 1, likelihood: 1 })]);
    for (const org of [1, 1, 2, 3])
      await addReports(db, [{ cluster: aCluster(), at: "2026-03-01", hits: ["disk", "net", "low"], org }]);
    const said: string[] = [];
    const hear = ({ message }: { message: string | undefined }) => void said.push(String(message));
    db.on("notice", hear);
    let day = 1;
    const set = async (change: Row, scope: { org_id?: number; rule?: string } = {}) => {
      said.length = 0;
      await rows(db, "select set_policy($1, $2, 'for the test', $3, org_id => $4, rule => $5)", [
        ...[notificationsBackend, change, `2026-03-01T00:00:0${day++}Z`],
        ...[scope.org_id ?? null, scope.rule ?? null],
      ]);
      return said.map((message) =>
        (/holds (\d+) .* releases (\d+)/.exec(message) ?? []).slice(1).map(Number),
      );
    };
    assert.deepEqual(await set({ cooldown: "3 days" }), []);
    assert.deepEqual(await set({ enabled: false }, { org_id: 1 }), [[4, 0]]);
    assert.deepEqual(await set({ total_risk_threshold: 0 }, { rule: "low" }), [[0, 2]]);
    assert.deepEqual(await set({ filter: "totalRisk > 4" }), [[4, 0]], "not those of organization 1");
    assert.deepEqual(await set({ filter: null }), [[0, 4]]);
    assert.deepEqual(await set({ enabled: false }), [[4, 0]], "nor those of the rule low");
    db.off("notice", hear);
  }));
