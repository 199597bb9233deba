import type { Message } from "kafkajs";
import type { Pool } from "pg";
import { z } from "zod";
import { isDatabaseUnavailable } from "../db/errors.ts";
import { DeliveryError, messageOf } from "../errors.ts";
import { type RecordProducer, type SendResult, sendEach } from "../kafka/send_each.ts";
import type { Logger } from "../log.ts";
import type { ObjectStore } from "../objects/store.ts";
import { endSpan, inSpan, onwards, type Span, SpanKind, startSpan } from "../trace/trace.ts";
import { type Claimed, type ClaimedAnnouncement, claimedSchema, identitySchema } from "./claimed.ts";
import { announcementOf, statusOf } from "./message.ts";
import { countMessages } from "./metrics.ts";
import * as sql from "./sql.ts";

/** What announcements and statuses of uploads go out with. */
export type Announcing = {
  producer: RecordProducer;
  store: ObjectStore;
  announceTopic: string;
  statusTopic: string;
  /** how long the URL of an announcement is valid, in seconds */
  urlSeconds: number;
};

/** How the sending of a message ended, as SQL settle_upload_messages() takes it. */
type Outcome = { id: string; attempt: number; tried: boolean } & (
  | { sent: true; permanent: false; partition: number | null; offset: string | null }
  | { sent: false; permanent: boolean; failure: string; error: string }
);

const batchSize = 500;

/** Longer than a batch can take; what is not settled then goes out again. */
const leaseMs = 120_000;

/**
 * Sends announcements and statuses of uploads until none is due any more. The table is the truth: what was
 * sent and not settled goes out again, with the same bytes. Does not throw when Kafka or the store is away.
 */
export async function announceUploads(
  pool: Pool,
  announcing: Announcing,
  log: Logger,
  signal?: AbortSignal,
): Promise<void> {
  while (!signal?.aborted) {
    const claimed = await sql.claimUploadMessages(pool, batchSize, leaseMs, announcing.urlSeconds);
    if (claimed.length === 0) return;
    const began = performance.now();
    const { rows, unusable } = parsed(claimed);
    const parents = rows.flatMap((row) =>
      row.kind === "announcement" ? [row.traceparent ?? undefined] : [],
    );
    const settled = await inSpan("announce batch", { parents }, async () => {
      const outcomes = [...unusable, ...(await sendAll(rows, announcing))];
      const settled = await sql.settleUploadMessages(pool, JSON.stringify(outcomes));
      countMessages(settled);
      logFailures(outcomes, log);
      log.info({ ...settled, ms: Math.round(performance.now() - began) }, "uploads announced");
      return settled;
    });
    // the others will have their turn by the job that is queued for then
    if (settled.sent === 0) return;
  }
}

function parsed(claimed: readonly unknown[]): { rows: Claimed[]; unusable: Outcome[] } {
  const unusable: Outcome[] = [];
  const rows: Claimed[] = [];
  for (const row of claimed) {
    const checked = claimedSchema.safeParse(row);
    if (checked.success) rows.push(checked.data);
    else {
      const error = new DeliveryError("schema", z.prettifyError(checked.error), { permanent: true });
      unusable.push(failed(identitySchema.parse(row), error, false));
    }
  }
  return { rows, unusable };
}

async function sendAll(rows: readonly Claimed[], announcing: Announcing): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const spans = new Map<string, Span | undefined>();
  const announcements = new Map<string, Message>();
  const statuses = new Map<string, Message>();
  for (const row of rows) {
    if (row.kind === "status") statuses.set(row.id, statusOf(row));
    else {
      const url = await urlOf(row, announcing);
      if (url instanceof DeliveryError) outcomes.push(failed(row, url, false));
      else {
        const attributes = { "ccx.request": row.request_id, "ccx.attempt": row.attempt };
        const span = startSpan("announce", { kind: SpanKind.PRODUCER, parent: row.traceparent, attributes });
        spans.set(row.id, span);
        announcements.set(row.id, announcementOf(row, url, onwards(span, row.traceparent)));
      }
    }
  }
  const { producer, announceTopic, statusTopic } = announcing;
  const results = new Map<string, SendResult>([
    ...(await sendEach(producer, announceTopic, announcements)),
    ...(await sendEach(producer, statusTopic, statuses)),
  ]);
  for (const row of rows) {
    const result = results.get(row.id);
    if (result) endSpan(spans.get(row.id), result.ok ? undefined : result.error.message);
    if (result?.ok) outcomes.push(sent(row, result));
    else if (result) outcomes.push(failed(row, result.error, result.tried));
  }
  return outcomes;
}

const sent = (
  { id, attempt }: Claimed,
  { partition, offset }: { partition: number | null; offset: string | null },
): Outcome => ({ id, attempt, sent: true, permanent: false, tried: true, partition, offset });

const failed = (
  { id, attempt }: { id: string; attempt: number },
  error: DeliveryError,
  tried: boolean,
): Outcome => ({
  id,
  attempt,
  sent: false,
  permanent: error.permanent,
  tried,
  failure: error.reason,
  error: error.message,
});

/** Another store than ours has the archive: a process that has the same may announce it, so it waits. */
async function urlOf(
  row: ClaimedAnnouncement,
  { store, urlSeconds }: Announcing,
): Promise<string | DeliveryError> {
  if (row.store !== store.name)
    return new DeliveryError("client", `The archive is in the store "${row.store}", not in "${store.name}".`);
  try {
    return await store.url(row.object_key, urlSeconds, row.signed_at);
  } catch (cause) {
    if (isDatabaseUnavailable(cause)) throw cause;
    return new DeliveryError("client", `The archive has no URL: ${messageOf(cause)}`, { cause });
  }
}

function logFailures(outcomes: readonly Outcome[], log: Logger): void {
  const failures = outcomes.filter((outcome) => !outcome.sent);
  const alike = Map.groupBy(failures, ({ failure, error }) => `${failure} ${error}`);
  for (const [first, ...others] of alike.values()) {
    if (!first) continue;
    const { failure, error, permanent } = first;
    log.warn(
      { messages: others.length + 1, failure, error },
      permanent ? "announcement given up" : "announcement failed, trying again",
    );
  }
}
