import assert from "node:assert/strict";
import { test } from "node:test";
import { finished } from "../support/command.ts";
import { startContentService } from "../support/content_service.ts";
import { openDatabase } from "../support/database.ts";
import { openTopics } from "../support/kafka.ts";

const clusters = 20_000;
/** One cluster in so many has a report whose issue is above the threshold. */
const notifiedEvery = 10;

const program = new URL("../../bin/ccx-notification-service.js", import.meta.url).pathname;
/** Writes what the process needed at most, in KiB. */
const printMemory = `data:text/javascript,process.on("exit",()=>console.error("memory",process.resourceUsage().maxRSS))`;

test(`one pass over ${clusters} clusters`, { timeout: 900_000 }, async (context) => {
  await using database = await openDatabase();
  await using topics = await openTopics();
  const content = await startContentService();
  try {
    const { hostname, port, pathname, username } = new URL(database.url);
    const env = Object.fromEntries(
      Object.entries({
        STORAGE__PG_HOST: hostname,
        STORAGE__PG_PORT: port,
        STORAGE__PG_DB_NAME: pathname.slice(1),
        STORAGE__PG_USERNAME: username,
        STORAGE__PG_PARAMS: "sslmode=disable",
        KAFKA_BROKER__ENABLED: "true",
        KAFKA_BROKER__ADDRESSES: topics.brokers,
        KAFKA_BROKER__TOPIC: topics.notifications,
        DEPENDENCIES__CONTENT_SERVER: content.origin.slice("http://".length),
      }).map(([name, value]) => [`CCX_NOTIFICATION_SERVICE__${name}`, value]),
    );
    await database.pool.query(
      `insert into new_reports (org_id, account_number, cluster, report, updated_at, kafka_offset)
       select n % 100, 7, gen_random_uuid(), case when n % $2 = 0 then $3 else '{"reports":[]}' end, now(), n
       from generate_series(1, $1::integer) n`,
      [
        clusters,
        notifiedEvery,
        JSON.stringify({
          reports: [{ type: "rule", component: "pkg.disk_full.report", key: "DISK_FULL", details: {} }],
        }),
      ],
    );
    const notified = clusters / notifiedEvery;
    for (const [sent, same] of [
      [notified, 0],
      [0, notified],
    ] as const) {
      const began = performance.now();
      const { code, stdout, stderr } = await finished(
        ["--import", printMemory, program, "--instant-reports", "--ignore-disabled-rules"],
        env,
      );
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      assert.equal(code, 0, stdout.slice(-2_000) + stderr.slice(-2_000));
      const mebibytes = Math.round(Number(/^memory (\d+)$/m.exec(stderr)?.[1]) / 1_024);
      context.diagnostic(`${clusters} clusters, ${sent} notified: ${seconds} s, ${mebibytes} MiB`);
      assert.equal((await topics.received.takeAll()).length, sent);
      const { rows } = await database.pool.query(
        `select count(*) filter (where state = 1)::integer as sent,
           count(*) filter (where state = 2)::integer as same from reported`,
      );
      assert.deepEqual(rows, [{ sent: notified, same }]);
      assert.ok(mebibytes < 400, `${mebibytes} MiB`);
    }
  } finally {
    await content.stop();
  }
});
