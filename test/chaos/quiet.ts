import assert from "node:assert/strict";
import type kafkajs from "kafkajs";
import { until } from "../support/until.ts";
import { evict } from "./faults.ts";
import { loadRules } from "./rules.ts";
import type { Stage } from "./stage.ts";
import type { Uploads } from "./uploads.ts";

/** What is still to be done; empty when nothing is. */
const left = `select json_strip_nulls(json_build_object(
  'undecided', nullif((select count(*) from decision_due), 0),
  'stuck', nullif((select count(*) from stuck_cluster), 0),
  'requested', nullif((select count(*) from decision_request where due_at <= now()), 0),
  'pending', nullif((select count(*) from notification where state = 'pending'), 0),
  'cooldowns over', nullif((select count(*) from notified_issue n, sweep_mark m
    where n.live and not n.resolved and upper(n.cooldown_period) between m.cooldowns_until and now() + interval '25 seconds'), 0),
  'rejected for now', nullif((select count(*) from rejected_message where retry_due_at is not null and stored_at is null), 0)
))::text as left`;

/** Good archives that were given up: by the third process that died with them, for one. */
const givenUp = "select id, failure, request_id from analysis where state = 'dead' and request_id = any ($1)";

/**
 * Waits until every upload is announced and analyzed, and its result is on the topic. What waits for its time
 * (the leases of the killed, back-offs) gets three minutes; then its time comes, and what was given up is
 * redriven.
 * @returns how many had to be redriven
 */
export async function uploadsQuiet(
  stage: Stage,
  uploads: Uploads,
  { hurry, say }: { hurry: boolean; say: (line: string) => void },
): Promise<number> {
  await loadRules(stage.query);
  const good = [...uploads.made.values()].flatMap(({ id, expect }) => ("hits" in expect ? [id] : []));
  const names = stage.analyzers.map(({ name }) => name);
  const left = async () => {
    const rows = await stage.query(
      `select waits_to_be, count(*)::integer from chaos.upload_under_way
       where waits_to_be <> 'stored' group by 1
       union all
       select 'given up', count(*)::integer from (${givenUp}) g having count(*) > 0`,
      [good],
    );
    return JSON.stringify(Object.fromEntries(rows.map(({ waits_to_be, count }) => [waits_to_be, count])));
  };
  let evicted = performance.now();
  const isDone = (ms: number) =>
    until(
      "nothing is left",
      async () => {
        if (hurry && performance.now() - evicted > 3_000) {
          await evict(stage, names);
          evicted = performance.now();
        }
        return (await left()) === "{}";
      },
      ms,
    ).catch(() => false);
  let redriven = 0;
  if (!(await isDone(hurry ? 0 : 180_000))) {
    for (let round = 1; (await left()) !== "{}"; round++) {
      say(`the time of uploads that still wait comes: ${await left()}`);
      assert.ok(round <= 6, `it does not end: ${await left()}`);
      const stopped = [...stage.analyzers, ...stage.workers];
      await Promise.all(stopped.map((role) => role.stop()));
      const dead = await stage.query(givenUp, [good]);
      for (const { failure, request_id } of dead) say(`redriven: ${request_id}, ${failure}`);
      redriven += dead.length;
      await stage.query("select from redrive_analyses($1)", [dead.map(({ id }) => id)]);
      await stage.query("update analysis set next_attempt_at = now() where next_attempt_at is not null");
      await stage.query("update upload_message set due_at = now() where due_at is not null");
      await stage.query("select ccx.wake_announcements()");
      for (const role of stopped) role.start();
      await isDone(20_000);
    }
  }
  say("every upload is analyzed and published");
  return redriven;
}

/** Who is in a transaction, since when, what it waits for, and whom it waits for. */
const underWay = `select pid, application_name as name, state, (clock_timestamp() - xact_start)::text as since,
    wait_event_type || ' ' || wait_event as waits, pg_blocking_pids(pid) as blocked_by, left(query, 200) as query
  from pg_stat_activity
  where datname = current_database() and xact_start is not null and pid <> pg_backend_pid() order by xact_start`;

/** The end of every partition of a topic. */
async function endsOf(stage: Stage, topic: string): Promise<Map<number, number>> {
  const admin = stage.client.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topic).finally(() => admin.disconnect());
  return new Map(offsets.map(({ partition, high }) => [partition, Number(high)]));
}

