/** What of a report is not stored: half of a usual message. */
export const leftOut: ReadonlySet<string> = new Set([
  "system",
  "fingerprints",
  "skips",
  "info",
  "pass",
  "analysis_metadata",
]);

/** From the first byte of a member's key to behind its value, blanks included. */
export type Span = readonly [start: number, end: number];

/**
 * Follows scanJson() through a message and notes the members of its outermost `Report` that are stored. Of
 * several `Report`s the last one counts, as for every reader of JSON; a key means the same however it is
 * written (`s\u006bips`).
 */
export class MemberScan {
  #kept: Span[] = [];
  readonly #bytes: Buffer;
  #inReport = false;
  /** Where the member begins that is being read, -1 before its key. */
  #start = -1;
  #keyEnd = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get kept(): readonly Span[] {
    return this.#kept;
  }

  /** An object or array begins in the outermost object, behind this key. */
  opens(isObject: boolean, keyStart: number, keyEnd: number): void {
    this.#start = -1;
    if (this.#key(keyStart, keyEnd) !== "Report") this.#inReport = false;
    else {
      this.#inReport = isObject;
      this.#kept = [];
    }
  }

  /** A text between these quotes in what opened last: a key, or a value. */
  text(start: number, end: number): void {
    if (!this.#inReport || this.#start !== -1) return;
    this.#start = start - 1;
    this.#keyEnd = end;
  }

  /** A comma, or the closing bracket, of what opened last. */
  ends(at: number): void {
    if (!this.#inReport || this.#start === -1) return;
    if (!leftOut.has(this.#key(this.#start + 1, this.#keyEnd))) this.#kept.push([this.#start, at]);
    this.#start = -1;
  }

  #key(start: number, end: number): string {
    const raw = this.#bytes.toString("latin1", start, end);
    if (!raw.includes("\\")) return raw;
    try {
      return JSON.parse(`"${this.#bytes.toString("utf8", start, end)}"`);
    } catch {
      return raw; // no JSON: the parser says so
    }
  }
}
