import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { hex, type Random } from "./random.ts";

/** What a cluster uploads, and what has to come of it. */
export type SampleArchive = {
  /** the condition of the cluster, or what is wrong with the upload, in a few words */
  about: string;
  org: number;
  /** what the identity says; the archive names it, too */
  cluster: string;
  bytes: Buffer;
  /** error keys that the rules of `rules/` find, or why it fails */
  expect: { keys: readonly string[] } | { failure: string };
};

type Files = Record<string, unknown>;

const condition = (type: string, status: string, reason: string) => ({
  ...{ type, status, reason },
  lastTransitionTime: "2026-11-27T06:10:00Z",
});

const operator = (name: string, ...conditions: object[]): Files => ({
  [`config/clusteroperator/${name}.json`]: {
    metadata: { name },
    status: { conditions: [condition("Available", "True", "AsExpected"), ...conditions] },
  },
});

const version = (cluster: string, desired: string): Files => ({
  "config/version.json": {
    spec: { clusterID: cluster, channel: `stable-${desired.split(".").slice(0, 2).join(".")}` },
    status: { desired: { version: desired }, conditions: [condition("Failing", "False", "")] },
  },
});

const network = (networkType: string): Files => ({ "config/network.json": { status: { networkType } } });

const restarted = (pod: string, restartCount: number): Files => ({
  [`config/pod/openshift-ingress/${pod}.json`]: {
    metadata: { name: pod },
    status: { containerStatuses: [{ name: "router", restartCount }] },
  },
});

/** A gzipped tar archive of these files, as the Insights Operator packs it: objects as JSON. */
async function packed(files: Files): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files))
    tar.entry({ name, mode: 0o640 }, typeof content === "string" ? content : JSON.stringify(content));
  tar.finalize();
  const pieces: Buffer[] = [];
  for await (const piece of tar) pieces.push(piece as Buffer);
  return gzipSync(Buffer.concat(pieces));
}

const uuid = (random: Random): string =>
  [8, 4, 4, 4, 12]
    .map((digits, nth) => `${nth === 2 ? "4" : ""}${hex(random, digits - +(nth === 2))}`)
    .join("-");

/**
 * Archives of made-up clusters in the conditions that the rules of `rules/` look for, and some that nobody can
 * analyze. The same random numbers give the same archives.
 */
export async function sampleArchives(random: Random): Promise<SampleArchive[]> {
  const clusters: [about: string, keys: readonly string[], conditions: Files, version?: string][] = [
    ["all is well", [], {}],
    [
      "an operator is degraded",
      ["OPERATOR_DEGRADED"],
      operator("ingress", condition("Degraded", "True", "IngressControllersDegraded")),
    ],
    [
      "old version, old network",
      ["NETWORK_OPENSHIFT_SDN", "VERSION_END_OF_LIFE"],
      network("OpenShiftSDN"),
      "4.7.16",
    ],
    ["containers restart", ["CONTAINER_RESTARTS"], restarted("router-default-1", 18)],
    [
      "something not gathered",
      ["GATHERERS_FAILED"],
      { "insights-operator/gathers.json": { status_reports: [{ name: "pods", errors: ["timed out"] }] } },
    ],
  ];
  const archives: SampleArchive[] = [];
  const make = async (about: string, conditions: Files, desired = "4.17.3") => {
    const cluster = uuid(random);
    const files = {
      ...{ "config/id": cluster, ...version(cluster, desired), ...network("OVNKubernetes") },
      ...operator("dns", condition("Degraded", "False", "AsExpected")),
      ...restarted("router-default-0", 1),
      "insights-operator/gathers.json": { status_reports: [] },
      ...conditions,
    };
    return { about, org: 2000 + archives.length, cluster, bytes: await packed(files) };
  };
  for (const [about, keys, conditions, desired] of clusters)
    archives.push({ ...(await make(about, conditions, desired)), expect: { keys } });
  const other = uuid(random);
  archives.push({
    ...(await make("of another cluster", { "config/id": other })),
    expect: { failure: "other_cluster" },
  });
  const whole = await make("cut on its way", {});
  archives.push({ ...whole, bytes: whole.bytes.subarray(0, 300), expect: { failure: "truncated" } });
  return archives;
}
