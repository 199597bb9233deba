import type { Pool } from "pg";
import type { Logger } from "pino";
import type { Format } from "../content/escape.ts";
import type { ContentTexts } from "../content/texts.ts";
import { claim, type Outcome, type Settled, settle, type TargetName } from "./outbox.ts";
import { type RenderedNotification, renderAll, type TextName } from "./rendered.ts";

/** A place that notifications go to. */
export interface Target {
  readonly name: TargetName;
  /** How many messages are taken from the outbox at a time. */
  readonly batchSize: number;
  /** How long they stay ours, in milliseconds: longer than sending all of them can take. */
  readonly leaseMs: number;
  /** The texts of rule content that it needs, and the markup they go into. */
  readonly texts: readonly TextName[];
  readonly format: Format;
  /** Sends them and yields an outcome for each, as soon as it is known. Does not throw for a failed delivery. */
  send(rows: RenderedNotification[]): AsyncIterable<Outcome[]>;
  close(): Promise<void>;
}

/**
 * Delivers until nothing is due any more. The network is used outside of any transaction; a crash between sending and
 * settling makes the message go out again after the lease, with the same id.
 */
export async function deliverDue(
  target: Target,
  pool: Pool,
  texts: ContentTexts,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted) {
    const start = performance.now();
    const { rows, failed } = await claim(pool, target.name, target.batchSize, target.leaseMs);
    if (rows.length + failed.length === 0) return;
    const total = { sent: 0, retried: 0, dead: 0 };
    const record = async (outcomes: Outcome[]) => {
      logFailures(target, outcomes, rows, log);
      const settled = await settle(pool, outcomes);
      for (const count of ["sent", "retried", "dead"] as const) total[count] += settled[count];
      logCircuit(target, settled.circuit, outcomes, log);
    };
    if (failed.length > 0) await record(failed);
    const rendered = await renderAll(rows, target, texts);
    const leftOut = (outcome: Outcome): Outcome => ({
      ...outcome,
      unrendered: rendered.unrendered.get(outcome.id) ?? [],
    });
    for (const row of rendered.rows)
      for (const { error } of rendered.unrendered.get(row.id) ?? [])
        log.warn({ ...addressOf(target, row), failure: "template", error }, "issue left out");
    if (rendered.failed.length > 0) await record(rendered.failed.map(leftOut));
    if (rendered.rows.length === 0) continue;
    for await (const outcomes of target.send(rendered.rows)) await record(outcomes.map(leftOut));
    log.info({ target: target.name, ...total, ms: Math.round(performance.now() - start) }, "delivered");
  }
}

function logCircuit(target: Target, circuit: Settled["circuit"], outcomes: Outcome[], log: Logger): void {
  if (circuit === "closed") log.info({ target: target.name }, "circuit closed");
  if (circuit !== "opened") return;
  const failed = outcomes.find((outcome) => !outcome.sent && !outcome.permanent);
  const why = failed && !failed.sent ? { failure: failed.failure, error: failed.error } : {};
  log.warn({ target: target.name, ...why }, "circuit opened");
}

/** What a log names a notification by. */
type Addressed = { id: string; org_id: string; cluster: string; message_id: string };

const addressOf = (target: Target, row: Addressed | undefined) => ({
  target: target.name,
  org: row?.org_id,
  cluster: row?.cluster,
  messageId: row?.message_id,
});

function logFailures(target: Target, outcomes: Outcome[], rows: readonly Addressed[], log: Logger): void {
  for (const outcome of outcomes) {
    if (outcome.sent) continue;
    const row = rows.find(({ id }) => id === outcome.id);
    const { failure, error, permanent, attempt } = outcome;
    log.warn(
      { ...addressOf(target, row), attempt, failure, error },
      permanent ? "delivery given up" : "delivery failed",
    );
  }
}
