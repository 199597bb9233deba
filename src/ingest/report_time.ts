/*
 * Own code: Date.parse() takes much that is no RFC 3339 and, like the usual libraries, drops what is finer
 * than a millisecond; PostgreSQL takes still more, and what it refuses ends the whole batch.
 */

/**
 * A moment read from a message: to the microsecond as PostgreSQL keeps it, and to the millisecond for
 * comparing.
 */
export interface ReportTime {
  /** RFC 3339 in UTC with six decimals, e.g. `2020-04-02T09:00:05.268294Z`. */
  text: string;
  /** Milliseconds since 1970, rounded down. */
  epochMs: number;
  /** What `epochMs` leaves out: 0 to 999. */
  microseconds: number;
}

const rfc3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/;
const endOfYear9999 = Date.UTC(10_000, 0, 1);

/**
 * Reads an RFC 3339 time and moves it to UTC; what is finer than a microsecond is cut off, not rounded.
 * Returns undefined for anything else: no offset, a day or an hour that does not exist, a leap second,
 * more than nine decimals, or a moment (in UTC) before 1970 or after 9999.
 */
export function parseReportTime(text: string): ReportTime | undefined {
  const parts = rfc3339.exec(text);
  if (parts === null) return undefined;
  const [year, month, day, hour, minute, second] = parts.slice(1, 7).map(Number) as SixNumbers;
  if (year < 1969 || hour > 23 || minute > 59 || second > 59) return undefined;
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const calendar = new Date(local);
  if (calendar.getUTCMonth() !== month - 1 || calendar.getUTCDate() !== day) return undefined;

  const offsetMinutes = parts[8] === undefined ? 0 : Number(parts[9]) * 60 + Number(parts[10]);
  const utc = local - (parts[8] === "-" ? -offsetMinutes : offsetMinutes) * 60_000;
  if (utc < 0 || utc >= endOfYear9999) return undefined;
  const fraction = (parts[7] ?? "").padEnd(6, "0").slice(0, 6);
  return {
    text: `${new Date(utc).toISOString().slice(0, 19)}.${fraction}Z`,
    epochMs: utc + Number(fraction.slice(0, 3)),
    microseconds: Number(fraction.slice(3)),
  };
}

type SixNumbers = [number, number, number, number, number, number];
