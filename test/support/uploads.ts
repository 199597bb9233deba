import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import kafkajs from "kafkajs";
import { type Header, pack } from "tar-stream";
import { resultViolations } from "./contract.ts";
import { leaveGroup } from "./kafka.ts";
import { until } from "./until.ts";

/** The two sample archives, and the clusters that they name. */
export const samples = {
  healthy: { file: "rapid-recommendations.tar.gz", cluster: "c25da893-5ba1-4229-9432-c8ec9334c4a0" },
  mixed: { file: "insights-operator-docs-sample.tar.gz", cluster: "d669cb71-8256-4e8b-a8df-333a5e2dd753" },
} as const;

const folder = process.env.TEST_ARCHIVES
  ? pathToFileURL(`${process.env.TEST_ARCHIVES}/`)
  : new URL("../../../shared/data/archive/", import.meta.url);

/** Why tests that need them are skipped; false: they are here. */
export const noSamples: string | false =
  !existsSync(folder) && "no shared/data/archive beside the checkout, and no TEST_ARCHIVES";

export const sampleArchive = (name: keyof typeof samples): Promise<Buffer> =>
  readFile(new URL(samples[name].file, folder));

/** The files of an archive, by name; a header in place of a text makes whatever it says. */
export type Contents =
  | Record<string, string | Buffer>
  | readonly (Partial<Header> & { name: string; body?: string })[];

/** A gzipped tar archive, or the tar archive itself. */
export async function archiveOf(contents: Contents, { gzip = true } = {}): Promise<Buffer> {
  const tar = pack();
  const entries = Array.isArray(contents)
    ? (contents as readonly (Partial<Header> & { name: string; body?: string })[])
    : Object.entries(contents as Record<string, string | Buffer>).map(([name, body]) => ({ name, body }));
  for (const { body = "", ...header } of entries) tar.entry(header, body);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  const bytes = Buffer.concat(chunks);
  return gzip ? gzipSync(bytes) : bytes;
}

/** How the stand-in answers for a path. */
export type Answer = Buffer | ((request: IncomingMessage, response: ServerResponse) => void);

/**
 * A stand-in for an object store: it serves archives by URL, and keeps books of who asked for what, and of
 * requests that nobody should have made.
 */
export async function startArchiveServer() {
  const answers = new Map<string, Answer>();
  const asked: string[] = [];
  const unexpected: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? "";
    asked.push(path);
    const answer = answers.get(path);
    if (request.method !== "GET" || request.headers.authorization)
      unexpected.push(`${request.method} ${path}`);
    if (!answer) {
      response.writeHead(404).end("not here");
      return;
    }
    if (typeof answer === "function") answer(request, response);
    else response.writeHead(200, { "content-type": "application/gzip" }).end(answer);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    unexpected: unexpected as readonly string[],
    asked: asked as readonly string[],
    /** How many times a path was asked for. */
    times: (path: string) => asked.filter((one) => one === path).length,
    /** From now on the path has this answer; returns its URL. */
    serve(path: string, answer: Answer): string {
      answers.set(path, answer);
      return `http://127.0.0.1:${port}${path}`;
    },
    async [Symbol.asyncDispose]() {
      const closed = server[Symbol.asyncDispose]();
      server.closeAllConnections();
      await closed;
    },
  };
}

export type ArchiveServer = Awaited<ReturnType<typeof startArchiveServer>>;

/** x-rh-identity, as a gateway makes it for a cluster. */
export const identityOf = (org: number, cluster?: string): string =>
  Buffer.from(
    JSON.stringify({
      identity: {
        account_number: "6212377",
        org_id: String(org),
        internal: { org_id: String(org), auth_time: 0 },
        type: "System",
        auth_type: "uhc-auth",
        ...(cluster && { system: { cluster_id: cluster } }),
      },
      entitlements: { insights: { is_entitled: true } },
    }),
  ).toString("base64");

let nth = 0;

export type Announced = {
  url: string;
  requestId?: string;
  org?: number;
  cluster?: string | undefined;
  at?: Date;
  more?: Record<string, unknown>;
};

