import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { chunkBytes } from "../objects/database.ts";
import type { Labels, ObjectStore } from "../objects/store.ts";
import { EnoughOfIt } from "./form.ts";

/**
 * What has arrived, and is in the store under its key, or still here for the statement that makes it count.
 */
export type Received = {
  size: number;
  /** in hexadecimal digits */
  sha256: string;
  /** undefined: it is in the store */
  content: Buffer | undefined;
};

/** More has arrived than is allowed; nothing of it is kept. */
export class TooLarge extends Error {
  override name = "TooLarge";
  readonly limit: number;
  /** all that has arrived */
  readonly size: number;

  constructor(limit: number, size: number) {
    super(`the archive is larger than ${limit} bytes`);
    this.limit = limit;
    this.size = size;
  }
}

/** So much more has arrived than is allowed that we do not wait for the rest. */
export class MuchTooLarge extends EnoughOfIt {
  override name = "MuchTooLarge";
  readonly limit: number;
  /** what has arrived so far */
  readonly size: number;

  constructor(limit: number, size: number) {
    super(`the archive is much larger than ${limit} bytes`);
    this.limit = limit;
    this.size = size;
  }
}

/** The store did not take it: it is full, or away. */
export class StoreFailed extends Error {
  override name = "StoreFailed";
}

/**
 * How much of what is too large is counted, for the client to hear how large it is: so many times the limit.
 */
const countedTimes = 2;

/**
 * Takes a file in as it comes, and puts it into the store piece by piece. Where the database is the store,
 * what is small stays in memory: it goes along with the statement that makes it count.
 * @throws TooLarge, MuchTooLarge, StoreFailed, or what the body ends with when it is cut
 */
export async function receive(
  body: Readable,
  { store, key, labels, limit }: { store: ObjectStore; key: string; labels: Labels; limit: number },
): Promise<Received> {
  const hash = createHash("sha256");
  // the parser waits for its stream to be read: it is not to be destroyed before its end
  const source = body.iterator({ destroyOnReturn: false });
  let size = 0;
  let isOver = false;
  const measured = (async function* () {
    for await (const piece of source as AsyncIterable<Buffer>) {
      size += piece.byteLength;
      if (size > limit) {
        isOver = true;
        return;
      }
      hash.update(piece);
      yield piece;
    }
  })();

  const head: Buffer[] = [];
  for (let bytes = 0; bytes <= chunkBytes; ) {
    const next = await measured.next();
    if (next.done) {
      if (isOver) throw await counted(body, limit, size);
      const content = Buffer.concat(head);
      const sha256 = hash.digest("hex");
      if (store.name === "database") return { size, sha256, content };
      await store.put(key, once(content), labels).catch((cause) => {
        throw new StoreFailed("the archive cannot be stored", { cause });
      });
      return { size, sha256, content: undefined };
    }
    head.push(next.value);
    bytes += next.value.byteLength;
  }
  let broken: unknown;
  const whole = (async function* () {
    while (head.length > 0) yield head.shift() as Buffer;
    try {
      yield* measured;
    } catch (error) {
      broken = error;
      throw error;
    }
    // the store must not take for an object what is only its beginning
    if (isOver) throw new TooLarge(limit, size);
  })();
  try {
    await store.put(key, whole, labels);
  } catch (cause) {
    if (broken !== undefined) throw broken;
    await whole.return(undefined);
    const left = await counted(body, limit, size);
    if (isOver) throw left;
    throw new StoreFailed("the archive cannot be stored", { cause });
  }
  return { size, sha256: hash.digest("hex"), content: undefined };
}

async function* once(content: Buffer): AsyncGenerator<Buffer> {
  yield content;
}

/** Reads on without keeping anything. */
async function counted(body: Readable, limit: number, already: number): Promise<TooLarge | MuchTooLarge> {
  let size = already;
  for await (const piece of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += piece.byteLength;
    if (size > limit * countedTimes) return new MuchTooLarge(limit, size);
  }
  return new TooLarge(limit, size);
}
