import { randomBytes } from "node:crypto";
import { Agent, request } from "node:http";
import { createTopics } from "../dev/embedded.ts";
import { findPorts } from "../dev/stack/server.ts";
import { until } from "../test/support/until.ts";
import { archivePart, form, formType, identity } from "../test/support/upload.ts";
import { type Options, type Report, type Result, result } from "./report.ts";
import { connect, openBenchServers, settings } from "./support/bench_database.ts";
import { startProcess } from "./support/processes.ts";

const runs = 3;
const clients = 8;
const archiveBytes = 100_000;
const largeBytes = 104_857_600;

/**
 * Uploads to one `ccx serve`, announced by one `ccx work`, into the store that is the database: 2,000 of 100 KB,
 * times `scale`, from eight clients, each of which sends the next one when the last one is answered; then one of
 * 100 MB. Says how many a second are accepted and how long their clients wait, how long it takes from the answer
 * until all are announced, and the most memory that the process had.
 */
export async function run({ scale }: Options): Promise<Report> {
  const count = Math.max(50, Math.round(2_000 * scale));
  await using servers = await openBenchServers({ kafka: true });
  await using database = await servers.createMigrated();
  await using client = await connect(database.url);
  const machine = await settings(client);
  const [announce, status] = ["announce", "status"].map((name) => `ccx.bench.upload.${process.pid}.${name}`);
  const topics = await createTopics(servers.brokers, [announce ?? "", status ?? ""]);
  try {
    const [port] = await findPorts(1);
    const env = {
      DATABASE_URL: database.url,
      KAFKA_BROKERS: servers.brokers,
      CCX_ANNOUNCE_TOPIC: announce,
      CCX_PAYLOAD_STATUS_TOPIC: status,
    };
    await using serve = startProcess("serve", { ...env, CCX_HTTP_PORT: String(port) });
    await using work = startProcess("work", env);
    await serve.service.says("running");
    await work.service.says("running");
    const url = `http://127.0.0.1:${port}/api/ingress/v1/upload`;
    const announced = async (atLeast: number) => {
      const waiting = "select from upload_message where due_at is not null limit 1";
      const sent =
        "select count(*)::integer as n from upload_message where kind = 'announcement' and sent_at is not null";
      await until(
        "all are announced",
        async () =>
          Number((await client.query<{ n: number }>(sent)).rows[0]?.n) >= atLeast &&
          (await client.query(waiting)).rowCount === 0,
        120_000,
      );
    };

    await uploads(url, 50); // what a first upload starts does not count
    await announced(50);
    const figures = {
      rate: [] as number[],
      p50: [] as number[],
      p99: [] as number[],
      behind: [] as number[],
    };
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      const waits = await uploads(url, count);
      const ended = performance.now();
      await announced(50 + (run + 1) * count);
      figures.rate.push(count / ((ended - began) / 1_000));
      figures.p50.push(quantile(waits, 0.5));
      figures.p99.push(quantile(waits, 0.99));
      figures.behind.push(performance.now() - ended);
    }
    const afterSmall = await serve.service.peakMemory();
    const large: number[] = [];
    for (let run = 0; run < runs; run++) {
      const began = performance.now();
      await send(url, form([archivePart(randomBytes(largeBytes))]));
      large.push(performance.now() - began);
    }
    const afterLarge = await serve.service.peakMemory();
    await serve.service.stop();
    await work.service.stop();
    const what = `${count} uploads of 100 KB, ${clients} clients`;
    const results: Result[] = [
      result(`${what}, accepted`, "uploads/s", figures.rate),
      result(`${what}, answer p50`, "ms", figures.p50),
      result(`${what}, answer p99`, "ms", figures.p99),
      result(`${what}, the last announced after`, "ms", figures.behind),
      result("one upload of 100 MB", "ms", large),
      result("most memory, uploads of 100 KB", "MB", [afterSmall / 1e6]),
      result("most memory, uploads of 100 MB", "MB", [afterLarge / 1e6]),
    ];
    return { results, ratios: { large_to_small_memory: afterLarge / afterSmall }, machine };
  } finally {
    await topics.drop();
  }
}

/** How long each of so many uploads took, in milliseconds. */
async function uploads(url: string, count: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true });
  const waits: number[] = [];
  let left = count;
  const one = async (): Promise<void> => {
    while (left-- > 0) {
      const body = form([
        archivePart(randomBytes(archiveBytes)),
        { name: "metadata", body: '{"custom_metadata":{"gathering_time":"2026-11-27T07:31:46Z"}}' },
      ]);
      const began = performance.now();
      await send(url, body, agent);
      waits.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: clients }, one));
  agent.destroy();
  return waits;
}

function send(url: string, body: Buffer, agent?: Agent): Promise<void> {
  const headers = {
    "content-type": formType,
    "x-rh-identity": identity("42"),
    "content-length": body.length,
  };
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: "POST", headers, ...(agent && { agent }) }, (answer) => {
      answer.resume().once("end", () => {
        if (answer.statusCode === 202) resolve();
        else reject(new Error(`an upload was answered with ${answer.statusCode}`));
      });
    });
    sent.once("error", reject);
    sent.end(body);
  });
}

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
