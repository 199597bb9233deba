import { gzipSync } from "node:zlib";
import { below, hex, pick, type Random, seeded, shuffle } from "./random.ts";
import { type Details, rules, type SampleRule } from "./rules.ts";

/** One Kafka message, and what consuming it must lead to. */
export type SampleMessage = {
  /** Always null, as the real producer sends it: which partition a message goes to is chance. */
  key: string | null;
  /**
   * Newline-terminated JSON, about one in ten compressed with gzip. Empty for one kind of invalid message.
   */
  value: Buffer;
  /** Right when the messages are consumed in order, from one partition, less than 55 minutes after `now`. */
  expect: "stored" | "unchanged" | "replaced" | "rejected";
};

/** A cluster as it goes through its reports: hits it has now (with their details), and hits it once had. */
type Cluster = {
  org: number;
  account: number | undefined;
  id: string;
  version: string;
  hits: Map<SampleRule, Details>;
  past: Set<SampleRule>;
};

const hourMs = 3_600_000;
const maxHits = 5;
/** With 2 h ± 5 min between them, and the last one in the last 2 h, no more fit into a day. */
const maxReportsPerCluster = 11;
const invalidKinds = ["bad json", "no org", "wrong cluster", "future", "empty"] as const;

/**
 * `reports` messages of topic `ccx.ocp.results`, oldest first, made up but shaped like the real producer's
 * (field by field: ccx-messaging's rule processing publisher). About `reports / 4` clusters in `reports / 20`
 * organisations report every two hours within the day before `now`; issues come, stay, go, and some come
 * back. 2 % are invalid, 1 % exact duplicates right after the original, 0.5 % the same report again with
 * other hits; from 100 messages on, at least one of each. The same options give the same bytes.
 */
export function sampleMessages(options: { reports: number; seed: number; now: Date }): SampleMessage[] {
  const { reports, seed, now } = options;
  const random = seeded(seed);
  const share = (part: number) => Math.max(Math.round(reports * part), reports >= 100 ? 1 : 0);
  const [invalid, duplicate, replaced] = [share(0.02), share(0.01), share(0.005)];

  const clusters = makeClusters(random, Math.ceil(reports / 4), Math.ceil(reports / 20));
  const timeline = makeTimeline(random, clusters, reports - invalid - duplicate - replaced, now.getTime());
  const picked = shuffle(random, [...timeline.keys()]);
  const duplicates = new Set(picked.slice(0, duplicate));
  const replacements = new Set(picked.slice(duplicate, duplicate + replaced));
  const invalids = new Map(
    shuffle(random, [...timeline.keys()])
      .slice(0, invalid)
      .map((at, nth) => [at, nth]),
  );

  return timeline.flatMap(({ cluster, at }, position) => {
    age(random, cluster);
    const report = makeReport(random, cluster, at);
    const stored: SampleMessage = { key: null, value: encode(random, report), expect: "stored" };
    const messages = [stored];
    if (duplicates.has(position)) messages.push({ ...stored, expect: "unchanged" });
    if (replacements.has(position)) {
      change(random, cluster);
      const again = { ...makeReport(random, cluster, at), LastChecked: report.LastChecked };
      messages.push({ key: null, value: encode(random, again), expect: "replaced" });
    }
    const nth = invalids.get(position);
    if (nth !== undefined)
      messages.push({ key: null, value: makeInvalid(random, report, nth, now), expect: "rejected" });
    return messages;
  });
}

function makeClusters(random: Random, count: number, orgs: number): Cluster[] {
  return Array.from({ length: count }, (_, nth) => {
    const org = nth % orgs;
    const cluster: Cluster = {
      org: 1000 + org,
      account: org % 5 === 4 ? undefined : 500_000 + org, // some identities have none
      id: hex(random, 32).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-4$3-a$4-$5"),
      version: `4.${14 + below(random, 4)}.${below(random, 30)}`,
      hits: new Map(),
      past: new Set(),
    };
    for (let hits = below(random, 4); hits > 0; hits--) addHit(random, cluster);
    return cluster;
  });
}

/** When which cluster reports: every cluster at least once where there are enough reports, oldest first. */
function makeTimeline(random: Random, clusters: Cluster[], reports: number, nowMs: number) {
  const counts: number[] = clusters.map((_, nth) => (nth < reports ? 1 : 0));
  for (let left = reports - clusters.length; left > 0; ) {
    const nth = below(random, clusters.length);
    if ((counts[nth] ?? 0) >= maxReportsPerCluster) continue;
    counts[nth] = (counts[nth] ?? 0) + 1;
    left--;
  }
  const timeline = clusters.flatMap((cluster, nth) => {
    let at = nowMs - 1000 - below(random, 2 * hourMs - 60_000);
    return Array.from({ length: counts[nth] ?? 0 }, () => {
      const report = { cluster, at };
      at -= 2 * hourMs - 300_000 + below(random, 600_000);
      return report;
    });
  });
  return timeline.sort((a, b) => a.at - b.at);
}

