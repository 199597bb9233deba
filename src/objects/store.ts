import type { Readable } from "node:stream";

/** Where contents of archives may be; the vocabulary of `archive.store`. */
export type StoreName = "database" | "folder" | "s3";

/** What an object may be labelled with, where a store has room for it. */
export type Labels = { requestID: string; account: string; org: string };

export type StoredObject = { key: string; storedAt: Date };

/** There is no such object: it was removed, or never stored. */
export class ObjectMissing extends Error {
  override name = "ObjectMissing";

  constructor(key: string, options?: ErrorOptions) {
    super(`the archive store has no object ${key}`, options);
  }
}

/**
 * Where the contents of archives are. Keys are paths of letters, digits, `.`, `_` and `-` (`isKey`), and are
 * never written a second time. A store holds no more than a few chunks of an object in memory.
 */
export interface ObjectStore {
  readonly name: StoreName;
  /** Stores what comes. When that fails, or its source does, nothing is left but what `list` finds. */
  put(key: string, content: AsyncIterable<Uint8Array>, labels: Labels): Promise<void>;
  /** The content; rejects with ObjectMissing. */
  get(key: string): Promise<Readable>;
  /**
   * A URL that anybody may get the content from, without saying who he is, until it expires. The same for the
   * same arguments, where the store has the same configuration.
   */
  url(key: string, seconds: number, signedAt: Date): Promise<string>;
  /** Removes an object; one that is gone already is no error. */
  delete(key: string): Promise<void>;
  /** The objects below the first part of a key, in no order; what is being stored may be among them. */
  list(prefix: string): AsyncIterable<StoredObject>;
  close(): Promise<void>;
}

export const isKey = (key: string): boolean =>
  /^[\w.-]+(\/[\w.-]+)*$/.test(key) &&
  key.length <= 512 &&
  !key.split("/").some((part) => /^\.+$/.test(part));
