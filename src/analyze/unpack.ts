import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { type Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { type Extract, extract, type Header } from "tar-stream";
import { messageOf } from "../errors.ts";
import { ArchiveError } from "./failures.ts";

/** What an archive may be at most. */
export type ArchiveLimits = {
  /** Bytes of the archive as it is fetched. */
  maxBytes: number;
  /** Bytes that it unpacks to. */
  maxUnpackedBytes: number;
  maxEntries: number;
};

/** So many times as large as the archive may be what comes out of it, once that is more than a megabyte. */
const maxRatio = 200;
const ratioFromBytes = 1024 * 1024;
/** So many bytes may go to the database, where they are parsed: more than an Insights Operator packs. */
export const maxTextBytes = 32 * 1024 * 1024;
const maxNameBytes = 1024;
/** What file systems take as one name. */
const maxSegmentBytes = 255;

export type Unpacking = {
  /** Which files are wanted as texts. */
  wants(path: string): boolean;
  /** Where all files are to be written, if anywhere: an empty folder of ours. */
  folder?: string | undefined;
};

type Entry = Extract extends AsyncIterable<infer One> ? One : never;

/** Texts of the wanted files, and what the archive was. */
export type Files = { texts: Map<string, string>; entries: number; bytes: number };

/**
 * Unpacks a tar archive, gzipped or not, as it comes in. Nothing of it is believed: names, sizes and kinds
 * are checked before anything is kept, and a name that comes twice is refused, since readers would differ
 * about which counts. Bytes that are not UTF-8, and NUL, which PostgreSQL refuses, become U+FFFD.
 * @throws ArchiveError; what `source` fails with
 */
export async function unpack(source: Readable, limits: ArchiveLimits, wanted: Unpacking): Promise<Files> {
  const files: Files = { texts: new Map(), entries: 0, bytes: 0 };
  const entries = extract();
  source.on("error", () => undefined); // whoever reads it hears of it
  const fed = feed(source, files, limits, entries);
  fed.catch((error) => entries.destroy(error as Error));
  try {
    await read(entries, files, limits, wanted);
    await fed;
  } catch (error) {
    source.destroy();
    entries.destroy();
    // a pipeline hands an error of one of its streams on to all of them
    const ofFeed = await fed.catch((it: unknown) => it);
    for (const one of [error, ofFeed].map(readable)) if (one instanceof ArchiveError) throw one;
    throw error;
  }
  if (files.entries === 0) throw new ArchiveError("empty_archive", "there is no file in the archive");
  return files;
}

/** The bytes of the archive, counted, inflated, and counted again. */
async function feed(
  source: Readable,
  files: Files,
  { maxBytes, maxUnpackedBytes }: ArchiveLimits,
  entries: Extract,
): Promise<void> {
  const first = await firstBytes(source);
  if (first.length === 0) throw new ArchiveError("empty_archive", "the archive is empty");
  const isGzip = first[0] === 0x1f && first[1] === 0x8b;
  if (!isGzip && !looksLikeTar(first))
    throw new ArchiveError("not_an_archive", "it is neither a gzipped tar archive nor a tar archive");
  const came = meter((bytes) => {
    files.bytes = bytes;
    if (bytes > maxBytes)
      throw new ArchiveError("archive_too_large", `the archive has more than ${maxBytes} bytes`);
  });
  const inflated = meter((bytes) => {
    if (bytes > maxUnpackedBytes)
      throw new ArchiveError("too_much_unpacked", `it unpacks to more than ${maxUnpackedBytes} bytes`);
    if (bytes > ratioFromBytes && bytes > maxRatio * files.bytes)
      throw new ArchiveError("ratio", `it unpacks to more than ${maxRatio} times its size`);
  });
  const stages = isGzip ? [came, createGunzip(), inflated] : [came, inflated];
  // streamx's streams are Node's in all but their type
  await pipeline([source, ...stages, entries as unknown as NodeJS.WritableStream]);
}

/** Enough bytes to see what it is; they are put back. */
async function firstBytes(source: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const chunk = source.read() as Buffer | null;
    if (chunk !== null) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= 512 || (chunks[0]?.[0] === 0x1f && size >= 2)) break;
      continue;
    }
    if (source.readableEnded || source.errored || source.destroyed) break;
    const more = await Promise.race([once(source, "readable"), once(source, "end"), once(source, "error")]);
    if (more !== "readable" && source.readableLength === 0) break;
  }
  const first = Buffer.concat(chunks, size);
  if (source.errored) throw source.errored;
  if (size > 0) source.unshift(first);
  return first;
}

const once = (source: Readable, event: string): Promise<string> =>
  new Promise((resolve) => source.once(event, () => resolve(event)));

