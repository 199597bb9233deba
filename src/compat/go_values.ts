const flags = new Map([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true] as const),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false] as const),
]);

/** What a flag says, in Go's spellings; undefined for anything else. */
export const readFlag = (text: string): boolean | undefined => flags.get(text);

const unitMs: Record<string, number> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** A duration as Go writes it (`1m30s`), in milliseconds; a number alone is nanoseconds. */
export function readDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) / 1e6;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, number, unit = ""] of text.matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g))
    ms += Number(number) * (unitMs[unit] ?? 0);
  return ms;
}
