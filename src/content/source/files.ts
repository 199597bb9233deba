import { constants } from "node:fs";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { withLineFeeds } from "../../text/clean.ts";
import { ContentError } from "./error.ts";

/** Far above real content (a few kB a file), far below what would hurt the process or the database. */
export const maxFileBytes = 1024 * 1024;
export const maxTotalBytes = 50 * 1024 * 1024;

/**
 * A folder as it was listed; `path` is relative to the content folder, with `/`. Hidden entries are left out.
 */
export type Folder = { path: string; name: string; files: Set<string>; folders: Folder[] };

/**
 * Lists a folder below `root` with everything in it, sorted by name.
 * Throws ContentError for a symbolic link (content may come from a stranger's repository, and a link
 * could name any file of this machine) and for what is neither file nor folder.
 */
export async function listFolder(root: string, path: string): Promise<Folder> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch((cause) => {
    throw new ContentError(path, `cannot be listed (${codeOf(cause)})`, { cause });
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));

  const folder: Folder = { path, name: path.split("/").at(-1) ?? path, files: new Set(), folders: [] };
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const child = `${path}/${entry.name}`;
    if (entry.isSymbolicLink()) throw new ContentError(child, "is a symbolic link, which is not followed");
    if (entry.isDirectory()) folder.folders.push(await listFolder(root, child));
    else if (entry.isFile()) folder.files.add(entry.name);
    else throw new ContentError(child, "is neither a file nor a folder");
  }
  return folder;
}

/** Reads the text files of one content folder and keeps count of their bytes. */
export class TextReader {
  readonly #root: string;
  #totalBytes = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * The text of a file (path relative to the content folder), without a byte order mark, with line feeds only.
   * Throws ContentError for a file that is missing, a link, over 1 MiB, not UTF-8, or holds a NUL
   * (which PostgreSQL cannot store), and when all files read so far are over 50 MiB.
   */
  async text(path: string): Promise<string> {
    const bytes = await this.#bytes(path);
    this.#totalBytes += bytes.length;
    if (this.#totalBytes > maxTotalBytes)
      throw new ContentError(path, "with this file the content is over 50 MiB in total");
    if (bytes.includes(0)) throw new ContentError(path, "contains a NUL character");
    try {
      return withLineFeeds(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    } catch (cause) {
      throw new ContentError(path, "is not valid UTF-8", { cause });
    }
  }

  async #bytes(path: string): Promise<Buffer> {
    // O_NONBLOCK: opening a named pipe must not wait for a writer
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    try {
      await using file = await open(join(this.#root, path), flags);
      const status = await file.stat();
      if (!status.isFile()) throw new ContentError(path, "is not a file");
      if (status.size > maxFileBytes) throw new ContentError(path, "is over 1 MiB");
      const bytes = await file.readFile();
      if (bytes.length > maxFileBytes) throw new ContentError(path, "is over 1 MiB");
      return bytes;
    } catch (cause) {
      if (cause instanceof ContentError) throw cause;
      const code = codeOf(cause);
      if (code === "ENOENT") throw new ContentError(path, "is missing", { cause });
      if (code === "ELOOP")
        throw new ContentError(path, "is a symbolic link, which is not followed", { cause });
      throw new ContentError(path, `cannot be read (${code})`, { cause });
    }
  }
}

/** The system's code (`ENOENT`, `EACCES`, …) of a failed file operation. */
export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown error";
}
