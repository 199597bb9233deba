import type { Pool } from "pg";
import { sideBySideNow } from "../../adopt/sql.ts";
import type { Config } from "../../config/config.ts";
import { ContentTexts } from "../../content/render/texts.ts";
import { fetchContent } from "../../content/source/fetch.ts";
import { storeContent } from "../../content/source/load.ts";
import { refusedInWords } from "../../content/source/refused.ts";
import { asRefusal } from "../../db/errors.ts";
import { limited } from "../../db/limits.ts";
import { createPool, endPool } from "../../db/pool.ts";
import { requireSameRelease } from "../../db/release.ts";
import { requireServer } from "../../db/server.ts";
import { deliverDue } from "../../deliver/deliver_due.ts";
import type { TextSource } from "../../deliver/rendered.ts";
import type { Target as DeliveryTarget } from "../../deliver/target.ts";
import { messageOf } from "../../errors.ts";
import type { Logger } from "../../log.ts";
import { limitsOf } from "../../run/limits.ts";
import { Ended, endingWith } from "../ended.ts";
import type { Given } from "../sources.ts";
import * as sql from "../sql.ts";
import { contentUrl, databaseUrl, policyOf, rendererUrl, type Target } from "../translate.ts";
import type { PassMetrics } from "./metrics.ts";
import { counted, openKafka, openServiceLog } from "./targets.ts";

const batchSize = 1_000;
const contentWithinMs = 30_000;

export type Pass = {
  given: Given;
  config: Config & { readonly databaseUrl: string };
  target: Target;
  ignoreDisabledRules: boolean;
  pool: Pool;
  log: Logger;
  metrics: PassMetrics;
  signal: AbortSignal;
};

/**
 * One pass: the way to the receiver, disabled rules, rule content, then a decision over the newest report of
 * every cluster, and the delivery of what came of it. Resolves when the deliveries have ended.
 * @throws Ended with the incumbent's exit code
 */
export async function runPass(pass: Pass): Promise<void> {
  const { target, config, given, pool, log, metrics, signal } = pass;
  metrics.status("starting");
  const delivery = await counting(metrics, "producer_setup_errors", () =>
    target === "service log"
      ? openServiceLog(config, { rendererUrl: rendererUrl(given), pool, log })
      : openKafka(config, log),
  );
  try {
    const disabled = await readDisabledRules(pass);
    metrics.status("fetching_content");
    const read = await readContent(pass);
    metrics.pushRegularly();
    await endingWith(3, "the database cannot be used", () =>
      counting(metrics, "storage_setup_errors", async () => {
        await requireServer(pool, { writes: true });
        await requireSameRelease(pool);
        const { mode } = await sideBySideNow(pool);
        if (mode === "adopting" || mode === "leaving")
          throw new Ended(
            3,
            `ccx adopt${mode === "leaving" ? " --undo" : ""} has not ended: nothing is decided until it has`,
          );
      }),
    );
    const upkeep = limited(pool, limitsOf(config, "upkeep"));
    await endingWith(3, "the database refuses", async () => {
      const { loaded, refused } = await storeContent(upkeep, read.content, read.source, true);
      log.info({ ...loaded }, "rule content is read");
      if (refused.length > 0)
        log.warn({ refused: refusedInWords(refused) }, "content left out, see refused_content");
      const taken = await sql.takeDisabledRules(upkeep, disabled.toggles, disabled.disables);
      if (taken.added + taken.ended > 0) log.info({ ...taken }, "disabled rules are read");
      await beginPass(pass, upkeep);
      metrics.status("reading_previously_reported");
      const followed = await counting(metrics, "read_reported_errors", () =>
        metrics.timed("read_previously_reported", () => sql.followTables(upkeep, target)),
      );
      log.info({ ...followed }, "previously reported clusters are read");
      metrics.status("processing_clusters");
      await metrics.timed("process_clusters", () => decideAll(pass));
    });
    await metrics.timed(
      target === "service log" ? "send_notification_servicelog" : "send_notification_kafka",
      () => deliverAll(pass, delivery),
    );
  } finally {
    await delivery.close();
  }
  if (signal.aborted) throw new Ended(143, "asked to stop; the next pass goes on");
  metrics.status("finished");
}

/** Does `work`, and counts it where it fails. */
async function counting<T>(
  metrics: PassMetrics,
  name: Parameters<PassMetrics["count"]>[0],
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    metrics.count(name);
    throw error;
  }
}

