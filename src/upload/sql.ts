import { z } from "zod";
import { type Db, rowOf, rowsOf, uncheckedRowsOf } from "../db/rows.ts";

const accepted = z.object({ request_id: z.string(), outcome: z.enum(["new", "renamed", "repeated"]) });

/** Under which id an upload counts, and whether it is new, has another id than it came with, or was there. */
export type Accepted = z.infer<typeof accepted>;

/** Makes a stored upload count (an object of columns of `archive`, as JSON), with its content or without. */
export const acceptUpload = (db: Db, upload: string, content: Buffer | null): Promise<Accepted> =>
  rowOf(
    db,
    accepted,
    { name: "accept_upload", text: "select request_id, outcome from ccx.accept_upload($1::jsonb, $2)" },
    [upload, content],
  );

/**
 * Takes messages to be sent; for the length of the lease nobody else gets them. They are checked by the
 * caller.
 */
export const claimUploadMessages = (
  db: Db,
  batchSize: number,
  leaseMs: number,
  urlSeconds: number,
): Promise<unknown[]> =>
  uncheckedRowsOf(
    db,
    {
      name: "claim_upload_messages",
      text: "select * from ccx.claim_upload_messages($1, $2::interval, $3::interval)",
    },
    [batchSize, `${leaseMs} ms`, `${urlSeconds} s`],
  );

const settled = z.object({ sent: z.number(), retried: z.number(), dead: z.number() });
export type Settled = z.infer<typeof settled>;

/** Records how the sending ended: a JSON array of outcomes (announce.ts). */
export const settleUploadMessages = (db: Db, outcomes: string): Promise<Settled> =>
  rowOf(
    db,
    settled,
    {
      name: "settle_upload_messages",
      text: "select sent, retried, dead from ccx.settle_upload_messages($1::jsonb)",
    },
    [outcomes],
  );

const tracked = z.object({
  org_id: z.string().nullable(),
  account_number: z.string(),
  service: z.string(),
  status: z.string(),
  status_msg: z.string().nullable(),
  date: z.coerce.date(),
});
export type Tracked = z.infer<typeof tracked>;

/** What was said about an upload, the latest first. */
export const trackUpload = (db: Db, requestId: string): Promise<Tracked[]> =>
  rowsOf(
    db,
    tracked,
    "select org_id, account_number, service, status, status_msg, date from track_upload($1)",
    [requestId],
  );

const keptArchive = z.object({ size: z.coerce.number(), is_kept: z.boolean() });

/** The archive whose content has this key; undefined: there is none. */
export const archiveOf = async (db: Db, key: string): Promise<z.infer<typeof keptArchive> | undefined> =>
  (await rowsOf(db, keptArchive, "select size, is_kept from archives where object_key = $1", [key]))[0];

const toRemove = z.object({ archive_id: z.string(), object_key: z.string() });

/** Archives of a store whose time has come, the oldest first. */
export const archivesToRemove = (db: Db, store: string, most: number): Promise<z.infer<typeof toRemove>[]> =>
  rowsOf(db, toRemove, "select archive_id, object_key from ccx.archives_to_remove($1, $2)", [store, most]);

/** Records that the contents of archives are gone. */
export const noteRemoved = async (db: Db, archiveIds: readonly string[]): Promise<number> =>
  (
    await rowOf(db, z.object({ noted: z.number() }), "select ccx.note_removed($1::bigint[]) as noted", [
      archiveIds,
    ])
  ).noted;

/** Which of these objects are contents of archives that are kept. */
export const knownObjects = async (db: Db, keys: readonly string[]): Promise<string[]> =>
  (
    await rowOf(
      db,
      z.object({ known: z.array(z.string()) }),
      "select ccx.known_objects($1::text[]) as known",
      [keys],
    )
  ).known;
