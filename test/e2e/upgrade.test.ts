import assert from "node:assert/strict";
import type { CodeObject } from "../../src/db/code_files.ts";
import { catalog } from "../support/catalog.ts";
import { changed, code, loadAll } from "../support/code.ts";
import { aCluster, aReport } from "../support/reports.ts";
import { type Scene, scenario } from "../support/scene.ts";
import type { LogLine } from "../support/service.ts";
import { until } from "../support/until.ts";

const loads = 5;
const portion = 10;

const names = (kinds: CodeObject["kind"][]) =>
  code.filter(({ kind }) => kinds.includes(kind)).map(({ name }) => name);

/** The code with another comment line in each object of these kinds: all that can be is replaced in place. */
function withLine(kinds: CodeObject["kind"][], line: string, objects: readonly CodeObject[] = code) {
  const change = (sql: string) =>
    sql.startsWith("create") ? sql.replace(/;$/m, ` /* ${line} */;`) : `-- ${line}\n${sql}`;
  return names(kinds).reduce<readonly CodeObject[]>((all, name) => changed(all, name, change), objects);
}

/** The name of a function of ours, whichever schema it is in. */
const functionCalled = (name: string) =>
  code.find((object) => object.kind === "function" && object.name.endsWith(`.${name}`))?.name ?? name;

/** What ingests, decides and delivers, with one argument more, which makes it another function. */
const withArgument = (objects: readonly CodeObject[]) =>
  ["ingest", "store_reports", "decide", "claim_notifications", "settle_notifications"].reduce(
    (all, name) =>
      changed(all, functionCalled(name), (sql) =>
        sql
          .replace(/\)(\s+)returns /, ", more integer default 0)$1returns ")
          .replace(/(comment on function [\w.]+\([^)]*)\)/, "$1, integer)"),
      ),
    objects,
  );

/** Views with one column more, which the next load has to drop again. */
const withColumn = (objects: readonly CodeObject[]) =>
  ["delivery_circuit", "delivery_gap", "noise"].reduce(
    (all, name) =>
      changed(all, `view public.${name}`, (sql) =>
        sql.replace(/ as\n([^;]*);/, " as\nselect it.*, 1 as more from (\n$1) it;"),
      ),
    objects,
  );

/** What the n-th release has: in turn what is replaced, what is dropped and created, and triggers. */
function releaseOf(nth: number): readonly CodeObject[] {
  const line = `release ${nth}`;
  switch (nth % 5) {
    case 0:
      return withLine(["function", "view", "comments"], line);
    case 1:
      return withColumn(withLine(["function"], line));
    case 2:
      return withLine(["function", "view", "type"], line);
    case 3:
      return withArgument(withLine(["view"], line));
    default:
      return withLine(["function", "view", "trigger"], line);
  }
}

/**
 * Sends messages until `isEnough`, a portion as soon as the one before is delivered to both targets, so that
 * at any time something is ingested, decided or delivered; resolves to the clusters, each of which has one
 * message.
 */
async function feed(scene: Scene, isEnough: () => boolean): Promise<string[]> {
  const clusters: string[] = [];
  const sent = "select count(*)::integer from notification where state = 'sent'";
  while (!isEnough()) {
    const more = Array.from({ length: portion }, aCluster);
    await scene.topics.produce(more.map((cluster) => aReport(cluster, ["bug"])));
    await until(
      "the portion before is delivered",
      async () => isEnough() || Number(await scene.value(sent)) >= 2 * clusters.length,
    );
    clusters.push(...more);
  }
  return clusters;
}

/** Once messages go out, loads one release after the other, each as soon as more arrive; sql/ is the last. */
async function upgrade(scene: Scene): Promise<void> {
  const stored = "select count(*)::integer from new_reports";
  const isSent = "select exists (select from notification where state = 'sent')";
  await until("messages go out", () => scene.value(isSent));
  for (let nth = 0; nth < loads; nth++) {
    const before = Number(await scene.value(stored));
    await until("there is traffic", async () => Number(await scene.value(stored)) > before);
    const { loaded } = await loadAll(scene.pool, releaseOf(nth));
    assert.ok(loaded.length > 20, `${loaded.length} objects of release ${nth}`);
  }
  await loadAll(scene.pool, code);
}

/** What the database has, but for the partitions of days, which the workers create. */
const objects = async (scene: Scene) => (await catalog(scene.pool)).filter((it) => !/_[0-9]{8}/.test(it));

/** True for what a service says of a release that is being loaded, and of nothing else. */
function isOfRelease({ level, msg, ...rest }: LogLine): boolean {
  if (level !== "warn" && level !== "error") return true;
  return /deadlock detected|lock timeout|cache lookup failed|could not open relation|tuple concurrently/.test(
    `${msg} ${rest.error}`,
  );
}

scenario(
  "while releases are loaded under a steady stream, nothing is lost, repeated or ended",
  { serviceLog: true },
  async (scene) => {
    const services = [scene.start("consume"), scene.start("work"), scene.start("work")] as const;
    await scene.pool.query(
      `select set_policy(name, '{"storm_share": null}', 'thousands are notified on purpose') from event_targets`,
    );
    for (const service of services) await service.says("running");
    await services[0].says("Consumer has joined the group");
    const before = await objects(scene);
    const linesBefore = services.map(({ lines }) => lines.length);

    let isDone = false;
    const upgrading = upgrade(scene).finally(() => {
      isDone = true;
    });
    const [unsorted] = await Promise.all([feed(scene, () => isDone), upgrading]);
    const clusters = unsorted.toSorted();
    await scene.consumed(clusters.length);
    assert.deepEqual(await objects(scene), before);

    await scene.quiet();
    const reports = await scene.rows('select cluster from new_reports order by cluster collate "C"');
    assert.deepEqual(
      reports.map(({ cluster }) => cluster),
      clusters,
      "every message is stored once",
    );
    assert.equal(await scene.value("select count(*)::integer from rejected_message"), 0);
    const notified = await scene.topics.received.take(clusters.length);
    assert.deepEqual(notified.map(({ cluster }) => cluster).toSorted(), clusters, "each is notified of once");
    assert.equal(new Set(notified.map(({ id }) => id)).size, clusters.length);
    const entries = scene.receiver.entries.map(({ body }) => body.cluster_uuid);
    assert.deepEqual(entries.toSorted(), clusters, "the Service Log has each once, too");

    for (const [nth, service] of services.entries()) {
      assert.ok(!service.hasEnded);
      const said = service.lines.slice(linesBefore[nth]);
      assert.deepEqual(
        said.filter((line) => !isOfRelease(line)),
        [],
      );
    }
    for (const service of services) await service.stop();
  },
);
