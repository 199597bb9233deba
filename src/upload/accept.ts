import { randomBytes } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Pool } from "pg";
import type { ObjectStore } from "../objects/store.ts";
import { type Destination, destinationOf } from "./content_type.ts";
import { BrokenForm, type Part, readForm, textOf } from "./form.ts";
import type { Identity } from "./identity.ts";
import { mostMetadataBytes, parseMetadata } from "./metadata.ts";
import { type Received, receive } from "./receive.ts";
import { newRequestId } from "./request_id.ts";
import * as sql from "./sql.ts";

/** What is taken. */
export type Limits = {
  services: readonly string[];
  maxBytes: number;
  /** other limits for single services */
  maxBytesByService: ReadonlyMap<string, number>;
};

export type Upload = {
  requestId: string;
  identity: Identity;
  userAgent: string | undefined;
  receivedAt: Date;
  /** the trace that it goes on in */
  traceparent: string | undefined;
};

/** Nothing is taken: there is no file, or nobody for whom it is. */
export class NotTaken extends Error {
  override name = "NotTaken";
  readonly why: "no_file" | "unknown_type" | "unknown_service";

  constructor(why: NotTaken["why"], options?: ErrorOptions) {
    super(`the upload is not taken: ${why}`, options);
    this.why = why;
  }
}

/** The database did not take it, or cannot be reached; whether the upload counts is not known then. */
export class NotRecorded extends Error {
  override name = "NotRecorded";
}

export type AcceptedUpload = sql.Accepted & {
  size: number;
  destination: Destination;
  /** something was said about the archive, whether it conforms or not */
  hasMetadata: boolean;
};

type Taken = Destination & { contentType: string; key: string; received: Received };

/**
 * Takes an upload in: first its content into the store, then, once all of the form is there, archive,
 * announcement and status into the database, in one statement. A content of one piece goes along with that
 * statement where the database is the store. What a process that dies in between leaves behind, the sweep of
 * orphans finds (tidy.ts).
 * @throws NotTaken, NotRecorded, TooLarge, MuchTooLarge, StoreFailed
 */
export async function acceptUpload(
  request: IncomingMessage,
  upload: Upload,
  { pool, store, keyPrefix, limits }: { pool: Pool; store: ObjectStore; keyPrefix: string; limits: Limits },
): Promise<AcceptedUpload> {
  const { requestId, identity } = upload;
  let file: Taken | undefined;
  let hasFile = false;
  let hasMetadata = false;
  let metadata: string | undefined;
  const take = async (part: Part): Promise<void> => {
    const { name, filename, body } = part;
    if ((name === "file" || name === "upload") && filename !== undefined && !hasFile) {
      hasFile = true;
      const { service, category } = destinationIn(limits.services, part.contentType);
      const key = `${keyPrefix}/${identity.orgId}/${requestId}-${randomBytes(8).toString("hex")}`;
      const limit = limits.maxBytesByService.get(service) ?? limits.maxBytes;
      const labels = { requestID: requestId, account: identity.account, org: identity.orgId };
      const received = await receive(body, { store, key, labels, limit });
      file = { service, category, contentType: part.contentType, key, received };
    } else if (name === "metadata" && !hasMetadata) {
      hasMetadata = true;
      const text = await textOf(body, mostMetadataBytes);
      metadata = text === undefined ? undefined : parseMetadata(text);
    } else body.resume();
  };
  try {
    await readForm(request, take);
    if (file === undefined) throw new NotTaken("no_file");
    const accepted = await record(pool, store, upload, file, metadata);
    return {
      ...accepted,
      size: file.received.size,
      destination: { service: file.service, category: file.category },
      hasMetadata,
    };
  } catch (error) {
    // whether the database has it after all, the sweep of orphans finds out
    if (file !== undefined && file.received.content === undefined && !(error instanceof NotRecorded))
      await store.delete(file.key).catch(() => undefined);
    throw error instanceof BrokenForm ? new NotTaken("no_file", { cause: error }) : error;
  }
}

function destinationIn(services: readonly string[], contentType: string): Destination {
  const destination = destinationOf(contentType);
  if (destination === undefined) throw new NotTaken("unknown_type");
  if (!services.includes(destination.service)) throw new NotTaken("unknown_service");
  return destination;
}

async function record(
  pool: Pool,
  store: ObjectStore,
  { requestId, identity, userAgent, receivedAt, traceparent }: Upload,
  { service, category, contentType, key, received }: Taken,
  metadata: string | undefined,
): Promise<sql.Accepted> {
  const { size, sha256, content } = received;
  const archive = {
    request_id: requestId,
    spare_id: newRequestId(),
    org_id: identity.orgId,
    account_number: identity.account,
    principal: identity.orgId,
    cluster: identity.cluster ?? null,
    service,
    category,
    content_type: contentType,
    size,
    sha256,
    store: store.name,
    object_key: key,
    b64_identity: identity.header,
    metadata: metadata ?? null,
    user_agent: userAgent ?? null,
    traceparent: traceparent ?? null,
    received_at: receivedAt.toISOString(),
  };
  const accepted = await sql.acceptUpload(pool, JSON.stringify(archive), content ?? null).catch((cause) => {
    throw new NotRecorded("the upload cannot be recorded", { cause });
  });
  if (accepted.outcome === "repeated" && content === undefined)
    await store.delete(key).catch(() => undefined);
  return accepted;
}