/** What the aggregator's database says is disabled, as JSON; nothing when it is not to be asked. */
async function readDisabledRules({
  given,
  ignoreDisabledRules,
  log,
}: Pass): Promise<{ toggles: string; disables: string }> {
  if (ignoreDisabledRules) return { toggles: "[]", disables: "[]" };
  return endingWith(12, "the aggregator's database cannot be read", async () => {
    const pool = createPool({
      databaseUrl: databaseUrl(given, "aggregator_storage"),
      size: 1,
      name: "ccx disabled rules",
      log,
      statementTimeoutMs: 60_000,
    });
    try {
      const toggles = await sql.disabledForClusters(pool);
      const disables = await sql.disabledForOrganizations(pool);
      log.info({ clusters: toggles.length, organizations: disables.length }, "Disabled rules are read");
      return { toggles: JSON.stringify(toggles), disables: JSON.stringify(disables) };
    } finally {
      await endPool(pool);
    }
  });
}

async function readContent({ given, config, metrics, signal }: Pass) {
  const url = contentUrl(given);
  const content = await counting(metrics, "fetch_content_errors", () =>
    endingWith(4, "rule content cannot be fetched", () =>
      metrics.timed("fetch_content", () =>
        inTime(fetchContent({ url, timeoutMs: config.contentTimeoutMs }, signal)),
      ),
    ),
  );
  const { origin, pathname } = new URL(url);
  return { content, source: `content service ${origin}${pathname}` };
}

/** A name that nobody resolves may hang longer than any limit of a request. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error("there is no answer")), contentWithinMs);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** A filter that cannot be read holds everybody back: exit code 10, theirs for it. */
async function beginPass({ given, target, log }: Pass, pool: Pool): Promise<void> {
  try {
    const begun = await sql.beginPass(pool, target, JSON.stringify(policyOf(given, target)));
    if (begun.policy_changed) log.info({ target }, "the policy follows the configuration");
    if (begun.waiting + begun.withdrawn > 0) log.info({ ...begun }, "messages of earlier passes");
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code === "string" && code.startsWith("NTF"))
      throw new Ended(10, "the event filter cannot be read", error);
    if (asRefusal(error)) throw new Ended(1, "the configuration is no policy", error);
    throw error;
  }
}

/** Decides for every cluster, in the order of their names. */
async function decideAll({ pool, config, target, log, metrics, signal }: Pass): Promise<void> {
  metrics.status("processing_clusters");
  const toDecide = limited(pool, limitsOf(config, "decide"));
  let after = "";
  const total = { clusters: 0, notified: 0, issues: 0 };
  while (!signal.aborted) {
    const batch = await sql.decidePass(toDecide, target, after, batchSize);
    if (!batch) break;
    after = batch.last_cluster;
    for (const { org_id, cluster, issues } of batch.clusters) {
      const which = { "Organization ID": org_id, "Cluster name": cluster };
      total.clusters++;
      if (issues.length === 0) {
        metrics.count("notification_not_sent_same_state");
        log.info(which, "No new issues to notify");
        continue;
      }
      total.notified++;
      for (const { component, error_key, total_risk } of issues) {
        total.issues++;
        metrics.count("report_with_high_impact");
        log.warn(
          { ...which, Rule: component, "Error key": error_key, "Total risk": total_risk },
          "Report with impact higher than configured threshold detected",
        );
      }
    }
  }
  log.info({ ...total }, "clusters with issues are decided on");
}

/** Delivers what is due, and writes down what did not get through: it is due again with the next pass. */
async function deliverAll(pass: Pass, delivery: DeliveryTarget): Promise<void> {
  const { pool, config, target, log, metrics, signal } = pass;
  const toDeliver = limited(pool, limitsOf(config, "deliver"));
  await using texts = lazyTexts(toDeliver, log);
  await deliverDue(counted(delivery, metrics), toDeliver, texts, log, signal);
  const failed = await endingWith(3, "the database refuses", () => sql.endPass(toDeliver, target));
  if (failed > 0)
    log.error({ clusters: failed }, "not everything was delivered, the next pass tries it again");
}

/** The renderer is started only when there is something to render. */
function lazyTexts(pool: Pool, log: Logger): TextSource & AsyncDisposable {
  let started: Promise<ContentTexts> | undefined;
  const texts = () => {
    started ??= ContentTexts.create(pool, log);
    return started;
  };
  return {
    load: async (ids) => (await texts()).load(ids),
    render: async (content, request) => (await texts()).render(content, request),
    async [Symbol.asyncDispose]() {
      await (await started)?.dispose();
    },
  };
}

/** What went wrong, on one line, with its cause. */
export const inWords = ({ message, cause }: Ended): string =>
  cause === undefined ? message : `${message}: ${messageOf(cause)}`;
