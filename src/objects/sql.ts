import { z } from "zod";
import { call, type Db, rowOf, rowsOf } from "../db/rows.ts";

const chunk = z.object({ bytes: z.instanceof(Buffer) });

/** Adds a piece of an object, the nth (from 0). */
export const putChunk = (db: Db, key: string, nth: number, bytes: Uint8Array): Promise<void> =>
  call(db, "select ccx.put_chunk($1, $2, $3)", [key, nth, bytes]);

/** A piece of an object; undefined behind the last one. */
export const getChunk = async (db: Db, key: string, nth: number): Promise<Buffer | undefined> =>
  (
    await rowsOf(db, chunk, "select bytes from archive_chunk where object_key = $1 and nth = $2", [key, nth])
  )[0]?.bytes;

/** Removes an object, as far as it is there. */
export const removeChunks = (db: Db, key: string): Promise<void> =>
  call(db, "select ccx.remove_chunks($1)", [key]);

const listed = z.object({ key: z.string(), stored_at: z.coerce.date() });

/** Objects whose keys begin with the prefix, after a key, in the order of their keys. */
export const listChunks = (
  db: Db,
  prefix: string,
  after: string,
  most: number,
): Promise<z.infer<typeof listed>[]> =>
  rowsOf(db, listed, "select key, stored_at from ccx.stored_objects($1, $2, $3)", [prefix, after, most]);

const identity = z.object({ prefix: z.string(), secret: z.string() });

/** What keys of ours begin with, and what URLs of ours are signed with. */
export const archiveIdentity = (db: Db): Promise<z.infer<typeof identity>> =>
  rowOf(db, identity, "select prefix, secret from ccx.archive_identity");
