import { type LogLine, Service } from "../../test/support/service.ts";
import { until } from "../../test/support/until.ts";

/**
 * `ccx analyze`, `consume`, `work`, `serve` or `run` as a process of its own; killed when it is disposed of. With BENCH_CPU_PROF,
 * it leaves a profile in the folder of that name when it is stopped.
 */
export function startProcess(
  command: "run" | "analyze" | "consume" | "work" | "serve",
  env: Record<string, string | undefined>,
) {
  const folder = process.env.BENCH_CPU_PROF;
  const options = folder ? { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` } : {};
  const service = new Service(command, { ...env, ...options });
  return {
    service,
    /** Waits until its lines with this message say, added up, so many; fails when it has ended before. */
    async counted(
      message: string,
      count: (line: LogLine) => number,
      atLeast: number,
      timeoutMs: number,
    ): Promise<LogLine[]> {
      return until(
        `${atLeast} × “${message}”`,
        () => {
          const lines = service.said(message);
          if (lines.reduce((sum, line) => sum + count(line), 0) >= atLeast) return lines;
          if (service.hasEnded) throw new Error(`the service has ended: ${service.stderr}`);
          return undefined;
        },
        timeoutMs,
      ) as Promise<LogLine[]>;
    },
    [Symbol.asyncDispose]: () => service.kill(),
  };
}

/** From the beginning of the first batch to the end of the last, by lines that say `time` and `ms`. */
export function secondsOf(lines: LogLine[]): number {
  const ends = lines.map(({ time }) => Date.parse(String(time)));
  const begins = lines.map(({ time, ms }) => Date.parse(String(time)) - Number(ms));
  return Math.max(1, Math.max(...ends) - Math.min(...begins)) / 1_000;
}
