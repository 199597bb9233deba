import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import type { Logger } from "pino";
import {
  asConfigurationError,
  codeOf,
  isFaultOfAnotherObject,
  isUnstorable,
  troubleOf,
} from "../db/errors.ts";
import { backoffMs } from "../db/wait.ts";
import { ConfigurationError, messageOf } from "../errors.ts";
import { within } from "../kafka/within.ts";
import { quotable } from "../text/clean.ts";
import { failsHere, inSpan } from "../trace/trace.ts";
import { release } from "../version.ts";
import { type Fetching, fetchArchive } from "./download.ts";
import { ArchiveError } from "./failures.ts";
import { countAnalyzed, countFailed } from "./metrics.ts";
import { matcherOf } from "./paths.ts";
import type { Publisher } from "./publisher.ts";
import type { PythonEngine } from "./python/engine.ts";
import * as sql from "./sql.ts";
import type { Files, Unpacking } from "./unpack.ts";

/** Longer than a download, both engines and a publication may take. */
const lease = "3 minutes";
/**
 * Others' work, what waits for its next try, and what a dead process left, are seen so much later at most.
 */
const lookEveryMs = 1_000;
const queryCanceled = "57014";

export type AnalyzerOptions = {
  /** Its statements may take as long as all rules together may. */
  pool: Pool;
  /** Its statements may take as long as one rule may. */
  rulePool: Pool;
  log: Logger;
  publisher: Publisher;
  fetching: Fetching;
  /** A URL that counts from now on, of an archive that is in a store of ours; undefined: it is not. */
  freshUrl(archive: sql.OwnArchive): Promise<string | undefined>;
  python?: PythonEngine | undefined;
  /** So many archives at the same time. */
  concurrency: number;
  /** So many archives an hour are kept with all documents. */
  keepPerHour: number;
};

type Rules = { version: string; rules: number; reads: string[]; wants(path: string): boolean };

/**
 * Takes archives that are due, fetches and unpacks them, has both engines run, and hands the results to the
 * publisher. All that counts is in the database: a process that dies leaves leases that end.
 */
export class Analyzer {
  readonly #options: AnalyzerOptions;
  readonly #failed = Promise.withResolvers<never>();
  readonly #stopping = new AbortController();
  readonly #jobs = new Set<Promise<void>>();
  #woken = Promise.withResolvers<void>();
  #running: Promise<void> | undefined;
  #rules: Rules = { version: "", rules: 0, reads: [], wants: () => false };
  #hasSaidNone = false;

  constructor(options: AnalyzerOptions) {
    this.#options = options;
    this.#failed.promise.catch(() => undefined);
  }

  /** Rejects when it cannot go on; never resolves. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  start(): void {
    this.#running = this.#run().catch((error) => this.#failed.reject(error));
  }

  /** There may be something to do. */
  wake(): void {
    this.#woken.resolve();
  }

