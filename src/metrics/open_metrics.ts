/**
 * Exemplars, and the format that has a place for them. Plain Prometheus text has none, so a scrape that does
 * not ask for OpenMetrics gets what it always got. prom-client can write OpenMetrics, too, but renames its
 * counters for good when it does.
 */
export const openMetricsType = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/** Whether the header Accept of a scrape asks for OpenMetrics. */
export const wantsOpenMetrics = (accept: string): boolean => /\bapplication\/openmetrics-text\b/.test(accept);

type Exemplar = { traceId: string; value: number; at: number };

/** The latest of each bucket: its number is bounded by that of the buckets. */
const exemplars = new Map<string, Exemplar>();

const keyOf = (name: string, bucket: string, labels: string) => `${name} ${bucket} ${labels}`;

/** Notes the trace of an observation of a histogram with one label. */
export function noteExemplar(
  { name, buckets }: { name: string; buckets: readonly number[] },
  [label, text]: readonly [string, string],
  value: number,
  traceId: string,
): void {
  const bucket = String(buckets.find((bound) => value <= bound) ?? "+Inf");
  exemplars.set(keyOf(`ccx_${name}`, bucket, `${label}="${text}"`), { traceId, value, at: Date.now() });
}

/** The same metrics in OpenMetrics: counters are described without `_total`, buckets have their exemplars. */
export function openMetrics(text: string): string {
  const lines = text.split("\n").filter((line) => line !== "");
  return `${lines.map(lineOf).join("\n")}\n# EOF\n`;
}

function lineOf(line: string): string {
  const [, kind, name, rest = ""] = /^# (HELP|TYPE) (\w+?)(?:_total)? (.*)$/.exec(line) ?? [];
  if (kind) return `# ${kind} ${name} ${rest.replaceAll('"', '\\"')}`;
  const [, metric, bucket, labels] = /^(\w+)_bucket\{le="([^"]+)",(.*)\} /.exec(line) ?? [];
  const exemplar = metric && bucket && labels ? exemplars.get(keyOf(metric, bucket, labels)) : undefined;
  if (!exemplar) return line;
  const { traceId, value, at } = exemplar;
  return `${line} # {trace_id="${traceId}"} ${value} ${at / 1_000}`;
}
