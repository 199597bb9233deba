import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Logger } from "pino";
import { ConfigurationError } from "../../errors.ts";
import { quotable } from "../../text/clean.ts";
import { ArchiveError } from "../failures.ts";
import { type Answer, answer, ready } from "./report.ts";

const runner = fileURLToPath(new URL("./runner.py", import.meta.url));

export type PythonOptions = {
  /** The interpreter: a command, or its path. */
  python: string;
  /** Packages or modules that have the rules. */
  packages: readonly string[];
  /** For one rule. */
  ruleTimeoutMs: number;
  /** For one archive; then the process is ended. */
  timeoutMs: number;
  /** What one process may take at most, in bytes. */
  maxMemoryBytes: number;
  log: Logger;
};

/** A line longer than this is not read to its end. */
const maxAnswerBytes = 32 * 1024 * 1024;
const startWithinMs = 60_000;

/** What it is given of our environment: nothing that is secret. */
const passedOn = ["PATH", "HOME", "LANG", "LC_ALL", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TMPDIR"];

/**
 * One Python process that has the rules loaded, and answers for one archive after the other. It has ended for
 * good once anything about it is not as it should be: an answer that is late, too long or not of our form.
 */
export class Child {
  readonly #options: PythonOptions;
  readonly #process: ChildProcessWithoutNullStreams;
  #buffered: Buffer[] = [];
  #size = 0;
  #waiting: { resolve(line: string): void; reject(error: Error): void } | undefined;
  #ended: Error | undefined;
  #memory = 0;
  /** of insights-core; empty before `start` */
  version = "";

  constructor(options: PythonOptions) {
    this.#options = options;
    const { python, packages, ruleTimeoutMs, maxMemoryBytes, log } = options;
    const args = ["-u", runner, `${ruleTimeoutMs / 1_000}`, `${maxMemoryBytes}`, ...packages];
    this.#process = spawn(python, args, {
      stdio: ["pipe", "pipe", "pipe"],
      env: Object.fromEntries(Object.entries(process.env).filter(([name]) => passedOn.includes(name))),
    });
    this.#process.once("error", (error) => this.#end(error));
    this.#process.once("close", (code, signal) =>
      this.#end(new Error(`the Python process ended (${signal ?? `code ${code}`})`)),
    );
    this.#process.stdin.on("error", () => undefined); // it says so when it closes
    this.#process.stdout.on("data", (chunk: Buffer) => this.#read(chunk));
    this.#process.stderr.on("data", (chunk: Buffer) =>
      log.debug({ python: quotable(chunk.toString("utf8"), 2_000) }, "a Python rule says"),
    );
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** False once it cannot be used any more, or has taken so much memory that another one had better. */
  get isFit(): boolean {
    return this.#ended === undefined && this.#memory < this.#options.maxMemoryBytes / 2;
  }

  /** Resolves once its rules are loaded. @throws ConfigurationError when they cannot be */
  async start(): Promise<void> {
    const line = await this.#line(startWithinMs).catch((error) => {
      throw new ConfigurationError(
        `${this.#options.python} cannot run the rules of CCX_RULES_PYTHON: ${(error as Error).message}`,
        { cause: error },
      );
    });
    const parsed = ready.safeParse(parse(line));
    if (!parsed.success) throw this.#broken("it said something else than that it is ready");
    if ("refused" in parsed.data) {
      this.kill();
      throw new ConfigurationError(
        `The rules of CCX_RULES_PYTHON cannot be loaded: ${quotable(parsed.data.refused)}`,
      );
    }
    this.version = parsed.data.version;
  }

  /** What its rules say of the archive in a folder. @throws ArchiveError */
  async analyze(id: string, folder: string): Promise<Extract<Answer, { report: unknown }>> {
    this.#process.stdin.write(`${JSON.stringify({ id, folder })}\n`);
    const line = await this.#line(this.#options.timeoutMs).catch((error) => {
      throw new ArchiveError("engine_failed", (error as Error).message, error);
    });
    const parsed = answer.safeParse(parse(line));
    if (!parsed.success) throw this.#broken(`its answer is not of our form: ${parsed.error.message}`);
    if (parsed.data.id !== id) throw this.#broken("it answered for another archive");
    this.#memory = parsed.data.memory;
    if ("error" in parsed.data)
      throw new ArchiveError("engine_failed", `the Python rules did not run: ${quotable(parsed.data.error)}`);
    return parsed.data;
  }

  kill(): void {
    this.#process.kill("SIGKILL");
    this.#end(new Error("the Python process was ended"));
  }

  #broken(what: string): ArchiveError {
    this.kill();
    return new ArchiveError("engine_failed", quotable(`the Python process was ended: ${what}`));
  }

  #line(withinMs: number): Promise<string> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#process.kill("SIGKILL");
        this.#end(new Error(`the Python process did not answer within ${withinMs} ms, and was ended`));
      }, withinMs);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          this.#waiting = undefined;
          then(value);
        };
      this.#waiting = { resolve: settle(resolve), reject: settle(reject) };
    });
  }

  #read(chunk: Buffer): void {
    const end = chunk.indexOf(0x0a);
    this.#buffered.push(end < 0 ? chunk : chunk.subarray(0, end));
    this.#size += chunk.length;
    if (this.#size > maxAnswerBytes) {
      this.#process.kill("SIGKILL");
      this.#end(
        new Error(`the Python process answered with more than ${maxAnswerBytes} bytes, and was ended`),
      );
      return;
    }
    if (end < 0) return;
    const line = Buffer.concat(this.#buffered).toString("utf8");
    this.#buffered = [];
    this.#size = 0;
    if (this.#waiting && end === chunk.length - 1) this.#waiting.resolve(line);
    else {
      this.#process.kill("SIGKILL");
      this.#end(new Error("the Python process said something that nobody asked, and was ended"));
    }
  }

  #end(error: Error): void {
    this.#ended ??= error;
    this.#waiting?.reject(this.#ended);
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
