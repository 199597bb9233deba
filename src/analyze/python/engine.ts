import { release } from "../../version.ts";
import { Child, type PythonOptions } from "./child.ts";

/**
 * The Python rules: as many processes as archives are analyzed at the same time, each started when it is
 * first needed and again when it has ended. Its rules are those of insights-core, unchanged.
 */
export class PythonEngine {
  readonly #options: PythonOptions;
  readonly #free: Child[] = [];
  readonly #all = new Set<Child>();
  #isClosed = false;

  constructor(options: PythonOptions) {
    this.#options = options;
  }

  /** Processes that live, by their ids. */
  get pids(): number[] {
    return [...this.#all].flatMap(({ pid }) => pid ?? []);
  }

  /** Makes sure that there is a process with the rules. @throws ConfigurationError */
  async start(): Promise<void> {
    this.#give(await this.#take());
  }

  /**
   * What the rules say of the archive in a folder, as analyze_archive() takes it: JSON.
   * @throws ArchiveError, ConfigurationError
   */
  async analyze(id: string, folder: string): Promise<string> {
    const child = await this.#take();
    try {
      const { report, failures, rules } = await child.analyze(id, folder);
      return JSON.stringify({
        reports: report.reports,
        info: report.info ?? [],
        pass: report.pass ?? [],
        ...(report.version !== undefined && { version: report.version }),
        plugin_sets: {
          "ccx-notifications": { version: release, commit: null },
          "insights-core": { version: child.version, commit: null },
        },
        failures,
        rules,
      });
    } finally {
      this.#give(child);
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const child of this.#all) child.kill();
    this.#all.clear();
  }

  async #take(): Promise<Child> {
    for (let child = this.#free.pop(); child; child = this.#free.pop()) {
      if (child.isFit) return child;
      this.#drop(child);
    }
    const child = new Child(this.#options);
    this.#all.add(child);
    try {
      await child.start();
      return child;
    } catch (error) {
      this.#drop(child);
      throw error;
    }
  }

  #give(child: Child): void {
    if (child.isFit && !this.#isClosed) this.#free.push(child);
    else this.#drop(child);
  }

  #drop(child: Child): void {
    child.kill();
    this.#all.delete(child);
  }
}
