import type { EachMessagePayload } from "kafkajs";
import { expectedOf, reportKey } from "./expected.ts";
import type { Feed } from "./feed.ts";
import { idHeader } from "./feed.ts";
import type { Fleet } from "./fleet.ts";
import { readTopic } from "./quiet.ts";
import type { Exit } from "./role.ts";
import type { Stage } from "./stage.ts";
import { type Analysis, compareUploads, resultIn, storedOtherwise } from "./upload_books.ts";
import type { Uploads } from "./uploads.ts";
import { receivedBy } from "./wire.ts";

export type Books = {
  messages: number;
  stored: number;
  rejected: number;
  lost: number;
  /** answered with 202 */
  uploads: number;
  uploads_lost: number;
  results_differ: number;
  /** results that were published again with the same content */
  results_again: number;
  notified: number;
  notified_twice: number;
  resent_same_id: number;
  /** What does not balance, in sentences; empty when all is well. */
  wrong: string[];
};

/** A target, a cluster and an issue of it. */
const ledger = `select n.target_id || ' ' || i.cluster || ' ' || r.rule_name || '|' || r.error_key as notification,
    count(*)::integer as times,
    (select count(*) from chaos.moved_clock c
      where c.issue_id = n.issue_id and c.target_id = n.target_id)::integer as moved
  from notified_issue n
  join issue i on i.id = n.issue_id
  join rule r on r.id = i.rule_id
  where n.live and not n.resolved
  group by n.issue_id, n.target_id, i.cluster, r.rule_name, r.error_key`;

/** Notes what was found of something of which there should be nothing. */
type Check = (what: string, found: readonly unknown[]) => void;

/**
 * Compares what was uploaded and put on the topic, what the database holds and what the receivers got, when
 * all is quiet.
 */
export async function balance(stage: Stage, fleet: Fleet, feed: Feed, uploads: Uploads): Promise<Books> {
  const wrong: string[] = [];
  const check: Check = (what, found) => {
    if (found.length > 0)
      wrong.push(`${what}: ${found.length}, such as ${JSON.stringify(found.slice(0, 3))}`);
  };
  const topic = await readTopic(stage, stage.topics.results);
  const expected = expectedOf(topic, fleet.made);
  const onTopic = new Set(topic.map(({ message }) => String(message.headers?.[idHeader])));
  check(
    "messages that the broker acknowledged and then lost",
    [...feed.acknowledged].filter((id) => !onTopic.has(id)),
  );

  const uploaded = await balanceUploads(stage, uploads, topic, check);

  // what came in
  const reports = await stage.inCells(
    `select org_id, cluster, extract(epoch from updated_at) * 1000 as ms, coalesce(report::jsonb ->> 'chaos', request_id) as id
     from new_reports`,
  );
  const stored = new Map(
    reports.map(({ org_id, cluster, ms, id }) => [
      reportKey(org_id, cluster, Math.round(Number(ms))),
      String(id),
    ]),
  );
  const missing = [...expected.reports.keys()].filter((key) => !stored.has(key));
  check("accepted messages that are not stored", missing);
  check(
    "reports with other content than their last message",
    [...expected.reports].filter(([key, id]) => stored.has(key) && stored.get(key) !== id),
  );
  check(
    "reports that nobody sent",
    [...stored.keys()].filter((key) => !expected.reports.has(key)),
  );
  const refused = await stage.inCells(
    "select partition || '/' || kafka_offset as at, reason from rejected_message where stored_at is null",
  );
  const { unrejected, otherwise, again } = compareRejected(
    expected.rejected,
    refused.map(({ at, reason }) => [String(at), String(reason)]),
  );
  check("bad messages that are not in rejected_message", unrejected);
  check("rejected for another reason, or for none", otherwise);
  check("rejected more than once", again);

  // what is known of it
  const open = await stage.inCells(
    `select i.cluster || ' ' || r.rule_name || '|' || r.error_key as issue
     from issue i join rule r on r.id = i.rule_id where i.closed_at is null`,
  );
  const isOpen = new Set(open.map(({ issue }) => String(issue)));
  check(
    "open issues that are not known",
    [...expected.open].filter((issue) => !isOpen.has(issue)),
  );
  check(
    "issues that are not open any more",
    [...isOpen].filter((issue) => !expected.open.has(issue)),
  );
  check("rows in drift", await stage.inCells("select * from drift"));
  check(
    "notifications that did not end as sent",
    await stage.inCells(
      "select id, target_id, state, failure, last_error, attempts from notification where state not in ('sent', 'withdrawn')",
    ),
  );
  check(
    "jobs left over",
    (await stage.inCells("select task_identifier, key, attempts from graphile_worker.jobs")).slice(
      10 * stage.groups.results.length,
    ),
  );

  // what was notified
  const entries = await stage.inCells(ledger);
  const times = new Map(entries.map(({ notification, times }) => [String(notification), Number(times)]));
  const moved = new Map(entries.map(({ notification, moved }) => [String(notification), Number(moved)]));
  const received = await receivedBy(stage);
  const sent = await stage.inCells(
    `select n.message_id::text as id, n.target_id, n.cluster,
       array_agg(r.rule_name || '|' || r.error_key order by 1) as issues
     from notification n
     join notified_issue l on l.notification_id = n.id and not l.left_out
     join issue i on i.id = l.issue_id
     join rule r on r.id = i.rule_id
     group by n.id`,
  );
  const outbox = new Map(
    sent.map(({ id, target_id, cluster, issues }) => [
      String(id),
      `${target_id} ${cluster} ${(issues as string[]).toSorted()}`,
    ]),
  );
  const contentOf = ({ target, cluster, issues }: (typeof received)[number]) =>
    `${target} ${cluster} ${issues.toSorted()}`;
  check(
    "received, but not what the outbox says",
    received.filter((message) => outbox.get(message.id) !== contentOf(message)),
  );
  const distinct = new Map(received.map((message) => [message.id, message]));
  check(
    "sent, but not received",
    [...outbox.keys()].filter((id) => !distinct.has(id)),
  );
  check("requests that a correct client would not make", stage.receiver.unexpected);

  const toldTimes = new Map<string, number>();
  for (const { target, cluster, issues } of distinct.values())
    for (const issue of issues) {
      const notification = `${target} ${cluster} ${issue}`;
      toldTimes.set(notification, (toldTimes.get(notification) ?? 0) + 1);
    }
  let unnotified = 0;
  let toldTwice = 0;
  const all = new Set([...expected.toNotify, ...toldTimes.keys(), ...times.keys()]);
  const notOnce: unknown[] = [];
  for (const notification of all) {
    const found = toldTimes.get(notification) ?? 0;
    // once, and once more for every cooldown that was made to end; what is gone at the end may not have come
    // to it
    const most = 1 + (moved.get(notification) ?? 0);
    const least = expected.toNotify.has(notification) ? most : most - 1;
    unnotified += Math.max(0, least - found);
    toldTwice += Math.max(0, found - most);
    if (found < least || found > most || found !== (times.get(notification) ?? 0))
      notOnce.push({ notification, received: found, ledger: times.get(notification), least, most });
  }
  check("issues not notified once per cooldown", notOnce);
  return {
    messages: expected.messages,
    stored: stored.size,
    rejected: refused.length,
    lost: missing.length + unrejected.length + unnotified,
    ...uploaded,
    notified: [...toldTimes.values()].reduce((sum, count) => sum + count, 0),
    notified_twice: toldTwice,
    resent_same_id: received.length - distinct.size,
    wrong,
  };
}

