import { randomUUID } from "node:crypto";
import { access, mkdir, open, opendir, rename, rm, stat, unlink } from "node:fs/promises";
import path from "node:path";
import type { Readable } from "node:stream";
import type { Pool } from "pg";
import { signedUrl } from "./signed_url.ts";
import * as sql from "./sql.ts";
import { isKey, ObjectMissing, type ObjectStore, type StoredObject } from "./store.ts";

/** What is being written, or was when its process died. */
const unfinished = ".unfinished";

/** Objects as files below a folder; this service itself gives them out. */
export class FolderStore implements ObjectStore {
  readonly name = "folder";
  readonly #root: string;
  readonly #pool: Pool;
  readonly #baseUrl: string;

  constructor(root: string, pool: Pool, baseUrl: string) {
    this.#root = path.resolve(root);
    this.#pool = pool;
    this.#baseUrl = baseUrl;
  }

  #file(key: string): string {
    if (!isKey(key)) throw new TypeError(`${JSON.stringify(key)} is no key of an object`);
    return path.join(this.#root, key);
  }

  /** Written aside, and moved when all of it is on the disk. */
  async put(key: string, content: AsyncIterable<Uint8Array>): Promise<void> {
    const file = this.#file(key);
    await mkdir(path.dirname(file), { recursive: true });
    const temporary = `${file}.${randomUUID()}${unfinished}`;
    try {
      await using handle = await open(temporary, "wx", 0o640);
      for await (const bytes of content) await handle.writeFile(bytes);
      await handle.sync();
      await rename(temporary, file);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(path.dirname(file));
  }

  async get(key: string): Promise<Readable> {
    const handle = await open(this.#file(key), "r").catch(async (error) => {
      if (!isMissing(error)) throw error;
      await this.#isThere(key);
      throw new ObjectMissing(key, { cause: error });
    });
    if ((await handle.stat()).isFile()) return handle.createReadStream();
    await handle.close();
    throw new ObjectMissing(key);
  }

  /**
   * Tells an object that is gone from a file system that is not mounted. Every object is below such a folder.
   */
  async #isThere(key: string): Promise<void> {
    const folder = path.join(this.#root, key.split("/")[0] ?? "");
    await access(folder).catch((cause) => {
      throw new Error(`the folder of the store is not there: ${folder}`, { cause });
    });
  }

  async url(key: string, seconds: number, signedAt: Date): Promise<string> {
    const expires = Math.floor(signedAt.getTime() / 1_000) + seconds;
    const { secret } = await sql.archiveIdentity(this.#pool);
    return signedUrl(this.#baseUrl, secret, key, expires);
  }

  async delete(key: string): Promise<void> {
    await unlink(this.#file(key)).catch(async (error) => {
      if (!isMissing(error)) throw error;
      await this.#isThere(key);
    });
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    const folder = await opendir(this.#file(prefix), { recursive: true }).catch((error) => {
      if (isMissing(error)) return undefined;
      throw error;
    });
    if (!folder) return;
    for await (const entry of folder) {
      if (!entry.isFile()) continue;
      const file = path.join(entry.parentPath, entry.name);
      const about = await stat(file).catch(() => undefined); // gone meanwhile
      const key = path.relative(this.#root, file).split(path.sep).join("/");
      if (about && isKey(key)) yield { key, storedAt: about.mtime };
    }
  }

  async close(): Promise<void> {}
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR");

/** So that the name is on the disk as well. */
async function syncFolder(folder: string): Promise<void> {
  await using handle = await open(folder, "r");
  await handle.sync();
}
