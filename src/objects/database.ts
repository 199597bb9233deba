import { Readable } from "node:stream";
import type { Pool } from "pg";
import { signedUrl } from "./signed_url.ts";
import * as sql from "./sql.ts";
import { ObjectMissing, type ObjectStore, type StoredObject } from "./store.ts";

/** Large enough for most archives to be one row, small enough for many uploads at the same time. */
export const chunkBytes = 256 * 1024;

const pageOfKeys = 1_000;

/** Objects as rows of `archive_chunk`; this service itself gives them out. */
export class DatabaseStore implements ObjectStore {
  readonly name = "database";
  readonly #pool: Pool;
  readonly #baseUrl: string;

  constructor(pool: Pool, baseUrl: string) {
    this.#pool = pool;
    this.#baseUrl = baseUrl;
  }

  /** Each piece is a statement of its own, so that a slow client holds no connection and no transaction. */
  async put(key: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    let nth = 0;
    try {
      for await (const bytes of inChunks(content, chunkBytes))
        await sql.putChunk(this.#pool, key, nth++, bytes);
      if (nth === 0) await sql.putChunk(this.#pool, key, 0, Buffer.alloc(0));
    } catch (error) {
      await this.delete(key).catch(() => undefined); // the sweep of orphans finds it
      throw error;
    }
  }

  async get(key: string): Promise<Readable> {
    const first = await sql.getChunk(this.#pool, key, 0);
    if (first === undefined) throw new ObjectMissing(key);
    return Readable.from(this.#chunks(key, first), { objectMode: false });
  }

  async *#chunks(key: string, first: Buffer): AsyncGenerator<Buffer> {
    let chunk: Buffer | undefined = first;
    for (let nth = 1; chunk !== undefined; nth++) {
      if (chunk.byteLength > 0) yield chunk;
      chunk = await sql.getChunk(this.#pool, key, nth);
    }
  }

  async url(key: string, seconds: number, signedAt: Date): Promise<string> {
    const expires = Math.floor(signedAt.getTime() / 1_000) + seconds;
    const { secret } = await sql.archiveIdentity(this.#pool);
    return signedUrl(this.#baseUrl, secret, key, expires);
  }

  delete(key: string): Promise<void> {
    return sql.removeChunks(this.#pool, key);
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    for (let after = ""; ; ) {
      const page = await sql.listChunks(this.#pool, `${prefix}/`, after, pageOfKeys);
      for (const { key, stored_at } of page) yield { key, storedAt: stored_at };
      const last = page.at(-1);
      if (last === undefined) return;
      after = last.key;
    }
  }

  async close(): Promise<void> {}
}

/** The same bytes in pieces of this size, the last one smaller. */
export async function* inChunks(content: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of content) {
    waiting.push(piece);
    bytes += piece.byteLength;
    if (bytes < size) continue;
    const all = Buffer.concat(waiting);
    const whole = all.byteLength - (all.byteLength % size);
    for (let at = 0; at < whole; at += size) yield all.subarray(at, at + size);
    // a copy, which does not keep the pieces that were handed on
    waiting = whole < all.byteLength ? [Buffer.from(all.subarray(whole))] : [];
    bytes = all.byteLength - whole;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
