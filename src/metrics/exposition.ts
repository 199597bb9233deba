import type { Pool } from "pg";
import { Gauge, Registry } from "prom-client";
import type { PartitionEnds } from "../kafka/broker_probe.ts";
import { registry } from "./registry.ts";
import { collectMetrics, consumed, type Sample } from "./sql.ts";

/** What a scrape asks. */
export type Sources = {
  /** for nothing else, with a limit for each statement */
  pool: Pool;
  /** the topics that are consumed */
  topics: readonly string[];
  ends: (topic: string) => Promise<PartitionEnds[]>;
};

/**
 * All metrics of this process and of the database, as Prometheus reads them. What does not answer is missing,
 * and ccx_scrape_up says so: the process is scraped all the same.
 */
export async function exposition({ pool, topics, ends }: Sources): Promise<string> {
  const began = performance.now();
  const [database, ...lags] = await Promise.allSettled([
    collectMetrics(pool),
    ...topics.map((topic) => lag(pool, topic, ends)),
  ]);
  const scraped = new Registry();
  const set = (samples: readonly Sample[]) => addGauges(scraped, samples);
  if (database.status === "fulfilled") set(database.value);
  for (const one of lags) if (one.status === "fulfilled") set(one.value);
  const failed = lags.find(({ status }) => status === "rejected");
  const up = { database: database.status, lag: failed?.status ?? "fulfilled" };
  set(
    Object.entries(up).map(([source, status]) => ({
      name: "ccx_scrape_up",
      help: "Whether this source of metrics answered; if not, its metrics are missing",
      labels: { source },
      value: Number(status === "fulfilled"),
    })),
  );
  set([
    {
      name: "ccx_scrape_duration_seconds",
      help: "How long the database and the brokers took to answer this scrape",
      labels: {},
      value: (performance.now() - began) / 1_000,
    },
  ]);
  return `${await registry.metrics()}\n${await scraped.metrics()}`;
}

export const { contentType } = registry;

/**
 * By how many messages the database is behind each partition of the broker. The offsets come first: what is
 * consumed meanwhile does not look as if the topic had been made anew.
 */
async function lag(pool: Pool, topic: string, ends: Sources["ends"]): Promise<Sample[]> {
  const offsets = await consumed(pool, topic);
  const partitions = await ends(topic);
  const next = new Map(offsets.map(({ partition, next_offset }) => [partition, next_offset]));
  return partitions.map(({ partition, low, high }) => ({
    name: "ccx_consumer_lag_messages",
    help:
      "Messages of the partition that the broker has and the database has not; below 0: the topic is " +
      "another one",
    labels: { topic, partition: String(partition) },
    value: high - Math.max(next.get(String(partition)) ?? low, low),
  }));
}

function addGauges(to: Registry, samples: readonly Sample[]): void {
  for (const { name, help, labels, value } of samples) {
    const known = to.getSingleMetric(name) as Gauge | undefined;
    const gauge = known ?? new Gauge({ name, help, labelNames: Object.keys(labels), registers: [to] });
    gauge.set(labels, value);
  }
}
