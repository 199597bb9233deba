import type { Pool } from "pg";
import type { Logger } from "pino";
import { whileMigrated } from "../db/wait.ts";
import { messageOf } from "../errors.ts";
import { endSpan, inSpan, onwards, type Span, SpanKind, startSpan, traceIds } from "../trace/trace.ts";
import { countBatch, countDelivered } from "./metrics.ts";
import { claim, failure, type Outcome, released, settle, untried } from "./outbox.ts";
import { type RenderedRows, renderAll, type TextSource } from "./rendered.ts";
import type { Settled } from "./sql.ts";
import { startWithinMs, type Target } from "./target.ts";

/** Messages that are ours for the length of a lease, with their texts. */
type Batch = {
  /** `performance.now()` before they were claimed. */
  claimedAt: number;
  isFull: boolean;
  rendered: RenderedRows;
  /** Outcomes of those that cannot be sent. */
  failed: Outcome[];
  addresses: readonly Addressed[];
};

/**
 * Delivers until nothing is due any more. The network is used outside of any transaction; a crash between
 * sending and settling makes the message go out again after the lease, with the same id. While a full batch
 * goes out, the next one is claimed and rendered; when the signal is aborted it is given back.
 */
export async function deliverDue(
  target: Target,
  pool: Pool,
  texts: TextSource,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  let next: Promise<Batch | undefined> = prepare(target, pool, texts, signal);
  for (;;) {
    if (signal?.aborted) return await release(pool, next, signal);
    const batch = await next;
    if (!batch) return;
    const ahead = batch.isFull ? prepare(target, pool, texts, signal) : undefined;
    ahead?.catch(() => undefined); // heard of below
    let opened = true;
    try {
      opened = await deliver(target, pool, batch, log, signal);
    } finally {
      if (ahead && (opened || signal?.aborted)) await release(pool, ahead, signal);
    }
    if (opened || signal?.aborted) return;
    // what waited for the batch that has just been settled was not there to be claimed ahead
    const claimNow = () => prepare(target, pool, texts, signal);
    next = ahead ? ahead.then((found) => found ?? claimNow()) : claimNow();
  }
}

/** Claims what is due and renders it; undefined when nothing is. */
async function prepare(
  target: Target,
  pool: Pool,
  texts: TextSource,
  signal: AbortSignal | undefined,
): Promise<Batch | undefined> {
  const claimedAt = performance.now();
  const { rows, failed } = await claim(pool, target.name, target.batchSize, target.leaseMs, signal);
  const count = rows.length + failed.length;
  if (count === 0) return undefined;
  const rendered = await whileMigrated(() => renderAll(rows, target, texts));
  const unusable = rendered.failed.map(({ row, error }) => untried(failure(row, error)));
  return {
    claimedAt,
    isFull: count === target.batchSize,
    rendered,
    failed: [...failed, ...unusable],
    addresses: rows,
  };
}

/** Sends a batch and records how it went; true when that opened the circuit of the target. */
async function deliver(
  target: Target,
  pool: Pool,
  batch: Batch,
  log: Logger,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const spans = new Map<string, Span | undefined>();
  for (const row of batch.rendered.rows) {
    const span = startSpan(`deliver to ${target.name}`, {
      kind: target.name === "service log" ? SpanKind.CLIENT : SpanKind.PRODUCER,
      parent: row.traceparent,
      attributes: {
        "messaging.message.id": row.message_id,
        "ccx.notification": row.id,
        "ccx.attempt": row.attempt,
        "ccx.organization": row.org_id,
        "ccx.cluster": row.cluster,
      },
    });
    spans.set(row.id, span);
    row.traceparent = onwards(span, row.traceparent) ?? null;
  }
  const parents = batch.rendered.rows.map(({ traceparent }) => traceparent ?? undefined);
  return inSpan(`deliver batch to ${target.name}`, { parents }, () =>
    deliverBatch(target, pool, batch, log, signal, (outcome) => {
      const hasFailed = !outcome.sent && outcome.failure !== null;
      endSpan(spans.get(outcome.id), hasFailed ? `${outcome.failure}: ${outcome.error}` : undefined);
    }),
  );
}