/** The first half of the way: from the answer of the ingress to the topic of results, and what is stored of it. */
async function balanceUploads(stage: Stage, uploads: Uploads, topic: EachMessagePayload[], check: Check) {
  const results = topic.flatMap((payload) => resultIn(payload) ?? []);
  const accepted = [...uploads.made.values()].filter(({ id }) => uploads.accepted.has(id));
  check("uploads that were not answered as they should be", uploads.unexpected);

  const archives = await stage.query(
    "select request_id as id, encode(sha256, 'hex') as sha256, store from archive",
  );
  const kept = new Map(archives.map(({ id, sha256 }) => [String(id), String(sha256)]));
  check(
    "accepted uploads without their archive",
    accepted.filter(({ id, sha256 }) => kept.get(id) !== sha256).map(({ id }) => id),
  );
  check(
    "archives that nobody uploaded",
    [...kept.keys()].filter((id) => !uploads.made.has(id)),
  );
  check(
    "announcements that were not sent",
    await stage.query("select request_id, failure, error from upload_message where sent_at is null"),
  );
  const announced = new Map<string, string>();
  const otherwise: string[] = [];
  for (const { message } of await readTopic(stage, stage.topics.announcements)) {
    const text = String(message.value);
    const { request_id } = JSON.parse(text) as { request_id: string };
    if ((announced.get(request_id) ?? text) !== text) otherwise.push(request_id);
    announced.set(request_id, text);
  }
  check("announced again with another content", otherwise);

  const analyses = await stage.query(
    `select a.request_id as id, a.state, a.failure,
       array(select f.component from rule_failure f where f.analysis_id = a.id
         union all
         select s.rule from chaos.suspended s
         where a.analyzed_at >= s.since and a.started_at <= coalesce(s.until, 'infinity')) as "failedRules"
     from analysis a`,
  );
  const compared = compareUploads(accepted, results, analyses as Analysis[]);
  for (const [what, found] of Object.entries(compared.otherwise)) check(what, found);
  check("accepted uploads of which nothing came", compared.lost);
  check("results that were published with different contents", compared.differ);
  const stored = await stage.inCells(
    "select request_id as id, report from new_reports where request_id is not null",
  );
  check(
    "results that are stored with another content",
    storedOtherwise(results, new Map(stored.map(({ id, report }) => [String(id), String(report)]))),
  );
  return {
    uploads: accepted.length,
    uploads_lost: compared.lost.length,
    results_differ: compared.differ.length,
    results_again: compared.again,
  };
}

type Rejection = [at: string, reason: string];

/**
 * What is to be rejected and is not; rows with another reason than expected; rows of a position that had one
 * already.
 */
export function compareRejected(
  expected: ReadonlyMap<string, string>,
  rows: readonly Rejection[],
): { unrejected: string[]; otherwise: Rejection[]; again: Rejection[] } {
  const found = new Set(rows.map(([at]) => at));
  const seen = new Set<string>();
  return {
    unrejected: [...expected.keys()].filter((at) => !found.has(at)),
    otherwise: rows.filter(([at, reason]) => expected.get(at) !== reason),
    again: rows.filter(([at]) => seen.size === seen.add(at).size),
  };
}

/** Exits that nobody asked for and stops that took too long, in a line each. */
export function summaryOfExits(exits: readonly Exit[]): string[] {
  return exits.map(({ role, how, said }) => `${role} ${how}: ${said.replaceAll("\n", " ").slice(0, 600)}`);
}