/** An announcement of platform.upload.announce, as the ingress in Go writes it. */
export function announcement({
  url,
  requestId,
  org = 42,
  cluster,
  at = new Date(),
  more,
}: Announced): string {
  return JSON.stringify({
    account: "6212377",
    category: "periodic",
    content_type: "application/vnd.redhat.openshift.periodic",
    metadata: {
      custom_metadata: { gathering_time: "2026-11-27T08:31:46+01:00" },
      reporter: "ingress",
      stale_timestamp: "2026-12-27T07:31:46Z",
    },
    request_id: requestId ?? `request-${process.pid}-${++nth}`,
    principal: String(org),
    org_id: String(org),
    service: "openshift",
    size: 55_099,
    url,
    b64_identity: identityOf(org, cluster),
    timestamp: at.toISOString().replace("Z", "478901Z"),
    ...more,
  }).replaceAll("&", "\\u0026");
}

/** A topic of announcements, and what was published to a topic of results. */
export async function openUploads(brokers: string, results: string) {
  const topic = `platform.upload.announce.test-${process.pid}-${Date.now().toString(36)}-${++nth}`;
  // who takes uploads in says where they are, and tries for seconds where nobody has made the topic
  const statuses = topic.replace("upload.announce", "payload-status");
  const group = `ccx_analyze.${topic}`;
  const kafka = new kafkajs.Kafka({ brokers: brokers.split(","), logLevel: kafkajs.logLevel.NOTHING });
  const admin = kafka.admin();
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
  const consumer = kafka.consumer({ groupId: `collector.${results}`, maxWaitTimeInMs: 100 });
  await Promise.all([admin.connect(), producer.connect()]);
  await admin.createTopics({
    topics: [topic, statuses].map((topic) => ({ topic, numPartitions: 1 })),
    waitForLeaders: false,
  });
  await until("the topics of uploads have leaders", () =>
    admin.fetchTopicMetadata({ topics: [topic, statuses] }).then(
      ({ topics: made }) => made.every(({ partitions }) => partitions.every(({ leader }) => leader >= 0)),
      () => false,
    ),
  );
  const published: { key: string | undefined; value: string }[] = [];
  let running: Promise<void> | undefined;
  return {
    topic,
    statuses,
    group,
    /** Puts announcements on the topic; the header is that of our service unless given. */
    async announce(values: (string | Buffer | null)[], service: string | null = "openshift"): Promise<void> {
      const headers = service === null ? {} : { service };
      await producer.send({ topic, messages: values.map((value) => ({ value, headers })) });
    },
    /** The first `count` results, in the order of their topic. */
    async published(count: number): Promise<typeof published> {
      running ??= consumer
        .connect()
        .then(() => consumer.subscribe({ topic: results, fromBeginning: true }))
        .then(() =>
          consumer.run({
            eachMessage: async ({ message: { key, value } }) => {
              published.push({ key: key?.toString(), value: value?.toString() ?? "" });
            },
          }),
        );
      await running;
      await until(`${count} results are published`, () => published.length >= count);
      return published;
    },
    /** How many results there are by now. */
    async resultCount(): Promise<number> {
      const offsets = await admin.fetchTopicOffsets(results);
      return offsets.reduce((sum, { high }) => sum + Number(high), 0);
    },
    async committed(): Promise<number> {
      const [found] = await admin.fetchOffsets({ groupId: group, topics: [topic] });
      return (found?.partitions ?? []).reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    },
    /** Takes dead analyzers out of the group, as the broker does when their session of 10 s has ended. */
    async evictMembers(): Promise<void> {
      const { groups } = await admin.describeGroups([group]);
      for (const { memberId } of groups[0]?.members ?? []) await leaveGroup(brokers, group, memberId);
    },
    async [Symbol.asyncDispose]() {
      if (running) await consumer.disconnect();
      await admin.deleteTopics({ topics: [topic, statuses] });
      await admin.deleteGroups([group, `collector.${results}`]).catch(() => undefined);
      await Promise.all([admin.disconnect(), producer.disconnect()]);
    },
  };
}

export type Uploads = Awaited<ReturnType<typeof openUploads>>;

/** A message of ccx.ocp.results, checked by the schema that those who read it agree on. */
export function resultOf(message: { value: string }) {
  assert.ok(message.value.endsWith("\n"), "it ends with a line feed");
  assert.deepEqual(resultViolations(JSON.parse(message.value)), []);
  return JSON.parse(message.value) as {
    OrgID: number;
    ClusterName: string;
    Report: {
      reports: { rule_id: string; component: string; key: string; details: Record<string, unknown> }[];
    };
    LastChecked: string;
    Version: number;
    RequestId: string;
    Metadata: { gathering_time: string };
    AccountNumber?: number;
  };
}
