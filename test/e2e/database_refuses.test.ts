import assert from "node:assert/strict";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";

/** Somebody's trigger on new_reports, which raises this for reports of the account. */
async function addTrigger(scene: Scene, account: number, raise: string): Promise<void> {
  await scene.pool.query(
    `create function somebodys_trigger() returns trigger language plpgsql as $$
     begin
       if new.account_number = ${account} then ${raise}; end if;
       return new;
     end $$`,
  );
  await scene.pool.query(
    "create trigger somebodys before insert on new_reports for each row execute function somebodys_trigger()",
  );
}

/** The clusters of what is stored, in the order of the topic. */
async function stored(scene: Scene): Promise<unknown[]> {
  const rows = await scene.rows("select cluster from new_reports order by kafka_offset");
  return rows.map(({ cluster }) => cluster);
}

scenario(
  "a message that the database refuses is rejected alone, and the others are stored",
  {},
  async (scene) => {
    await scene.pool.query(
      "alter table new_reports add constraint not_thirteen check (account_number <> 13)",
    );
    await addTrigger(scene, 14, "raise exception 'nobody wants fourteen'");
    const clusters = Array.from({ length: 20 }, aCluster);
    const accounts = new Map([
      [5, 13],
      [6, 14],
      [17, 13],
    ]);
    await scene.topics.produce(
      clusters.map((cluster, nth) => aReport(cluster, ["bug"], { AccountNumber: accounts.get(nth) ?? 1 })),
    );
    const service = scene.start("run");
    await scene.consumed(20);
    assert.deepEqual(
      await stored(scene),
      clusters.filter((_, nth) => !accounts.has(nth)),
    );
    const rejected = await scene.rows(
      "select kafka_offset::integer as nth, reason, detail from rejected_message order by kafka_offset",
    );
    assert.deepEqual(
      rejected.map(({ nth, reason }) => [nth, reason]),
      [...accounts.keys()].map((nth) => [nth, "not_storable"]),
    );
    assert.match(String(rejected[0]?.detail), /violates check constraint "not_thirteen"/);
    assert.equal(rejected[1]?.detail, "nobody wants fourteen");
    const counts = { stored: 17, replaced: 0, unchanged: 0, rejected: 3, skipped: 0 };
    assert.deepEqual(await service.ingestedAll(20), counts);
    const notified = await scene.topics.received.take(17);
    assert.ok(!notified.some(({ cluster }) => accounts.has(clusters.indexOf(cluster))));
    await service.stop();
  },
);

scenario(
  "a fault that nobody foresaw puts aside the message that meets it, to be tried again",
  {},
  async (scene) => {
    await addTrigger(scene, 1, "raise exception 'a broken page' using errcode = 'XX000'");
    const clusters = Array.from({ length: 5 }, aCluster);
    await scene.topics.produce(
      clusters.map((cluster, nth) => aReport(cluster, ["tutorial"], { AccountNumber: nth === 3 ? 1 : 2 })),
    );
    const service = scene.start("consume");
    const line = await service.says("messages cannot be stored, nothing is lost, trying again");
    assert.deepEqual([line.level, line.code, line.error], ["error", "XX000", "a broken page"]);
    await scene.consumed(5);
    assert.deepEqual(await stored(scene), clusters.toSpliced(3, 1));
    assert.deepEqual(
      await scene.rows(
        `select kafka_offset, reason, detail, retry_due_at > now() as waits from rejected_message`,
      ),
      [{ kafka_offset: "3", reason: "not_storable", detail: "a broken page", waits: true }],
    );
    await service.stop();
  },
);
