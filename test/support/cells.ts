import { below, pick } from "../../dev/samples/random.ts";
import { adoptCell } from "../../src/cell/sql.ts";
import { initFleet } from "../../src/db/init_fleet.ts";
import { attach } from "../../src/fleet/sql.ts";
import { createLogger } from "../../src/log.ts";
import { aMessage, type Row } from "./builders.ts";
import { openDatabase, type TestDatabase } from "./database.ts";

/** Databases that share the buckets at random. */
export async function openCells(
  count: number,
  random: () => number,
): Promise<(TestDatabase & AsyncDisposable)[]> {
  const owner = Array.from({ length: 256 }, (_, bucket) => (bucket < count ? bucket : below(random, count)));
  return Promise.all(
    Array.from({ length: count }, async (_, nth) => {
      const cell = await openDatabase({ poolSize: 2 });
      const mine = owner.flatMap((cellOf, bucket) => (cellOf === nth ? [`[${bucket},${bucket + 1})`] : []));
      if (count > 1) await adoptCell(cell.pool, `cell-${nth}`, `{${mine.join(",")}}`, nth === 0);
      return cell;
    }),
  );
}

/** A fleet database, and these cells attached under their own names. */
export async function openFleet(
  cells: readonly TestDatabase[] = [],
): Promise<TestDatabase & AsyncDisposable> {
  const fleet = await openDatabase({ empty: true });
  await initFleet(fleet.pool, createLogger("silent"));
  for (const [nth, { url }] of cells.entries()) await attachCell(fleet, `cell-${nth}`, url);
  return fleet;
}

/** Attaches the database of this URL; `more` replaces parts of it, such as its port by that of a proxy. */
export async function attachCell(
  fleet: TestDatabase,
  cell: string,
  url: string,
  more: Partial<Parameters<typeof attach>[1]> = {},
): Promise<void> {
  const { hostname: host, port, username: login, pathname } = new URL(url);
  await attach(fleet.pool, {
    ...{ cell, host, port: Number(port), dbname: pathname.slice(1), login, settingsLogin: login },
    ...{ password: undefined, settingsPassword: undefined },
    ...more,
  });
}

export const minute = (nth: number) => new Date(Date.UTC(2026, 2, 1, 12, nth)).toISOString();
export const rules = ["disk", "net", "cpu", "etcd"];

export type Batch = { at: string; partition: number; messages: Row[] };

/** Batches of two partitions: reports, late and again and replaced ones, rejected ones, with and without cluster. */
export function aFeed(random: () => number): Batch[] {
  const clusters = Array.from({ length: 40 }, (_, nth) => ({ org: 1 + (nth % 3), name: uuid(random) }));
  const offsets = new Map([
    [3, 0],
    [200, 0],
  ]);
  const feed: Batch[] = [];
  for (let nth = 1; nth <= 16; nth++) {
    const partition = pick(random, [3, 200]);
    const messages = Array.from({ length: 1 + below(random, 40) }, (): Row => {
      const offset = offsets.get(partition) ?? 0;
      offsets.set(partition, offset + 1);
      const { org, name } = pick(random, clusters);
      if (random() < 0.15) {
        const owner = random() < 0.5 ? { org_id: org, cluster: name } : {};
        const bytes = Buffer.from(`broken ${offset}`).toString("base64");
        return { kafka_offset: offset, reason: "not_json", detail: "it is not", value: bytes, ...owner };
      }
      const hits = rules.filter(() => random() < 0.4);
      return aMessage(offset, name, minute(below(random, nth + 1) * 3), hits, { org_id: org });
    });
    feed.push({ at: minute(nth * 3), partition, messages });
    const before = feed.filter((batch) => batch.partition === partition);
    if (random() < 0.3) feed.push({ ...pick(random, before), at: minute(nth * 3) });
  }
  return feed;
}

export function uuid(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => below(random, 16).toString(16)).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