/** The sum of a header's bytes, its own field read as spaces, stands in it in octal digits. */
function looksLikeTar(first: Buffer): boolean {
  if (first.length < 512) return false;
  if (first.every((byte) => byte === 0)) return true;
  let sum = 256;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += first[at] ?? 0;
  return Number.parseInt(first.toString("latin1", 148, 156).replace(/\0.*$/, "").trim(), 8) === sum;
}

function meter(count: (bytes: number) => void): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      try {
        count(bytes);
        done(null, chunk);
      } catch (error) {
        done(error as Error);
      }
    },
  });
}

async function read(
  entries: AsyncIterable<Entry>,
  files: Files,
  { maxEntries }: ArchiveLimits,
  { wants, folder }: Unpacking,
): Promise<void> {
  const names = new Set<string>();
  const folders = new Set<string>();
  let headers = 0;
  let textBytes = 0;
  for await (const entry of entries) {
    // folders count, too: a million of them are a million headers
    if (++headers > maxEntries)
      throw new ArchiveError("too_many_entries", `it has more than ${maxEntries} entries`);
    const name = safeName(entry.header);
    if (name === undefined) {
      entry.resume();
      continue;
    }
    if (names.has(name)) throw new ArchiveError("duplicate_name", `it has ${shown(name)} twice`);
    names.add(name);
    files.entries++;
    const isWanted = wants(name);
    if (isWanted) textBytes += entry.header.size ?? 0;
    if (textBytes > maxTextBytes)
      throw new ArchiveError(
        "too_much_unpacked",
        `the files that rules read have more than ${maxTextBytes} bytes`,
      );
    if (folder !== undefined && !name.startsWith("dev/")) {
      const bytes = await bytesOf(entry);
      await write(folder, name, bytes, folders);
      if (isWanted) files.texts.set(name, textOf(bytes));
    } else if (isWanted) files.texts.set(name, textOf(await bytesOf(entry)));
    else entry.resume();
  }
}

/** The name of a file; undefined for a folder. */
function safeName({ name, type, pax }: Header): string | undefined {
  const clean = name.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
  if (Buffer.byteLength(name) > maxNameBytes)
    throw new ArchiveError("name_too_long", `a name in it is longer than ${maxNameBytes} bytes`);
  const segments = clean.split("/");
  if (name.startsWith("/") || name.includes("\\") || name.includes("\0") || segments.includes(".."))
    throw new ArchiveError("unsafe_path", `the name ${shown(name)} leads out of the archive`);
  if (type === "directory" || clean === "" || clean === ".") return undefined;
  // a sparse file in the form of POSIX: what is stored of it is not what is in it
  const isSparse = Object.keys(pax ?? {}).some((key) => key.startsWith("GNU.sparse."));
  if ((type !== "file" && type !== "contiguous-file") || isSparse)
    throw new ArchiveError(
      "link_or_device",
      `${shown(name)} is no file, but a ${isSparse ? "sparse one" : (type ?? "thing of an unknown kind")}`,
    );
  if (segments.some((segment) => segment === "" || segment === "."))
    throw new ArchiveError("unsafe_path", `the name ${shown(name)} has empty parts`);
  if (segments.some((segment) => Buffer.byteLength(segment) > maxSegmentBytes))
    throw new ArchiveError("name_too_long", `a name in it is longer than ${maxSegmentBytes} bytes`);
  return clean;
}

const shown = (name: string): string => JSON.stringify(name.slice(0, 200));

async function bytesOf(entry: Entry): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks);
}

const textOf = (bytes: Buffer): string => bytes.toString("utf8").replaceAll("\0", "\u{FFFD}");

async function write(folder: string, name: string, bytes: Buffer, folders: Set<string>): Promise<void> {
  const file = path.join(folder, name);
  const parent = path.dirname(file);
  try {
    if (!folders.has(parent)) await mkdir(parent, { recursive: true });
    folders.add(parent);
    await writeFile(file, bytes, { flag: "wx", mode: 0o600 });
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    // a file where another name needs a folder, or the other way round
    if (code === "EEXIST" || code === "ENOTDIR" || code === "EISDIR")
      throw new ArchiveError("duplicate_name", `${shown(name)} is a file and a folder`, error);
    throw error;
  }
}

/** What zlib and tar-stream say of an archive that is not one. */
function readable(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (code === "Z_BUF_ERROR" || /unexpected end of (data|file)/i.test(messageOf(error)))
    return new ArchiveError("truncated", "the archive ends in the middle", error);
  if (code.startsWith("Z_") || /invalid (tar )?header|header exceeds/i.test(messageOf(error)))
    return new ArchiveError("not_an_archive", `it cannot be unpacked: ${messageOf(error)}`, error);
  return error;
}