/**
 * Waits until everything on the topic is stored, decided and sent. What still waits for its time (back-offs,
 * the leases of the killed) gets three minutes; then its time comes: with no worker running, nobody holds a
 * lease. In a hurry nothing gets that time, nor do dead consumers their sessions in the group.
 */
export async function quiet(
  stage: Stage,
  { hurry, say }: { hurry: boolean; say: (line: string) => void },
): Promise<void> {
  const ends = await endsOf(stage, stage.topics.results);
  const stored = "select partition, next_offset::integer as next from consumer_offset where topic = $1";
  let evicted = performance.now();
  await until(
    "everything is stored",
    async () => {
      if (hurry && performance.now() - evicted > 3_000) {
        await evict(
          stage,
          stage.consumers.map(({ name }) => name),
        );
        evicted = performance.now();
      }
      const offsets = await stage.inCells(stored, [stage.topics.results]);
      return [...ends].every(
        ([partition, end]) =>
          end === 0 ||
          offsets.filter((offset) => offset.partition === partition && offset.next === end).length ===
            stage.groups.results.length,
      );
    },
    180_000,
  ).catch(async (error) => {
    say(`ends: ${JSON.stringify([...ends])}`);
    say(`stored: ${JSON.stringify(await stage.inCells(stored, [stage.topics.results]))}`);
    for (const { name, service } of stage.consumers)
      say(`${name}: ${JSON.stringify(service.lines.slice(-15))} ${service.stderr.slice(-500)}`);
    for (const line of await stage.inCells(underWay)) say(JSON.stringify(line));
    throw error;
  });
  say("everything is stored");
  const whatIsLeft = async () =>
    (await stage.inCells(left)).flatMap(({ left }) => (left === "{}" ? [] : [left])).join(", ");
  const isDone = (ms: number) =>
    until("nothing is left", async () => (await whatIsLeft()) === "", ms).catch(() => false);
  if (!(await isDone(hurry ? 0 : 180_000))) {
    for (let round = 1; (await whatIsLeft()) !== ""; round++) {
      say(`the time of what still waits comes: ${await whatIsLeft()}`);
      assert.ok(round <= 6, `it does not end: ${await whatIsLeft()}`);
      await Promise.all(stage.workers.map((worker) => worker.stop()));
      await stage.inCells("update notification set next_attempt_at = now() where state = 'pending'");
      await stage.inCells("select retry_stuck(null, null)");
      // the sweep of the next minute tries them
      await stage.inCells("update rejected_message set retry_due_at = now() where retry_due_at > now()");
      await stage.inCells("select ccx.sweep()");
      for (const worker of stage.workers) worker.start();
      await isDone(20_000);
    }
  }
  say("everything is decided and sent");
  for (const groupId of stage.groups.results)
    await until(`Kafka knows how far the group ${groupId} came`, async () => {
      const admin = stage.client.admin();
      await admin.connect();
      const [topic] = await admin
        .fetchOffsets({ groupId, topics: [stage.topics.results] })
        .finally(() => admin.disconnect());
      return topic?.partitions.every(
        ({ partition, offset }) => Math.max(0, Number(offset)) === ends.get(partition),
      );
    });
}

/** All messages of a topic. */
export async function readTopic(stage: Stage, topic: string): Promise<kafkajs.EachMessagePayload[]> {
  const ends = await endsOf(stage, topic);
  // by place: a consumer that begins again, as behind a batch that takes long, reads some of them twice
  const read = new Map<string, kafkajs.EachMessagePayload>();
  const wanted = [...ends.values()].reduce((sum, end) => sum + end, 0);
  const consumer = stage.client.consumer({ groupId: `books.${topic}.${Date.now()}`, maxWaitTimeInMs: 100 });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      eachMessage: async (payload) => {
        const { partition, message } = payload;
        // what came after the look at the ends would stand for what is not read yet
        if (Number(message.offset) < (ends.get(partition) ?? 0))
          read.set(`${partition}/${message.offset}`, payload);
      },
    });
    await until(`${wanted} messages of ${topic}`, () => read.size >= wanted);
  } finally {
    await consumer.disconnect();
  }
  return [...read.values()];
}
