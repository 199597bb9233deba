import { availableParallelism, cpus } from "node:os";

/** One measured case. `median`, `min` and `max` are in `unit`, over `runs` runs. */
export interface Result {
  case: string;
  unit: string;
  median: number;
  min: number;
  max: number;
  runs: number;
}

/** What a benchmark found; `ratios` are figures that can be compared between machines. */
export interface Report {
  results: Result[];
  ratios: Record<string, number>;
  /** what else the figures depend on: a server and its settings */
  machine?: Record<string, string | number>;
}

/** What the command line hands to a benchmark. */
export interface Options {
  /** Multiplies the amount of work; 1 is the size that the documented figures were taken at. */
  scale: number;
}

/** Where it was measured; figures mean nothing without it. */
export function machine(): Record<string, string | number> {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
  };
}

/** Sums up the figures of one case, one figure per run. Throws RangeError when there are none. */
export function result(name: string, unit: string, figures: number[]): Result {
  const sorted = [...figures].sort((a, b) => a - b);
  const [min, max] = [sorted.at(0), sorted.at(-1)];
  if (min === undefined || max === undefined) throw new RangeError(`no run of ${name}`);
  const middle = sorted.length / 2;
  const median = ((sorted[Math.ceil(middle) - 1] ?? min) + (sorted[Math.floor(middle)] ?? max)) / 2;
  return { case: name, unit, median, min, max, runs: sorted.length };
}

/**
 * Runs `work` `runs` times after one run that does not count, and sums up how long each took, in
 * milliseconds. What `work` throws ends the benchmark.
 */
export async function timed(name: string, runs: number, work: () => unknown): Promise<Result> {
  await work();
  const figures: number[] = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await work();
    figures.push(performance.now() - start);
  }
  return result(name, "ms", figures);
}

/** Four significant digits: more is noise. */
export function rounded(figure: number): number {
  return Number(figure.toPrecision(4));
}

/** The report as a table for people, one line a case. */
export function table(report: Report): string {
  const rows = [
    ["case", "median", "min", "max", "unit", "runs"],
    ...report.results.map((row) => [
      row.case,
      ...[row.median, row.min, row.max].map((figure) => String(rounded(figure))),
      row.unit,
      String(row.runs),
    ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column > 0 && column < 4 ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  const ratios = Object.entries(report.ratios).map(([name, ratio]) => `${name}: ${rounded(ratio)}`);
  return [...lines, ...(ratios.length > 0 ? ["", ...ratios] : [])].join("\n");
}
