import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { below, seeded } from "../../dev/samples/random.ts";
import { loadContent, rows, serviceLog } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { randomContent, somethingHappens } from "../support/history.ts";
import { setScopedPolicy } from "../support/policies.ts";

const database = testDatabase();
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const seen = new Set<string>();
const histories = 5;
const steps = 40;

type Cluster = { org_id: string; cluster: string };

const waiting = (db: PoolClient) =>
  rows(db, "select org_id, cluster from decision_due order by 1, 2") as Promise<Cluster[]>;

type Notified = {
  target_id: number;
  issue_id: number;
  occurrence: number;
  policy_id: number;
  content_id: number;
};
type Answer = Notified & { decision: string; reasons: string[]; issue_state: string };

/**
 * Every answer about these clusters; but last_seen, since a report that is replaced forgets when it first
 * came.
 */
async function answers(db: PoolClient, at: string, clusters: Cluster[]): Promise<Answer[]> {
  const found = await rows(
    db,
    `select to_jsonb(d) - 'last_seen' as answer
     from event_targets t cross join lateral decide(t.id, $1) d
     join unnest($2::bigint[], $3::text[]) due (org_id, cluster) on due.org_id = d.org_id and due.cluster = d.cluster
     order by d.target_id, d.issue_id`,
    [at, clusters.map(({ org_id }) => org_id), clusters.map(({ cluster }) => cluster)],
  );
  return found.map(({ answer }) => answer as Answer);
}

const toNotify = (answered: Answer[]) =>
  answered
    .filter(({ decision }) => decision === "notify")
    .map(({ target_id, issue_id, occurrence, policy_id, content_id, issue_state }) => {
      return { target_id, issue_id, occurrence, policy_id, content_id, resolved: issue_state === "resolved" };
    });

const toldAt = async (db: PoolClient, at: string) => {
  const notified = `select to_jsonb(n) as row
    from (select target_id, issue_id, occurrence, policy_id, content_id, resolved
      from notified_issue where notified_at = $1
        and notification_id not in (select id from notification where replay_of is not null)
      order by 1, 2) n`;
  return (await rows(db, notified, [at])).map(({ row }) => row);
};

const never: [what: string, query: string][] = [
  [
    "a message is larger than a policy of it allows",
    `select n.id from notification n join notified_issue i on i.notification_id = n.id
     join policy p on p.id = i.policy_id group by n.id having count(*) > min(p.max_events)`,
  ],
  [
    "a message tells of issues that are there and of issues that are gone",
    "select n.id from notification n join notified_issue i on i.notification_id = n.id where i.resolved <> n.resolved",
  ],
  ["something drifts", "select what, detail from drift"],
  [
    "an issue was open twice at one time",
    `select a.issue_id from occurrence a join occurrence b on b.issue_id = a.issue_id and b.occurrence > a.occurrence
     where a.known_until is null or b.known_from < a.known_until`,
  ],
  [
    "an issue does not say what its last occurrence says",
    `select i.id from issue i left join occurrence o on o.issue_id = i.id and o.occurrence = i.occurrence
     where (o.opened_at, o.closed_at) is distinct from (i.opened_at, i.closed_at)`,
  ],
  [
    "something was notified as gone that had not been notified",
    `select from notified_issue r where r.resolved and not exists (select from notified_issue n
       where n.issue_id = r.issue_id and n.target_id = r.target_id and not n.resolved and n.notified_at < r.notified_at)`,
  ],
];

const hour = (nth: number) =>
  new Date(Date.parse("2026-03-01T00:00:00Z") + nth * 1_800_000).toISOString().replace(".000Z", "Z");

test(`explain says what is notified next, and for every time in the past what was notified then (SEED=${seed})`, async () => {
  const random = seeded(seed);
  const count = { notified: 0, resolved: 0 };
  for (let history = 0; history < histories; history++) {
    await rolledBack(database.pool, async (db) => {
      const past: { at: string; decided: Cluster[]; answered: Answer[] }[] = [];
      await loadContent(db, randomContent(random), "2026-02-01");
      const everything = {
        enabled: true,
        required_tags: [],
        notify_resolved: true,
        receiver_knows_resolved: true,
      };
      await setScopedPolicy(db, { target: serviceLog }, everything, "2026-02-01");
      for (let step = 1; step <= steps; step++) {
        const [at, what] = [hour(step), `history ${history}, step ${step} of SEED=${seed}`];
        for (let n = 0; n <= below(random, 3); n++) await somethingHappens(db, random, at);
        if (below(random, 10) === 0) await loadContent(db, randomContent(random), at);
        if (below(random, 4) > 0)
          await db.query(
            "insert into decision_due select org_id, cluster from latest_report on conflict do nothing",
          );
        await db.query("select expand_decision_request(1000, $1)", [at]);
        const decided = await waiting(db);
        const answered = await answers(db, at, decided);
        const expected = toNotify(answered);
        past.push({ at, decided, answered });
        await db.query("delete from decision_request"); // it would ask some more
        await db.query("select decide_due(1000, $1)", [at]);
        assert.deepEqual(await toldAt(db, at), expected, what);
        for (const [wrong, query] of never) assert.deepEqual(await rows(db, query), [], `${what}: ${wrong}`);
        count.notified += expected.length;
        count.resolved += expected.filter(({ resolved }) => resolved).length;
      }
      for (const { at, decided, answered } of past) {
        const what = `the end of history ${history} of SEED=${seed}, asked about ${at}`;
        const again = await answers(db, at, decided);
        assert.deepEqual(toNotify(again), await toldAt(db, at), what);
        assert.deepEqual(again, answered, what);
        for (const { reasons, issue_state } of answered)
          for (const word of [...reasons, issue_state]) seen.add(word);
      }
    });
  }
  assert.ok(count.notified > histories * 10 && count.resolved > histories, `only ${JSON.stringify(count)}`);
  assert.ok(seen.size > 10, `the histories met only ${[...seen]}`);
});
