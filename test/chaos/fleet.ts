import { randomUUID } from "node:crypto";
import { gzipSync } from "node:zlib";
import { below, pick, type Random } from "../../dev/samples/random.ts";
import { aReport, type Hit } from "../support/reports.ts";

/** A message that the harness made, by its id: what has to become of it. */
export type Made = { id: string; partition: number; value: Buffer | null } & (
  | { accepted: true; cluster: string; org: number; lastChecked: number; hits: readonly Hit[] }
  | { accepted: false; reason: string }
);

type Report = Extract<Made, { accepted: true }>;

const hitsKnown: readonly Hit[] = ["bug", "proxy", "volume", "tutorial"];

const bad: readonly [reason: string, value: (random: Random) => string | null][] = [
  ["not_json", () => "not json"],
  ["tombstone", () => null],
  ["empty", () => ""],
  ["not_object", () => "[1, 2]"],
  ["missing_org_id", () => "{}"],
  ["invalid_org_id", () => aReport(randomUUID(), ["bug"], { OrgID: -1 })],
  ["invalid_cluster_name", () => aReport("no uuid", ["bug"])],
  ["missing_report", () => aReport(randomUUID(), ["bug"], { Report: undefined })],
  ["nul_character", () => aReport(randomUUID(), ["bug"], { Extra: "\0" })],
  ["invalid_last_checked", () => aReport(randomUUID(), ["bug"], { LastChecked: "yesterday" })],
];

/** Organizations are 1 to so many. */
export const orgs = 20;
const bombBytes = 260 * 1024 * 1024;

/**
 * Clusters that report, now with the same hits, now with others; some reports come late, twice, or again with
 * other content, and some messages are of no use. A cluster always has the same partition.
 */
export class Fleet {
  /** Every message made, by id. */
  readonly made = new Map<string, Made>();
  readonly #random: Random;
  /** New clusters are spread over so many. */
  partitions: number;
  readonly #newest: Report[] = [];
  readonly #begin = Date.now() - 2 * 3_600_000;
  #count = 0;

  constructor(random: Random, partitions: number) {
    this.#random = random;
    this.partitions = partitions;
  }

  next(): Made {
    const random = this.#random;
    const at = this.#begin + ++this.#count * 50;
    const chance = random();
    const known = this.#newest.length > 0 ? below(random, this.#newest.length) : -1;
    const old = this.#newest[known];
    if (chance < 0.06) {
      const [reason, value] = pick(random, bad);
      const text = value(random);
      return this.#keep({
        id: randomUUID(),
        partition: below(random, this.partitions),
        value: text === null ? null : Buffer.from(text),
        accepted: false,
        reason,
      });
    }
    if (!old || chance < 0.4) {
      const hits = hitsKnown.filter(() => random() < 0.5);
      const report = this.#report(randomUUID(), this.#newest.length, at, hits);
      this.#newest.push(report);
      return report;
    }
    if (chance < 0.43) return old; // the same bytes once more
    if (chance < 0.47)
      return this.#report(old.cluster, known, old.lastChecked - 3_600_000, [pick(random, hitsKnown)]);
    const hits =
      chance < 0.75
        ? old.hits
        : chance < 0.92
          ? [...new Set([...old.hits, pick(random, hitsKnown)])]
          : old.hits.slice(1);
    const report = this.#report(old.cluster, known, chance < 0.5 ? old.lastChecked : at, hits);
    this.#newest[known] = report;
    return report;
  }

  /** A message that inflates beyond what is read of a batch (src/kafka/codecs.ts). */
  bomb(partition: number): Made {
    const value = Buffer.alloc(bombBytes);
    return this.#keep({ id: randomUUID(), partition, value, accepted: false, reason: "too_large" });
  }

  #report(cluster: string, nth: number, lastChecked: number, hits: readonly Hit[]): Report {
    const id = randomUUID();
    const org = 1 + (nth % orgs);
    const fields = { OrgID: org, LastChecked: new Date(lastChecked).toISOString() };
    const message = JSON.parse(aReport(cluster, [...hits], fields));
    message.Report.chaos = id;
    const text = JSON.stringify(message);
    const value = nth % 10 === 0 ? gzipSync(text) : Buffer.from(text);
    const partition = this.#newest[nth]?.partition ?? nth % this.partitions;
    return this.#keep({ id, partition, value, accepted: true, cluster, org, lastChecked, hits });
  }

  #keep<T extends Made>(made: T): T {
    this.made.set(made.id, made);
    return made;
  }
}
