import { setTimeout as sleep } from "node:timers/promises";
import { Service } from "../support/service.ts";

/** An exit that nobody asked for, or a stop that took too long, and the last that the process said. */
export type Exit = { role: string; how: string; said: string };

/** What a process is started as. */
export type Command = "consume" | "work" | "serve" | "analyze";

/** How long a process that is to stop may take, as orchestrators have it. */
const graceMs = 30_000;

/** A service process that is started again whenever it has ended, as an orchestrator does. */
export class Role {
  readonly name: string;
  readonly #command: Command;
  readonly #env: Record<string, string>;
  readonly #exits: Exit[];
  #service: Service;
  #keeper: Promise<void>;
  #wanted = true;
  #killed = false;
  /** How long it took to end after SIGTERM, at most. */
  longestStopMs = 0;

  constructor(name: string, command: Command, env: Record<string, string>, exits: Exit[]) {
    this.name = name;
    this.#command = command;
    this.#env = env;
    this.#exits = exits;
    this.#service = new Service(command, env);
    this.#keeper = this.#keep();
  }

  get service(): Service {
    return this.#service;
  }

  async #keep(): Promise<void> {
    for (;;) {
      while (!this.#service.hasEnded) await sleep(100);
      if (!this.#wanted) return;
      if (!this.#killed) {
        const { code, signal } = await this.#service.ends();
        this.#note(`ended with ${code ?? signal}`);
      }
      this.#killed = false;
      await sleep(300);
      if (!this.#wanted) return;
      this.#service = new Service(this.#command, this.#env);
    }
  }

  /** kill -9; the next one starts after a moment. */
  async kill(): Promise<void> {
    if (this.#service.hasEnded) return;
    this.#killed = true;
    await this.#service.kill();
  }

  /** As an orchestrator restarts: `stop`, and a new start. */
  async restart(): Promise<void> {
    await this.stop();
    this.start();
  }

  /** SIGTERM, and SIGKILL if that does not end it within `graceMs`; it stays away until `start`. */
  async stop(): Promise<void> {
    this.#wanted = false;
    const began = performance.now();
    if (!this.#service.hasEnded) {
      await this.#service.stop(graceMs).catch(({ message }) => this.#note("did not stop", message));
      this.longestStopMs = Math.max(this.longestStopMs, performance.now() - began);
    }
    await this.end();
  }

  #note(how: string, why = ""): void {
    const { stderr, lines } = this.#service;
    const last = lines.slice(-8).map(({ msg, error }) => `${msg}${error ? `: ${error}` : ""}`);
    this.#exits.push({ role: this.name, how, said: [why, stderr.trim().slice(-2_000), ...last].join(" | ") });
  }

  /** kill -9; it stays away. */
  async end(): Promise<void> {
    this.#wanted = false;
    await this.#service.kill();
    await this.#keeper;
  }

  start(): void {
    this.#wanted = true;
    this.#killed = false;
    this.#service = new Service(this.#command, this.#env);
    this.#keeper = this.#keep();
  }
}