/** From one report to the next: mostly the same hits, sometimes with other details. */
function age(random: Random, cluster: Cluster): void {
  if (random() < 0.3) change(random, cluster);
  for (const rule of cluster.hits.keys())
    if (rule.details && random() < 0.25) cluster.hits.set(rule, rule.details(random));
}

/** Always changes which rules hit: one comes, comes back, or goes. */
function change(random: Random, cluster: Cluster): void {
  const { hits, past } = cluster;
  if (hits.size === 0 || (hits.size < maxHits && random() < 0.5)) {
    addHit(random, cluster);
    return;
  }
  const gone = pick(random, [...hits.keys()]);
  hits.delete(gone);
  past.add(gone);
}

function addHit(random: Random, { hits, past }: Cluster): void {
  const again = past.size > 0 && random() < 0.5;
  const rule = pick(random, again ? [...past] : rules.filter((candidate) => !hits.has(candidate)));
  past.delete(rule);
  hits.set(rule, rule.details?.(random) ?? {});
}

/**
 * The producer's message as an object, `at` in milliseconds since 1970; LastChecked is somewhere in that
 * millisecond.
 */
function makeReport(random: Random, cluster: Cluster, at: number): Details {
  const second = (ms: number) => new Date(ms).toISOString().slice(0, 19);
  const nanos = String((at % 1000) * 1_000_000 + below(random, 1_000_000)).padStart(9, "0");
  // as Go writes it: up to nine digits, no zeros at the end
  const fraction = `.${nanos.slice(0, pick(random, [9, 9, 9, 6, 3, 0]))}`.replace(/\.?0*$/, "");
  const start = `${second(at - 400)}+00:00`;
  return {
    OrgID: cluster.org,
    ...(cluster.account === undefined ? {} : { AccountNumber: cluster.account }),
    ClusterName: cluster.id,
    LastChecked: `${second(at)}${fraction}Z`,
    Version: 2,
    RequestId: hex(random, 32),
    Metadata: { gathering_time: `${second(at - 60_000 - below(random, 120_000))}Z` },
    Report: {
      system: { metadata: {}, hostname: null },
      reports: [...cluster.hits].map(([{ module, key }, details]) => ({
        rule_id: `${module.split(".").at(-1)}|${key}`,
        component: `${module}.report`,
        type: "rule",
        key,
        details: { ...details, type: "rule", error_key: key },
        tags: [],
        links: {},
      })),
      fingerprints: [],
      skips: rules
        .filter((rule) => rule.module.includes(".ocs.") && !cluster.hits.has(rule))
        .map(({ module }) => ({
          rule_fqdn: `${module}.report`,
          reason: "MISSING_REQUIREMENTS",
          details: "All: ['ccx_ocp_core.specs.must_gather_ocs.PodsMGOCS'] Any: ",
          type: "skip",
        })),
      info: [
        {
          info_id: "version_info|CLUSTER_VERSION_INFO",
          component: "ccx_rules_processing.version_info.report",
          type: "info",
          key: "CLUSTER_VERSION_INFO",
          details: { version: cluster.version, type: "info", info_key: "CLUSTER_VERSION_INFO" },
          tags: [],
          links: {},
        },
      ],
      pass: [],
      analysis_metadata: {
        start,
        finish: `${second(at)}+00:00`,
        execution_context: "InsightsOperatorContext",
      },
    },
  };
}

function makeInvalid(random: Random, report: Details, nth: number, now: Date): Buffer {
  const kind = invalidKinds[nth % invalidKinds.length];
  if (kind === "empty") return Buffer.alloc(0);
  if (kind === "no org") return encode(random, { ...report, OrgID: undefined });
  if (kind === "wrong cluster") return encode(random, { ...report, ClusterName: "not-a-cluster-id" });
  if (kind === "future")
    return encode(random, { ...report, LastChecked: new Date(now.getTime() + hourMs).toISOString() });
  const json = JSON.stringify(report);
  return Buffer.from(json.slice(0, below(random, json.length - 1) + 1)); // cut off: never JSON
}

function encode(random: Random, message: Details): Buffer {
  const body = Buffer.from(`${JSON.stringify(message)}\n`);
  return random() < 0.1 ? gzipSync(body) : body;
}
