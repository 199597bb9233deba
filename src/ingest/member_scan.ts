import type { BodyField } from "./message_fields.ts";

/** The member of a message that is stored, and what of it. */
export type Body = {
  field: BodyField;
  /** Whether this member of it is stored. */
  isKept(key: string): boolean;
};

/** What of a report is not stored: half of a usual message. */
export const leftOut: ReadonlySet<string> = new Set([
  "system",
  "fingerprints",
  "skips",
  "info",
  "pass",
  "analysis_metadata",
]);

export const reportBody: Body = { field: "Report", isKept: (key) => !leftOut.has(key) };

/** Of the metrics of workloads only what is recommended is stored: nothing else is ever shown. */
export const metricsBody: Body = { field: "Metrics", isKept: (key) => key === "workload_recommendations" };

/** From the first byte of a member's key to behind its value, blanks included. */
export type Span = readonly [start: number, end: number];

/**
 * Follows scanJson() through a message and notes the members of its outermost `Report` (or `Metrics`) that
 * are stored. Of several the last one counts, as for every reader of JSON; a key means the same however it is
 * written (`s\u006bips`).
 */
export class MemberScan {
  #kept: Span[] = [];
  readonly #bytes: Buffer;
  readonly #body: Body;
  #inBody = false;
  /** Where the member begins that is being read, -1 before its key. */
  #start = -1;
  #keyEnd = 0;

  constructor(bytes: Buffer, body: Body) {
    this.#bytes = bytes;
    this.#body = body;
  }

  get kept(): readonly Span[] {
    return this.#kept;
  }

  /** An object or array begins in the outermost object, behind this key. */
  opens(isObject: boolean, keyStart: number, keyEnd: number): void {
    this.#start = -1;
    if (this.#key(keyStart, keyEnd) !== this.#body.field) this.#inBody = false;
    else {
      this.#inBody = isObject;
      this.#kept = [];
    }
  }

  /** A text between these quotes in what opened last: a key, or a value. */
  text(start: number, end: number): void {
    if (!this.#inBody || this.#start !== -1) return;
    this.#start = start - 1;
    this.#keyEnd = end;
  }

  /** A comma, or the closing bracket, of what opened last. */
  ends(at: number): void {
    if (!this.#inBody || this.#start === -1) return;
    if (this.#body.isKept(this.#key(this.#start + 1, this.#keyEnd))) this.#kept.push([this.#start, at]);
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
