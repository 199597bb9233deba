import assert from "node:assert/strict";
import { test } from "node:test";
import { type NotifiedResults, notifiedResults } from "../../bench/support/notified_results.ts";
import { type TestDatabase, testDatabase } from "../support/database.ts";
import { fleetDatabase } from "../support/fleets.ts";
import { openTopics } from "../support/kafka.ts";
import { Service } from "../support/service.ts";
import { transactionsOn } from "../support/work.ts";

const small = fleetDatabase(300);
const large = fleetDatabase(3_000);
const elsewhere = testDatabase();
const messages = 30;

async function resultsOf({ pool }: TestDatabase): Promise<NotifiedResults> {
  const client = await pool.connect();
  try {
    return await notifiedResults(client);
  } finally {
    client.release();
  }
}

/**
 * The transactions of a service that is sent results one after the other, each when the one before has been
 * notified.
 */
async function transactionsOf(
  database: TestDatabase,
  results: NotifiedResults,
  count: number,
): Promise<number> {
  await using topics = await openTopics();
  const transactions = transactionsOn(database, elsewhere.pool, "ccx analyze+consume+work+serve");
  const before = await transactions.committed();
  const service = new Service("run", {
    DATABASE_URL: database.url,
    KAFKA_BROKERS: topics.brokers,
    CCX_RESULTS_TOPIC: topics.results,
    CCX_NOTIFICATIONS_TOPIC: topics.notifications,
    CCX_CONSUMER_GROUP: topics.group,
  });
  try {
    for (let n = 0; n < count; n++) {
      const { cluster, value } = results.next();
      await topics.produce([value]);
      const [notified] = await topics.received.take(1);
      assert.equal(notified?.cluster, cluster);
    }
    await topics.received.assertNoMore();
    await service.stop();
  } finally {
    await service.kill();
  }
  return (await transactions.afterTheEnd()) - before;
}

test("a message needs few transactions on its way, however many clusters there are", async (t) => {
  const [few, many] = await Promise.all([small, large].map(resultsOf));
  assert.ok(few && many);
  const perMessage: number[] = [];
  for (const [database, results] of [
    [small, few],
    [large, many],
  ] as const) {
    const one = await transactionsOf(database, results, 1);
    perMessage.push(((await transactionsOf(database, results, 1 + messages)) - one) / messages);
  }
  t.diagnostic(`transactions for each message: ${perMessage.join(", ")}`);
  // 18 to 30: 13 are statements (one stores it, the others are decision, delivery, and their jobs); the rest
  // are connections that hear of them, several times or all at once, as it happens
  for (const count of perMessage) assert.ok(count <= 40, `${count} transactions for each message`);
});
