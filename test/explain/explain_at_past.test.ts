import assert from "node:assert/strict";
import { test } from "node:test";
import { answersAt, explainAt, on } from "../support/answers.ts";
import {
  aCluster,
  addReport,
  aReport,
  claimOne,
  type Db,
  decideDue,
  failed,
  loadContent,
  type Row,
  reportAndDecide,
  settle,
  someContent,
} from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import {
  addSilence,
  disableRule,
  endPolicy,
  endSilence,
  setScopedPolicy,
  toggleRule,
} from "../support/policies.ts";

const database = testDatabase();

/** A report that arrives later than its own time. */
const arrives = (db: Db, cluster: string, at: string, arrival: string, report: string) =>
  db.query(
    "insert into new_reports (org_id, cluster, updated_at, report, received_at) values (1, $1, $2, $4, $3)",
    [cluster, at, arrival, report],
  );

const late: [what: string, at: string, report: string][] = [
  ["of before", on(1, "10:00"), aReport("net")],
  ["between", on(2, "10:00"), aReport("net")],
  ["newer than all", on(3, "10:00"), aReport("net")],
  ["newer than all and cannot be read", on(3, "10:00"), "{"],
];
for (const [what, at, report] of late) {
  test(`a report that arrives late does not rewrite the past: ${what}`, () =>
    rolledBack(database.pool, async (db) => {
      const cluster = aCluster();
      await loadContent(db, ["disk", "net"]);
      await reportAndDecide(db, cluster, on(1), ["disk"]);
      await reportAndDecide(db, cluster, on(2), ["disk"]);
      const times = [on(1), on(1, "13:00"), on(2), on(3), on(4, "11:59")];
      const before: Row[][] = [];
      for (const time of times) before.push(await explainAt(db, time, cluster));
      assert.deepEqual(
        before.map(([disk]) => disk?.last_seen),
        [on(1), on(1), on(2), on(2), on(2)],
      );
      await arrives(db, cluster, at, on(4), report);
      await decideDue(db, on(4));
      const present = await answersAt(db, on(4), cluster);
      assert.deepEqual(present, [report === "{" || at < on(2) ? "disk|KEY hold cooldown" : "net|KEY notify"]);
      const between = await explainAt(db, on(4, "13:00"), cluster);
      await addReport(db, cluster, on(5), []);
      assert.deepEqual(await explainAt(db, on(4, "13:00"), cluster), between, "nor does the next one");
      for (const [nth, time] of times.entries()) {
        assert.deepEqual(await explainAt(db, time, cluster), before[nth], `as of ${time}`);
      }
    }));
}

test("what people change later leaves earlier answers alone", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(db, { org: 1, rule: "net" }, { max_events: 7 }, "2026-02-01");
    const silence = await addSilence(db, { rule: "net", ends_at: on(20) }, on(1));
    await toggleRule(db, cluster, "disk", "", { disabled_at: on(1, "13:00") });
    await reportAndDecide(db, cluster, on(1), ["disk", "net"]);
    const times = [on(1), on(1, "13:00"), on(2, "11:59")];
    const before: Row[][] = [];
    for (const time of times) before.push(await explainAt(db, time, cluster));
    const changes: [() => Promise<unknown>, string[]][] = [
      [() => endSilence(db, silence.id, on(2)), ["disk|KEY hold disabled cooldown", "net|KEY notify"]],
      [
        () => db.query("update cluster_rule_toggle set disabled = 0, enabled_at = $1", [on(2)]),
        ["disk|KEY hold cooldown", "net|KEY notify"],
      ],
      [() => setScopedPolicy(db, {}, { cooldown: "1 hour" }, on(2)), ["disk|KEY notify", "net|KEY notify"]],
      [
        () => setScopedPolicy(db, { org: 1 }, { total_risk_threshold: 4 }, on(2)),
        ["disk|KEY hold below_threshold", "net|KEY notify"],
      ],
      [
        () => addSilence(db, { cluster }, on(2)),
        ["disk|KEY hold below_threshold silenced", "net|KEY hold silenced"],
      ],
      [
        () => disableRule(db, 1, "net", "", on(2)),
        ["disk|KEY hold below_threshold silenced", "net|KEY hold silenced acked"],
      ],
      [
        () => endPolicy(db, { org: 1, rule: "net" }, on(2)),
        ["disk|KEY hold below_threshold silenced", "net|KEY hold below_threshold silenced acked"],
      ],
      [
        () => loadContent(db, [someContent("net", { impact: 4, likelihood: 4 })], on(2)),
        ["disk|KEY hold no_content silenced", "net|KEY hold silenced acked"],
      ],
    ];
    for (const [nth, [change, present]] of changes.entries()) {
      await change();
      assert.deepEqual(await answersAt(db, on(2), cluster), present, `after change ${nth + 1}`);
      for (const [nth, time] of times.entries()) {
        assert.deepEqual(await explainAt(db, time, cluster), before[nth], `as of ${time}, ${change}`);
      }
    }
  }));

test("a delivery that was given up counts until then, not after", () =>
  rolledBack(database.pool, async (db) => {
    const cluster = aCluster();
    await loadContent(db, ["disk", "net"]);
    await setScopedPolicy(db, {}, { spacing: "1 day" }, "2026-02-01");
    await reportAndDecide(db, cluster, on(1), ["disk"]);
    await addReport(db, cluster, on(1, "13:00"), ["disk", "net"]);
    const before = await explainAt(db, on(1, "14:00"), cluster);
    assert.deepEqual(
      before.map((row) => [row.reasons, row.last_notified_at]),
      [
        [["cooldown", "spacing"], on(1)],
        [["spacing"], null],
      ],
    );
    const claimed = await claimOne(db, on(1, "13:00"));
    await settle(db, [failed(claimed, { permanent: true })], on(1, "15:00"));
    assert.deepEqual(await explainAt(db, on(1, "14:00"), cluster), before);
    assert.deepEqual(await answersAt(db, on(1, "15:00"), cluster), ["disk|KEY notify", "net|KEY notify"]);
    assert.equal((await explainAt(db, on(1, "15:00"), cluster))[0]?.last_notified_at, null);
  }));
