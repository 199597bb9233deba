import { type Body, MemberScan, type Span } from "./member_scan.ts";

/**
 * One pass over the bytes of a JSON text, before it is parsed: finds what JSON allows and PostgreSQL's jsonb
 * does not, nesting that would cost the parser its stack, and where the members of its body are. It trusts
 * nothing; on a text that is no JSON it ends as well, and the parser gives the verdict. Own code: no parser
 * reports what PostgreSQL refuses, nor byte positions, and a parser written in JavaScript would take several
 * times as long for each message.
 */

export const maxDepth = 128;

export type ScanProblem = {
  reason: "nul_character" | "invalid_surrogate" | "too_deep" | "invalid_number";
  /** The byte at which it was found. */
  offset: number;
};

export interface Scan {
  problem: ScanProblem | undefined;
  /** Keys of the outermost object whose number was written with a fraction or an exponent (`1.0`, `1e3`). */
  fractional: ReadonlySet<string> | undefined;
  /**
   * How many characters more the text has once numbers such as 1e1000 are written out, as PostgreSQL prints
   * them.
   */
  growth: number;
  /** Where the members of its body are that are stored; of a text that is no JSON, anything. */
  body: readonly Span[];
}

const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const isNumberByte = new Uint8Array(256);
for (const character of "0123456789+-.eE") isNumberByte[character.charCodeAt(0)] = 1;

/** Looks through `bytes`, which have to be valid UTF-8, and stops at the first problem. */
export function scanJson(bytes: Buffer, body: Body): Scan {
  let depth = 0;
  let keyStart = 0;
  let keyEnd = 0;
  let fractional: Set<string> | undefined;
  let growth = 0;
  const members = new MemberScan(bytes, body);
  const stop = (reason: ScanProblem["reason"], offset: number): Scan => ({
    problem: { reason, offset },
    fractional,
    growth,
    body: [],
  });

  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    if (byte === quote) {
      const start = i + 1;
      for (i = start; i < bytes.length && bytes[i] !== quote; i++) {
        if (bytes[i] !== backslash) continue;
        i++;
        if (bytes[i] !== 0x75) continue;
        const unit = hex4(bytes, i + 1);
        if (unit === 0) return stop("nul_character", i - 1);
        if (unit < 0xd800 || unit > 0xdfff) continue;
        const paired = unit < 0xdc00 && bytes[i + 5] === backslash && bytes[i + 6] === 0x75;
        const low = paired ? hex4(bytes, i + 7) : -1;
        if (low < 0xdc00 || low > 0xdfff) return stop("invalid_surrogate", i - 1);
        i += 10;
      }
      if (depth === 1) {
        keyStart = start;
        keyEnd = i;
      } else if (depth === 2) members.text(start, i);
    } else if (byte === comma) {
      if (depth === 2) members.ends(i);
    } else if (byte === 0x7b || byte === 0x5b) {
      if (depth === 1) members.opens(byte === 0x7b, keyStart, keyEnd);
      if (++depth > maxDepth) return stop("too_deep", i);
    } else if (byte === 0x7d || byte === 0x5d) {
      if (depth === 2) members.ends(i);
      depth--;
    } else if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) {
      const start = i;
      let whole = true;
      let hasExponent = false;
      while (isNumberByte[bytes[++i] as number] === 1) {
        const at = bytes[i] as number;
        if (at === 0x65 || at === 0x45) hasExponent = true;
        if (at === 0x2e || hasExponent) whole = false;
      }
      // 1e16384 is the shortest number that could be too much.
      if (
        i - start >= 7 &&
        (!whole || i - start > 100_000) &&
        !fitsNumeric(bytes.toString("latin1", start, i))
      ) {
        return stop("invalid_number", start);
      }
      if (hasExponent)
        growth += Math.max(0, lengthWrittenOut(bytes.toString("latin1", start, i)) - (i - start));
      if (depth === 1 && (!whole || fractional !== undefined)) {
        const key = bytes.toString("latin1", keyStart, keyEnd);
        fractional ??= new Set();
        if (whole) fractional.delete(key);
        else fractional.add(key);
      }
      i--;
    }
  }
  return { problem: undefined, fractional, growth, body: members.kept };
}

/** The four hex digits at `offset` as a number, -1 when they are not four hex digits. */
function hex4(bytes: Buffer, offset: number): number {
  let unit = 0;
  for (let i = offset; i < offset + 4; i++) {
    const byte = bytes[i] ?? 0;
    const lower = byte | 0x20;
    const digit =
      byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

/** How many characters PostgreSQL prints for a number with an exponent. */
function lengthWrittenOut(number: string): number {
  const parts = /^-?(\d+)(?:\.(\d+))?[eE]([+-]?\d+)$/.exec(number);
  if (parts === null) return 0; // not JSON: the parser says so
  const [, integer = "", fraction = "", exponent = "0"] = parts;
  const before = /[1-9]/.test(integer + fraction) ? Math.max(1, integer.length + Number(exponent)) : 1;
  return before + Math.max(0, fraction.length - Number(exponent)) + 2;
}

/**
 * Whether PostgreSQL's numeric holds this JSON number: at most 131,072 digits before the decimal point and
 * 16,383 after it (PostgreSQL manual, "Numeric Types"; measured: `0e-16384` is refused too).
 */
function fitsNumeric(number: string): boolean {
  const parts = /^-?(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(number);
  if (parts === null) return true; // not JSON: the parser says so
  const [, integer = "", fraction = "", exponentText = "0"] = parts;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > 1e9 || fraction.length - exponent > 16_383) return false;
  const firstDigit = (integer + fraction).search(/[1-9]/);
  return firstDigit < 0 || integer.length - firstDigit + exponent <= 131_072;
}
