import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { rows, value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";
import { until } from "../support/until.ts";

/**
 * Whatever two requests write to the same row at once, the answers and the rows are those of one after the other.
 * Each pair is tried with the first one committed, and with it undone, while the second one waits or does not.
 */

const database = testDatabase();
const cluster = "11111111-1111-4111-8111-111111111101";

/** A write by name; its text gives one row with the column `answer`. */
type Writes = Readonly<Record<string, string>>;
type Group = { given: Writes; writes: Writes; state: string; empty: string };

const ofResults = (call: string) => `select ccx.results_${call} as answer`;
const ack = (user: string, why: string) =>
  `select (created, body)::text as answer from ccx.results_ack_rule(11, '${user}', 'a.b', 'KEY', '${why}')`;
const vote = (call: string) => ofResults(`vote(11, 'u-1', '${cluster}', 'a.b', 'KEY', ${call}, true)`);
const toggle = (isOff: boolean) => ofResults(`toggle(11, '${cluster}', 'a.b', 'KEY', ${isOff}, true)`);
const report = (minutes: number, hit: string) =>
  `insert into aggregator.report (org_id, cluster, report, last_checked_at)
   values (11, '${cluster}', '{"reports": [{"component": "a.b.${hit}.report", "key": "KEY"}]}',
     date_trunc('hour', now() at time zone 'UTC') - interval '${minutes} minutes')
   returning 'stored' as answer`;

const groups: Readonly<Record<string, Group>> = {
  acknowledgements: {
    given: {
      nothing: "",
      "an acknowledgement": ack("jim", "old"),
      "one by hand": "select acknowledge(11, 'b|KEY')",
    },
    writes: {
      acknowledge: ack("jane", "known"),
      "acknowledge otherwise": ack("john", "accepted"),
      "change it": ofResults("change_ack(11, 'a.b', 'KEY', 'changed')"),
      "take it back": ofResults("end_ack(11, 'a.b', 'KEY')"),
      "acknowledge by hand": "select acknowledge(11, 'b|KEY') as answer",
      "take it back by hand": "select unacknowledge(11, 'b|KEY') as answer",
    },
    state: `select d.rule_id, d.error_key, d.justification, d.created_by, d.updated_at is not null as changed,
        (select count(*)::integer from acknowledgement a where a.period @> now()) as held
      from rule_disable d order by 1, 2`,
    empty: "delete from rule_disable",
  },
  "rules of a cluster": {
    given: { nothing: "", off: toggle(true), "off and on": `${toggle(true)}; ${toggle(false)}` },
    writes: {
      "switch off": toggle(true),
      "switch on": toggle(false),
      "switch off by hand": `select acknowledge(11, 'a.b.report|KEY', '${cluster}') as answer`,
      "switch off by its name": `select acknowledge(11, 'b|KEY', '${cluster}') as answer`,
      "switch on by hand": `select unacknowledge(11, 'a.b.report|KEY', '${cluster}') as answer`,
    },
    state: `select t.rule_id, t.error_key, t.disabled, t.enabled_at is not null as was_on,
        (select count(*)::integer from acknowledgement a where a.period @> now()) as held
      from cluster_rule_toggle t order by 1, 2`,
    empty: "delete from cluster_rule_toggle",
  },
  votes: {
    given: { nothing: "", "a vote": vote("1, 'old'") },
    writes: {
      like: vote("1, ''"),
      "dislike with a text": vote("-1, 'wrong'"),
      "insert one": `insert into aggregator.cluster_rule_user_feedback
          (cluster_id, rule_id, error_key, user_id, org_id, message, user_vote)
        values ('${cluster}', 'a.b', 'KEY', 'u-1', '11', 'inserted', 0) returning 'stored' as answer`,
    },
    state: "select user_id, user_vote, message from cluster_rule_user_feedback order by 1",
    empty: "delete from cluster_rule_user_feedback",
  },
  reasons: {
    given: { nothing: "" },
    writes: Object.fromEntries(
      ["one", "two"].map((text) => [
        text,
        ofResults(`disable_feedback(11, 'u-1', '${cluster}', 'a.b', 'KEY', '${text}', true)`),
      ]),
    ),
    state: "select user_id, message from cluster_user_rule_disable_feedback",
    empty: "delete from cluster_user_rule_disable_feedback",
  },
  ratings: {
    given: { nothing: "", "a rating": ofResults("rate(11, 'a.b', 'KEY', 0)") },
    writes: { good: ofResults("rate(11, 'a.b', 'KEY', 1)"), bad: ofResults("rate(11, 'a.b', 'KEY', -1)") },
    state: "select org_id, rating from advisor_ratings",
    empty: "delete from advisor_ratings",
  },
  tokens: {
    given: { "a token": "select add_api_token(sha256('a'), 11, 'x')" },
    writes: {
      revoke: "select revoke_api_token(11, 'x') as answer",
      "revoke it": "select revoke_api_token(11, 'x') as answer",
      "add another": "select add_api_token(sha256(gen_random_uuid()::text::bytea), 11, 'x') as answer",
    },
    state: "select revoked_at is not null as revoked from api_token order by 1",
    empty: "delete from api_token",
  },
  reports: {
    given: { "an old one": report(200, "first") },
    writes: {
      newer: report(100, "second"),
      newest: report(90, "third"),
      older: report(300, "zeroth"),
      "its version": `insert into aggregator.report_info (org_id, cluster_id, version_info)
        values (11, '${cluster}', '4.17.3') returning 'stored' as answer`,
    },
    state: `select l.cluster_version, extract(minute from l.updated_at)::integer as at,
        (select array_agg(r.rule_name order by 1) from issue i join rule r on r.id = i.rule_id
         where i.closed_at is null) as open
      from latest_report l where l.cluster = '${cluster}' and l.left_at is null`,
    empty: `select forget(cluster => '${cluster}')`,
  },
};

const plain = (answer: unknown) => JSON.stringify(answer).replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME");

/** The answer of a write in its transaction. */
const answerOf = async (db: PoolClient, text: string) => plain((await rows(db, text))[0]?.answer ?? null);

const isEndedOrWaits = async (db: PoolClient, pending: Promise<unknown>) => {
  const { processID } = db as unknown as { processID: number };
  let ended = false;
  const end = () => {
    ended = true;
  };
  pending.then(end, end);
  const waits = "select wait_event_type = 'Lock' from pg_stat_activity where pid = $1";
  await until(
    "the second one waits or has ended",
    async () => ended || (await value(database.pool, waits, [processID])) === true,
  );
};

for (const [name, { given, writes, state, empty }] of Object.entries(groups))
  test(`two requests at once about ${name} are answered as one after the other`, async (t) => {
    const [one, two] = [await database.pool.connect(), await database.pool.connect()];
    const prepare = async (text: string) => {
      await one.query(empty);
      if (text !== "") await one.query(text);
    };
    const outcome = async (answers: string[]) => [...answers, plain(await rows(one, state))];
    try {
      await one.query(
        `insert into latest_report (org_id, cluster, updated_at, received_at)
         values (11, '${cluster}', now() - interval '1 hour', now()) on conflict do nothing`,
      );
      for (const [before, prepared] of Object.entries(given))
        for (const [first, text] of Object.entries(writes))
          for (const [second, other] of Object.entries(writes)) {
            const serial: string[][] = [];
            await prepare(prepared);
            const [a, b] = [await answerOf(one, text), await answerOf(one, other)];
            serial.push(await outcome([a, b]));
            await prepare(prepared);
            const [d, c] = [await answerOf(one, other), await answerOf(one, text)];
            serial.push(await outcome([c, d]));
            await prepare(prepared);
            const alone = await outcome(["undone", await answerOf(one, other)]);
            for (const end of ["commit", "rollback"] as const) {
              await prepare(prepared);
              await one.query("begin");
              await two.query("begin");
              const answered = await answerOf(one, text);
              const pending = answerOf(two, other);
              await isEndedOrWaits(two, pending);
              await one.query(end);
              const later = await pending;
              await two.query("commit");
              const found = await outcome([end === "commit" ? answered : "undone", later]);
              const wanted = end === "commit" ? serial : [alone];
              assert.ok(
                wanted.some((one) => JSON.stringify(one) === JSON.stringify(found)),
                `${before}: “${first}”, ${end}, “${second}” gave ${found}; one after the other: ${wanted.join(" or ")}`,
              );
            }
          }
      t.diagnostic(`${Object.keys(given).length} × ${Object.keys(writes).length}² pairs`);
    } finally {
      for (const session of [one, two]) {
        await session.query("rollback");
        session.release();
      }
    }
  });