async function deliverBatch(
  target: Target,
  pool: Pool,
  { claimedAt, rendered, failed, addresses }: Batch,
  log: Logger,
  signal: AbortSignal | undefined,
  ended: (outcome: Outcome) => void,
): Promise<boolean> {
  const total = { sent: 0, retried: 0, dead: 0 };
  let opened = false;
  const record = async (outcomes: Outcome[]) => {
    outcomes.forEach(ended);
    logFailures(target, outcomes, addresses, log);
    const full = outcomes.map((outcome) => ({
      ...outcome,
      unrendered: rendered.unrendered.get(outcome.id) ?? [],
      doubtful: rendered.doubtful.get(outcome.id) ?? [],
    }));
    const settled = await settle(pool, full, signal, ({ id, attempt, sent }, error) => {
      const row = addresses.find((address) => address.id === id);
      log.error({ ...addressOf(target, row), attempt, sent, error: messageOf(error) }, "cannot be settled");
    });
    countDelivered(pool, target.name, full, settled);
    for (const count of ["sent", "retried", "dead"] as const) total[count] += settled[count];
    if (settled.circuit) opened = settled.circuit === "opened";
    logCircuit(target, settled.circuit, outcomes, log);
  };
  for (const row of rendered.rows)
    for (const { error } of rendered.unrendered.get(row.id) ?? [])
      log.warn({ ...addressOf(target, row), failure: "template", error }, "issue left out");
  if (failed.length > 0) await record(failed);
  if (rendered.rows.length === 0) return opened;
  const mayStart = () => !opened && !signal?.aborted && performance.now() < claimedAt + startWithinMs;
  for await (const outcomes of target.send(rendered.rows, mayStart)) await record(outcomes);
  const ms = Math.round(performance.now() - claimedAt);
  countBatch(target.name, ms);
  log.info({ target: target.name, ...total, ms }, "delivered");
  return opened;
}

/** Gives back what was claimed ahead. Where that fails the lease ends by itself. */
async function release(
  pool: Pool,
  ahead: Promise<Batch | undefined>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const batch = await ahead.catch(() => undefined);
  if (batch)
    await settle(pool, [...batch.failed, ...batch.rendered.rows.map(released)], signal).catch(
      () => undefined,
    );
}

function logCircuit(target: Target, circuit: Settled["circuit"], outcomes: Outcome[], log: Logger): void {
  if (circuit === "closed") log.info({ target: target.name }, "circuit closed");
  if (circuit !== "opened") return;
  const [failed] = outcomes.filter(
    (outcome) => !outcome.sent && outcome.failure !== null && !outcome.permanent,
  );
  const why =
    failed && !failed.sent && failed.failure !== null ? { failure: failed.failure, error: failed.error } : {};
  log.warn({ target: target.name, ...why }, "circuit opened");
}

/** What a log names a notification by. */
type Addressed = {
  id: string;
  org_id: string;
  cluster: string;
  message_id: string;
  traceparent: string | null;
};

const addressOf = (target: Target, row: Addressed | undefined) => ({
  target: target.name,
  org: row?.org_id,
  cluster: row?.cluster,
  messageId: row?.message_id,
  ...traceIds(row?.traceparent),
});

function logFailures(target: Target, outcomes: Outcome[], rows: readonly Addressed[], log: Logger): void {
  const alike = Map.groupBy(
    outcomes.filter((outcome) => !outcome.sent && outcome.failure !== null),
    (outcome) => JSON.stringify(outcome.sent || [outcome.failure, outcome.error]),
  );
  for (const [first, ...others] of alike.values()) {
    if (!first || first.sent || first.failure === null) continue;
    const { failure, error, permanent, attempt } = first;
    // a receiver that is away, or a topic that is missing, says the same of hundreds
    const which =
      others.length > 0
        ? { target: target.name, messages: others.length + 1 }
        : {
            ...addressOf(
              target,
              rows.find(({ id }) => id === first.id),
            ),
            attempt,
          };
    // settle_notifications() splits what can be split
    const ended = permanent && !first.too_large ? "delivery given up" : "delivery failed";
    log.warn({ ...which, failure, error }, first.too_large ? "message is too large" : ended);
  }
}
