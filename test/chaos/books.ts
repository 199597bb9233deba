import { expectedOf, reportKey } from "./expected.ts";
import type { Feed } from "./feed.ts";
import { idHeader } from "./feed.ts";
import type { Fleet } from "./fleet.ts";
import { readTopic } from "./quiet.ts";
import type { Exit } from "./role.ts";
import type { Stage } from "./stage.ts";
import { receivedBy } from "./wire.ts";

export type Books = {
  messages: number;
  stored: number;
  rejected: number;
  lost: number;
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

/**
 * Compares what was put on the topic, what the database holds and what the receivers got, when all is quiet.
 */
export async function balance(stage: Stage, fleet: Fleet, feed: Feed): Promise<Books> {
  const wrong: string[] = [];
  const check = (what: string, found: readonly unknown[]) => {
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

  // what came in
  const reports = await stage.query(
    `select org_id, cluster, extract(epoch from updated_at) * 1000 as ms, report::jsonb ->> 'chaos' as id from new_reports`,
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
  const refused = await stage.query(
    "select partition || '/' || kafka_offset as at, reason from rejected_message",
  );
  const { unrejected, otherwise, again } = compareRejected(
    expected.rejected,
    refused.map(({ at, reason }) => [String(at), String(reason)]),
  );
  check("bad messages that are not in rejected_message", unrejected);
  check("rejected for another reason, or for none", otherwise);
  check("rejected more than once", again);

  // what is known of it
  const open = await stage.query(
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
  check("rows in drift", await stage.query("select * from drift"));
  check(
    "notifications that did not end as sent",
    await stage.query(
      "select id, target_id, state, failure, last_error, attempts from notification where state not in ('sent', 'withdrawn')",
    ),
  );
  check(
    "jobs left over",
    (await stage.query("select task_identifier, key, attempts from graphile_worker.jobs")).slice(10),
  );

  // what was notified
  const entries = await stage.query(ledger);
  const times = new Map(entries.map(({ notification, times }) => [String(notification), Number(times)]));
  const moved = new Map(entries.map(({ notification, moved }) => [String(notification), Number(moved)]));
  const received = await receivedBy(stage);
  const sent = await stage.query(
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
    notified: [...toldTimes.values()].reduce((sum, count) => sum + count, 0),
    notified_twice: toldTwice,
    resent_same_id: received.length - distinct.size,
    wrong,
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
