import { createHash, randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { below, pick, type Random } from "../../dev/samples/random.ts";
import type { Hit } from "../support/reports.ts";
import { archivePart, form, formType, identity, send } from "../support/upload.ts";
import { archiveOf } from "../support/uploads.ts";
import { orgs } from "./fleet.ts";
import { hitsFile } from "./rules.ts";

/** An archive that the harness made, by the request id that its client gives it. */
export type Upload = {
  id: string;
  org: number;
  cluster: string;
  /** the identity names the cluster, too */
  vouched: boolean;
  bytes: Buffer;
  sha256: string;
  /** what the rules find; or why the archive cannot be analyzed */
  expect: { hits: readonly Hit[] } | { failure: string };
};

const hitsKnown: readonly Hit[] = ["bug", "proxy", "volume", "tutorial"];
/** More than one piece of a store, and more than goes along with the statement that accepts an upload. */
const largeBytes = 600_000;
const everyMs = 100;
/** A client waits so long for its answer, and then repeats its request. */
const patienceMs = 8_000;
const mostUnderWay = 40;

/**
 * Clients that upload archives by HTTP, so many a second. Each repeats its request, with the same request id,
 * until it is answered with 202; some of them once more after that, with other bytes, which must change
 * nothing.
 */
export class Uploads {
  /** Every archive made, by request id. */
  readonly made = new Map<string, Upload>();
  /** Request ids of what was answered with 202. */
  readonly accepted = new Set<string>();
  /** Answers that nobody should have got. */
  readonly unexpected: string[] = [];
  /** How many requests had to be repeated. */
  repeated = 0;
  readonly #url: string;
  readonly #random: Random;
  readonly #clusters: { id: string; org: number; hits: readonly Hit[] }[] = [];
  readonly #underWay = new Set<Promise<void>>();
  readonly #aborted = new AbortController();
  readonly #done: Promise<void>;
  #stopped = false;

  /** @param least it stops only when it has made so many */
  constructor(base: string, random: Random, perSecond: number, least: number) {
    this.#url = `${base}/api/ingress/v1/upload`;
    this.#random = random;
    this.#done = this.#run(perSecond, least);
    this.#done.catch(() => undefined);
  }

  /** Makes no more archives; resolves when all that were made are accepted. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
    await Promise.all(this.#underWay);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#aborted.abort();
    await this.stop().catch(() => undefined);
  }

  async #run(perSecond: number, least: number): Promise<void> {
    const began = performance.now();
    const { signal } = this.#aborted;
    while (!signal.aborted && (!this.#stopped || this.made.size < least)) {
      await sleep(everyMs);
      const due = ((performance.now() - began) / 1_000) * perSecond;
      while (this.made.size < due && this.#underWay.size < mostUnderWay) {
        const upload = await this.#next();
        const again = this.#random() < 0.05 ? await this.#next({ like: upload }) : undefined;
        const work = this.#send(upload, again).finally(() => this.#underWay.delete(work));
        work.catch(() => undefined); // stop() rejects with it
        this.#underWay.add(work);
      }
    }
  }

  /** Of a cluster that is new, or that has reported before, now with the same hits, now with others. */
  async #next({ like }: { like?: Upload } = {}): Promise<Upload> {
    const random = this.#random;
    if (like) return { ...like, ...(await packed(like.cluster, randomUUID(), ["bug"], false)) };
    const known = this.#clusters.length > 0 && random() < 0.6 ? pick(random, this.#clusters) : undefined;
    const some = hitsKnown.filter(() => random() < 0.5);
    const cluster = known ?? { id: randomUUID(), org: 1 + below(random, orgs), hits: some };
    if (!known) this.#clusters.push(cluster);
    else if (random() < 0.4) known.hits = some;
    const id = randomUUID().replaceAll("-", "");
    const { hits, org } = cluster;
    const upload = { id, org, cluster: cluster.id, vouched: random() < 0.8 };
    const archive = await packed(cluster.id, id, hits, random() < 0.1);
    const chance = random();
    const made: Upload =
      chance < 0.02
        ? { ...upload, ...cut(archive.bytes), expect: { failure: "truncated" } }
        : chance < 0.04
          ? { ...upload, ...asBytes(Buffer.from("no archive")), expect: { failure: "not_an_archive" } }
          : chance < 0.06
            ? {
                ...upload,
                vouched: true,
                ...(await packed(randomUUID(), id, hits, false)),
                expect: { failure: "other_cluster" },
              }
            : { ...upload, ...archive, expect: { hits } };
    this.made.set(id, made);
    return made;
  }

  async #send(upload: Upload, again: Upload | undefined): Promise<void> {
    await this.#accepted(upload);
    this.accepted.add(upload.id);
    if (again) await this.#accepted(again);
  }

  /** Resolves when it was answered with 202, or the run is aborted. */
  async #accepted({ id, org, cluster, vouched, bytes }: Upload): Promise<void> {
    const headers = {
      "content-type": formType,
      "x-rh-identity": identity(String(org), vouched ? { cluster } : {}),
      "x-rh-insights-request-id": id,
      "user-agent": `insights-operator/chaos cluster/${cluster}`,
    };
    const metadata = JSON.stringify({ custom_metadata: { gathering_time: new Date().toISOString() } });
    const body = form([
      archivePart(bytes),
      { name: "metadata", filename: "metadata.json", contentType: "application/json", body: metadata },
    ]);
    for (const limit = Date.now() + 240_000; !this.#aborted.signal.aborted; this.repeated++) {
      const signal = AbortSignal.any([this.#aborted.signal, AbortSignal.timeout(patienceMs)]);
      const answer = await send(this.#url, { headers, body, signal }).catch(() => undefined);
      if (answer?.status === 202) {
        const { request_id } = JSON.parse(answer.body) as { request_id: string };
        if (request_id !== id) this.unexpected.push(`${id} is known as ${request_id}`);
        return;
      }
      if (answer && answer.status < 500) {
        this.unexpected.push(`${id} is answered with ${answer.status}: ${answer.body.slice(0, 200)}`);
        return;
      }
      if (Date.now() > limit)
        throw new Error(`nobody takes the upload ${id}: ${answer?.status ?? "no answer"}`);
      await sleep(200 + Math.floor(Math.random() * 600));
    }
  }
}

const asBytes = (bytes: Buffer) => ({ bytes, sha256: createHash("sha256").update(bytes).digest("hex") });

/** Ends in the middle of a file. */
const cut = (bytes: Buffer) => asBytes(bytes.subarray(0, Math.floor(bytes.length * 0.6)));

/** As the Insights Operator packs it, with the hits that the rules are to find. */
async function packed(
  cluster: string,
  id: string,
  hits: readonly Hit[],
  isLarge: boolean,
): Promise<{ bytes: Buffer; sha256: string }> {
  const version = { spec: { clusterID: cluster }, status: { desired: { version: "4.17.3" } } };
  return asBytes(
    await archiveOf({
      "config/id": cluster,
      "config/version.json": JSON.stringify(version),
      [hitsFile]: JSON.stringify({ upload: id, hits }),
      "config/pod/logs.bin": randomBytes(isLarge ? largeBytes : 2_000),
    }),
  );
}
