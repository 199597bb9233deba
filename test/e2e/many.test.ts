import assert from "node:assert/strict";
import { test } from "node:test";
import { aCluster, aReport, type Hit } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import type { Service } from "../support/service.ts";
import { until } from "../support/until.ts";

const partitions = 3;
const hitsInTurn: Hit[][] = [
  ["bug"],
  ["proxy", "tutorial"],
  ["bug", "volume"],
  [],
  ["bug", "proxy", "volume"],
];
const clusters = Array.from({ length: 120 }, aCluster);

/**
 * Three reports of each cluster, in the order of its partition: what it has, the same again, and something
 * more.
 */
const rounds = [0, 0, 1].map((more) =>
  clusters.map((cluster, nth) => {
    const hits = new Set([nth, nth + more].flatMap((turn) => hitsInTurn[turn % hitsInTurn.length] ?? []));
    return { partition: nth % partitions, report: aReport(cluster, [...hits]) };
  }),
);

type Outcome = { stored: unknown; issues: unknown; ledger: unknown[]; notified: string[]; entries: string[] };
const outcomes: Outcome[] = [];

/** Sends everything through so many processes, and says what came of it, whoever did it. */
async function sendThrough(scene: Scene, consumers: number, workers: number): Promise<void> {
  const env = { CCX_BATCH_SIZE: "10" };
  const consuming = Array.from({ length: consumers }, () => scene.start("consume", { env }));
  const working = Array.from({ length: workers }, () => scene.start("work"));
  const processes = [...consuming, ...working];
  const haveSaid = (services: Service[], ...what: string[]) =>
    services.filter((service) => what.some((msg) => service.said(msg).length > 0));
  const busyWorkers = () => haveSaid(working, "decided", "delivered");
  await Promise.all(processes.map((service) => service.says("running")));
  await until("the partitions are shared", async () => (await scene.topics.members()).length === consumers);
  const consumeRounds = async (from: number, to: number) => {
    for (const round of rounds.slice(from, to))
      for (let partition = 0; partition < partitions; partition++) {
        const reports = round.filter((one) => one.partition === partition).map(({ report }) => report);
        await scene.topics.produce(reports, { partition });
      }
    await scene.consumed(to * clusters.length);
    await scene.quiet();
  };
  await consumeRounds(0, 2);
  // one may have been quick enough to do it all: what comes now is for the others
  const quickest = await until("a worker has worked", () => busyWorkers().at(0));
  if (workers > 1) quickest?.freeze();
  await consumeRounds(2, 3);
  quickest?.thaw();

  const issue = "i.cluster || ' ' || r.rule_name || '|' || r.error_key as issue";
  const notified = (await scene.topics.received.takeAll()).flatMap(({ cluster, issues }) =>
    issues.map((issue) => `${cluster} ${issue}`),
  );
  outcomes.push({
    stored: await scene.rows("select cluster, updated_at, report from new_reports order by 1, 2"),
    issues: await scene.rows(
      `select ${issue}, occurrence, closed_at from issue i join rule r on r.id = i.rule_id order by 1`,
    ),
    ledger: await scene.rows(
      `select target_id, ${issue}, n.occurrence from notified_issue n
       join issue i on i.id = n.issue_id join rule r on r.id = i.rule_id order by 1, 2`,
    ),
    notified: notified.sort(),
    entries: scene.receiver.entries.map(({ body }) => `${body.cluster_uuid} ${body.summary}`).sort(),
  });
  assert.deepEqual(await scene.rows("select * from drift"), []);
  assert.equal(haveSaid(consuming, "ingested").length, consumers, "every consumer had something to do");
  const leastBusy = Math.min(workers, 2);
  await until(
    `${leastBusy} of ${workers} workers had something to do`,
    () => busyWorkers().length >= leastBusy,
  );
  await Promise.all(processes.map((service) => service.stop()));
}

const options = { partitions, serviceLog: true };

scenario("one consumer and one worker tell every issue once", options, async (scene) => {
  await sendThrough(scene, 1, 1);
  const [one] = outcomes;
  assert.ok(one);
  assert.equal(new Set(one.notified).size, one.notified.length);
  assert.equal(new Set(one.entries).size, one.entries.length);
  assert.equal(one.ledger.length, one.notified.length + one.entries.length);
  assert.ok(one.notified.length > 150, `${one.notified.length} issues notified`);
});

scenario("two consumers and three workers at once do the same", options, (scene) => sendThrough(scene, 2, 3));

test("what came of it is exactly the same", () => {
  assert.equal(outcomes.length, 2);
  assert.deepEqual(outcomes[1], outcomes[0]);
});
