import assert from "node:assert/strict";
import { test } from "node:test";
import type { PoolClient } from "pg";
import { fillOutbox } from "../../bench/support/outbox.ts";
import { startServiceLogReceiver } from "../../dev/stack/service_log_receiver.ts";
import { rows } from "../support/builders.ts";
import { rolledBack, type TestDatabase, testDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";
import { Service } from "../support/service.ts";
import { until } from "../support/until.ts";
import { transactionsOn, type Work, workOf } from "../support/work.ts";

const small = testDatabase();
const large = testDatabase();
const targets = ["notifications backend", "service log"];
const atATime = 50;

let made: Promise<unknown> | undefined;

function fleets(): Promise<unknown> {
  made ??= Promise.all([fill(small, 300), fill(large, 2_000)]);
  return made;
}

async function fill({ pool }: TestDatabase, clusters: number): Promise<void> {
  await withClient(pool, (client) => fillOutbox(client, clusters));
}

async function withClient<T>(
  pool: TestDatabase["pool"],
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    return await work(client);
  } finally {
    client.release();
  }
}

test("an outbox as the benchmark fills it has something for each target", async () => {
  await fleets();
  const waiting = await rows(
    large.pool,
    `select t.name, count(*)::integer as count from notification n join event_targets t on t.id = n.target_id
     where n.state = 'pending' group by t.name order by t.name`,
  );
  assert.deepEqual(
    waiting.map(({ name }) => name),
    targets,
  );
  for (const { name, count } of waiting) assert.ok(Number(count) >= 600, `${count} for ${name}`);
});

/** The second claim and settlement of so many messages; the first fill the caches. */
async function workOfDelivery(db: PoolClient, target: string): Promise<{ claim: Work; settle: Work }> {
  const claim = () => workOf(db, `select * from claim_notifications('${target}', ${atATime})`);
  const settle = async () => {
    const [claimed] = await rows(
      db,
      `select jsonb_agg(jsonb_build_object('id', n.id, 'attempt', n.attempts, 'sent', true, 'result', '{}'::jsonb))::text
         as outcomes
       from notification n where n.state = 'pending' and n.attempts = 1`,
    );
    return workOf(db, "select * from settle_notifications($1::jsonb)", [claimed?.outcomes]);
  };
  await claim();
  await settle();
  return { claim: await claim(), settle: await settle() };
}

for (const target of targets)
  test(`what it costs to deliver to the ${target} does not depend on how much was notified before`, async () => {
    await fleets();
    const [few, many] = await Promise.all(
      [small, large].map(({ pool }) => rolledBack(pool, (db) => workOfDelivery(db, target))),
    );
    assert.ok(few && many);
    for (const part of ["claim", "settle"] as const) {
      const [before, after] = [few[part].pages, many[part].pages];
      assert.ok(after < 1.4 * before, `${part}: ${before} pages became ${after}`);
    }
    for (const [table, count] of Object.entries({ ...many.claim.scanned, ...many.settle.scanned }))
      assert.ok(count <= 20 * atATime, `${count} rows of ${table} were read from end to end`);
  });

/** How many transactions a worker needs for so many messages of what waits. */
async function transactionsOf(target: string, most: number, env: Record<string, string>): Promise<number> {
  await large.pool.query(
    `update notification set next_attempt_at = now() + case when id = any (array(
       select n.id from notification n join event_targets t on t.id = n.target_id
       where n.state = 'pending' and t.name = $1 order by n.id limit $2)) then interval '0' else interval '1 day' end
     where state = 'pending'`,
    [target, most],
  );
  await large.pool.query("select wake_delivery($1)", [target]);
  const transactions = transactionsOn(large, small.pool, "ccx work");
  const before = await transactions.committed();
  const worker = new Service("work", { ...env, DATABASE_URL: large.url });
  try {
    await until(
      `${most} are sent`,
      () =>
        worker
          .said("delivered")
          .filter((line) => line.target === target)
          .reduce((sum, line) => sum + Number(line.sent), 0) === most,
    );
    await worker.stop();
  } finally {
    await worker.kill();
  }
  return (await transactions.afterTheEnd()) - before;
}

/** Starting and stopping a worker, and what it does every second; 55 were seen on a busy machine. */
const besides = 150;

test("messages share their transactions; a post has one and a half of its own at most", async () => {
  await fleets();
  await using topics = await openTopics();
  const receiver = await startServiceLogReceiver();
  try {
    const kafka = { KAFKA_BROKERS: topics.brokers, CCX_NOTIFICATIONS_TOPIC: topics.notifications };
    const posts = 400;
    const byHttp = await transactionsOf("service log", posts, {
      ...kafka,
      CCX_SERVICE_LOG_URL: receiver.url,
      CCX_SERVICE_LOG_TOKEN_URL: receiver.tokenUrl,
      CCX_SERVICE_LOG_CLIENT_ID: "ccx",
      CCX_SERVICE_LOG_CLIENT_SECRET: "not-a-secret",
    });
    assert.equal(receiver.entries.length, posts);
    assert.deepEqual(receiver.unexpected, []);
    // what is answered while others are settled is settled together
    assert.ok(byHttp <= 1.5 * posts + besides, `${byHttp} transactions for ${posts} posts`);

    const messages = 1_000;
    const byBroker = await transactionsOf("notifications backend", messages, kafka);
    assert.ok(byBroker <= besides, `${byBroker} transactions for ${messages} messages`);
  } finally {
    await receiver.stop();
  }
});