  /** True once there are rules to run; what comes before that waits. */
  async hasRules(): Promise<boolean> {
    if (this.#options.python) return true;
    const { rules } = await sql.rulesInForce(this.#options.pool);
    if (rules === 0 && !this.#hasSaidNone) {
      this.#hasSaidNone = true;
      this.#options.log.info("no rules are loaded, so archives are not analyzed: ccx analyze load DIR");
    }
    return rules > 0;
  }

  /** Finishes what it has in hand, as far as there is time; the rest is given back. */
  async stop(): Promise<void> {
    const { publisher } = this.#options;
    this.#stopping.abort(new Error("stopping"));
    this.wake();
    await within(5_000, Promise.all([this.#running, ...this.#jobs]));
    await within(2_000, publisher.idle());
  }

  async #run(): Promise<void> {
    const { pool, log, publisher, concurrency, keepPerHour, python } = this.#options;
    const { signal } = this.#stopping;
    let lookAt = 0;
    for (let failures = 0; !signal.aborted; ) {
      this.#woken = Promise.withResolvers();
      try {
        if (performance.now() >= lookAt) {
          lookAt = performance.now() + lookEveryMs;
          publisher.add(await sql.claimResults(pool, 200, lease));
        }
        const most = concurrency - this.#jobs.size;
        const jobs =
          most > 0
            ? await sql.claimAnalyses(pool, { most, lease, hasPython: python !== undefined, keepPerHour })
            : [];
        failures = 0;
        for (const job of jobs) this.#begin(job);
        if (jobs.length === most && most > 0) continue;
      } catch (error) {
        const wrong = asConfigurationError(error);
        if (wrong) throw wrong;
        log.warn({ error: messageOf(error) }, "archives cannot be taken yet, trying again");
        await sleep(backoffMs(++failures), undefined, { signal }).catch(() => undefined);
      }
      await Promise.race([
        this.#woken.promise,
        sleep(lookEveryMs, undefined, { signal }).catch(() => undefined),
      ]);
    }
  }

  #begin(job: sql.Job): void {
    const about = { parents: [job.traceparent ?? undefined], attributes: { "ccx.request": job.request_id } };
    const work = inSpan("analyze", about, () => this.#work(job))
      .catch((error) => this.#failed.reject(error))
      .finally(() => {
        this.#jobs.delete(work);
        this.wake();
      });
    this.#jobs.add(work);
  }

  /** Rejects with ConfigurationError only. */
  async #work(job: sql.Job): Promise<void> {
    const { log, publisher } = this.#options;
    const began = performance.now();
    const about = { request_id: job.request_id, attempt: job.attempt };
    try {
      const done = await this.#analyze(job);
      const { state, failure, error, cluster, hits, failed, message } = done;
      const ms = Math.round(performance.now() - began);
      if (state === "analyzed" && cluster !== null && message !== null) {
        publisher.add([{ id: job.id, cluster, message, traceparent: job.traceparent }]);
        countAnalyzed(ms, failed ?? 0);
        log.info({ ...about, cluster, hits, failed_rules: failed, ms }, "archive analyzed");
      } else if (failure !== null) {
        countFailed(failure);
        failsHere(failure);
        log.warn({ ...about, failure, error, state }, "archive not analyzed");
      } else if (state === "rules_changed") await this.#settle(job, null, null);
      else log.info({ ...about }, "somebody else has the archive by now");
    } catch (error) {
      if (error instanceof ConfigurationError) throw error;
      await this.#fail(job, error);
    }
  }

  async #fail(job: sql.Job, error: unknown): Promise<void> {
    const { log } = this.#options;
    const about = { request_id: job.request_id, attempt: job.attempt };
    if (this.#stopping.signal.aborted && !(error instanceof ArchiveError)) {
      await this.#settle(job, null, null);
      return;
    }
    const isValue = isUnstorable(error) && !isFaultOfAnotherObject(error);
    const failure =
      error instanceof ArchiveError ? error.failure : isValue ? "not_storable" : "engine_failed";
    const text = quotable(messageOf(error), 500);
    countFailed(failure);
    failsHere(failure);
    const state = await this.#settle(job, failure, text);
    log.warn({ ...about, failure, error: text, state }, "archive not analyzed");
  }

  /** Undefined where the database does not take it; then the lease ends. */
  async #settle(
    job: sql.Job,
    failure: string | null,
    error: string | null,
  ): Promise<string | null | undefined> {
    try {
      return await this.#whileAway(() => sql.failAnalysis(this.#options.pool, job, failure, error));
    } catch (refused) {
      this.#options.log.warn(
        { request_id: job.request_id, error: messageOf(refused) },
        "how it ended is not recorded, it is tried again when its lease ends",
      );
      return undefined;
    }
  }

  async #analyze(job: sql.Job): Promise<sql.Analyzed> {
    const { pool, python } = this.#options;
    const rules = await this.#rulesOf(job);
    const folder = python && (await mkdtemp(path.join(tmpdir(), "ccx-archive-")));
    try {
      const wants = job.keep ? isText : rules.wants;
      const wanted = { wants: (name: string) => name === configId || wants(name), folder };
      const { texts, bytes, entries } = await this.#fetch(job, wanted);
      const facts = { bytes, entries, downloaded_at: new Date().toISOString() };
      const unpacked = {
        configId: texts.get(configId) ?? null,
        paths: [...texts.keys()],
        bodies: [...texts.values()],
        facts,
      };
      const answer = python && folder !== undefined ? await python.analyze(job.id, folder) : null;
      const run = (leftOut: sql.LeftOut[]) =>
        this.#whileAway(() =>
          sql.analyzeArchive(pool, job, unpacked, { release, python: answer, leftOut, lease }),
        );
      try {
        return await run([]);
      } catch (error) {
        if (codeOf(error) !== queryCanceled) throw error;
      }
      const slow = await this.#slowRules(unpacked);
      try {
        return await run(slow);
      } catch (error) {
        if (codeOf(error) !== queryCanceled) throw error;
        const but = slow.length > 0 ? `, with ${slow.length} slow ones left out` : "";
        throw new ArchiveError("overloaded", `its rules took longer than all rules may${but}`, error);
      }
    } finally {
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    }
  }

  /** URLs expire, and an upload may have waited for longer: one of our own store is signed again. */
  async #fetch(job: sql.Job, wanted: Unpacking): Promise<Files> {
    const { pool, fetching, freshUrl } = this.#options;
    const { signal } = this.#stopping;
    try {
      return await fetchArchive(job.url, fetching, wanted, signal);
    } catch (error) {
      if (!(error instanceof ArchiveError) || error.failure !== "refused") throw error;
      const own = await this.#whileAway(() => sql.ownArchive(pool, job.id));
      const url = own && (await freshUrl(own));
      if (url === undefined) throw error;
      return await fetchArchive(url, fetching, wanted, signal);
    }
  }

  /**
   * All rules together took too long: those that do so by themselves are left out. Where the database does
   * not even read the files in that time, that is no rule's fault. Nor is it where most rules are too slow,
   * and then it looks no further: to probe each of many would outlast the lease.
   */
  async #slowRules(unpacked: sql.Unpacked): Promise<sql.LeftOut[]> {
    const { pool, rulePool } = this.#options;
    try {
      await this.#whileAway(() => sql.openFiles(rulePool, unpacked));
    } catch (error) {
      if (codeOf(error) !== queryCanceled) throw error;
      throw new ArchiveError(
        "overloaded",
        "the database took longer to read its files than a rule may",
        error,
      );
    }
    const slow: sql.LeftOut[] = [];
    const rules = await this.#whileAway(() => sql.ruleNames(pool));
    for (const rule of rules) {
      try {
        await this.#whileAway(() => sql.probeRule(rulePool, rule, unpacked));
      } catch (error) {
        if (codeOf(error) !== queryCanceled) throw error;
        slow.push({ rule, reason: "timed_out", detail: "it took longer than a rule may" });
        if (await this.#whileAway(() => sql.isOverload(pool, slow.length, rules.length))) break;
      }
    }
    return slow;
  }

  async #rulesOf(job: sql.Job): Promise<Rules> {
    if (job.rules_version !== this.#rules.version) {
      const found = await this.#whileAway(() => sql.rulesInForce(this.#options.pool));
      this.#rules = { ...found, wants: matcherOf(found.reads) };
    }
    return this.#rules;
  }

  /** Repeats what the database cannot do now, or what somebody's lock is in the way of. */
  async #whileAway<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work();
      } catch (error) {
        if (codeOf(error) === sql.noRole) throw new ConfigurationError(messageOf(error), { cause: error });
        const wrong = asConfigurationError(error);
        if (wrong) throw wrong;
        if (!["away", "in_the_way"].includes(troubleOf(error)) || this.#stopping.signal.aborted) throw error;
        await sleep(backoffMs(attempt), undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      }
    }
  }
}

const configId = "config/id";

/** What a person may try rules on. */
const isText = (name: string): boolean => !/\.(gz|bz2|xz|zip|png|p12|der)$/.test(name);
