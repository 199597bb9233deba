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
 * What cannot be listed or followed is unreadable, by its name.
 */
export type Folder = {
  path: string;
  name: string;
  files: Set<string>;
  folders: Folder[];
  unreadable: { name: string; error: ContentError }[];
};

/**
 * Lists a folder below `root` with everything in it, sorted by name. A symbolic link is unreadable (content
 * may come from a stranger's repository, and a link could name any file of this machine), and so is what is
 * neither file nor folder. Either counts as a file where it has the name of one, since readers refuse it.
 * Throws ContentError when the folder itself cannot be listed.
 */
export async function listFolder(root: string, path: string): Promise<Folder> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch((cause) => {
    throw new ContentError(path, `cannot be listed (${codeOf(cause)})`, { cause });
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));

  const name = path.split("/").at(-1) ?? path;
  const folder: Folder = { path, name, files: new Set(), folders: [], unreadable: [] };
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const child = `${path}/${entry.name}`;
    const unreadable = (error: ContentError) => void folder.unreadable.push({ name: entry.name, error });
    if (entry.isDirectory())
      await listFolder(root, child).then(
        (listed) => void folder.folders.push(listed),
        (error) => (error instanceof ContentError ? unreadable(error) : Promise.reject(error)),
      );
    else if (entry.isFile() || /\.(md|yaml)$/.test(entry.name)) folder.files.add(entry.name);
    else if (entry.isSymbolicLink())
      unreadable(new ContentError(child, "is a symbolic link, which is not followed"));
    else unreadable(new ContentError(child, "is neither a file nor a folder"));
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
   * The text of a file (path relative to the content folder), without a byte order mark, with line feeds
   * only. Throws ContentError for a file that is missing, a link, over 1 MiB, not UTF-8, or holds a NUL
   * (which PostgreSQL cannot store), and when all files read so far are over 50 MiB.
   */
  async text(path: string): Promise<string> {
    const bytes = await this.#bytes(path);
    this.#totalBytes += bytes.length;
    if (this.#totalBytes > maxTotalBytes)
      throw new ContentError(path, "with this file the content is over 50 MiB in total", {
        ofTheWhole: true,
      });
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
