import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Nothing of a development stack may outlive the process that started it, however that process ends.
 * So a second process, the guard, holds the read end of a pipe from the first. The kernel closes the pipe
 * even after kill -9; then the guard ends the processes and removes the folders it knows of, and itself.
 * Everything runs in a process group of its own, out of reach of the terminal's Ctrl-C.
 */

type Message = { watch: number; signal: NodeJS.Signals } | { forget: number } | { folder: string };

/** How long a process may take to end by its own signal, and then by SIGKILL. */
const graceMs = 3_000;

export type GuardedProcess = {
  readonly pid: number;
  /** Once it has ended: its exit code or the name of the signal that ended it. */
  result(): number | string | undefined;
  /** Resolves to the same when it has ended; keeps this process alive meanwhile. Never rejects. */
  wait(): Promise<number | string>;
  /** Ends the process, by SIGKILL if its own signal does not help within 3 s; resolves when it is gone. */
  stop(): Promise<void>;
};

export type SpawnOptions = {
  /** stdout and stderr go here; an older file is replaced */
  logFile: string;
  cwd: string;
  /** the signal that ends this program quickly and cleanly */
  signal: NodeJS.Signals;
  env?: NodeJS.ProcessEnv;
  uid?: number;
  gid?: number;
};

export type Guard = {
  /** undefined if it could not be started */
  readonly pid: number | undefined;
  /** The folder is removed when this process ends or the guard is ended. */
  addFolder(path: string): void;
  /** The process group that this process leads ends with this process, by the signal first. */
  watch(pid: number, signal: NodeJS.Signals): void;
  /**
   * Starts a program that ends with this process and that does not keep this process alive.
   * Rejects with the system's error (`code` ENOENT, EACCES, …) if it cannot be started.
   */
  spawn(command: string, args: readonly string[], options: SpawnOptions): Promise<GuardedProcess>;
  /** Ends what still runs, removes the folders, ends the guard; resolves when all of it has happened. */
  end(): Promise<void>;
};

/** Starts the guard process. It does not keep this process alive. */
export function startGuard(): Guard {
  const child = spawn(process.execPath, [import.meta.filename], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const gone = new Promise<void>((resolve) =>
    child.once("exit", () => resolve()).once("error", () => resolve()),
  );
  child.unref();
  // Without a guard (somebody killed it) the stack still works: only its safety net is missing.
  child.stdin.on("error", () => {});
  (child.stdin as unknown as { unref(): void }).unref();
  const tell = (message: Message) =>
    child.stdin.writable && child.stdin.write(`${JSON.stringify(message)}\n`);

  let ending = false;
  return {
    pid: child.pid,
    addFolder: (folder) => tell({ folder }),
    watch: (pid, signal) => tell({ watch: pid, signal }),
    async spawn(command, args, { logFile, signal, ...options }) {
      // A start that is under way while another part's failure ends everything must not begin anything new.
      if (ending) throw new Error("the stack is being stopped");
      const log = openSync(logFile, "w");
      const started = spawn(command, args, { ...options, detached: true, stdio: ["ignore", log, log] });
      closeSync(log);
      const { pid } = started;
      // Always rejects, with the reason.
      if (pid === undefined) throw await once(started, "spawn");
      tell({ watch: pid, signal });
      started.once("exit", () => tell({ forget: pid }));
      started.unref();
      return guarded(started, pid, signal);
    },
    async end() {
      ending = true;
      child.ref();
      child.stdin.end();
      await gone;
    },
  };
}

function guarded(child: ChildProcess, pid: number, signal: NodeJS.Signals): GuardedProcess {
  let result: number | string | undefined;
  const ended = new Promise<number | string>((resolve) => {
    child.once("exit", (code, by) => {
      result = code ?? by ?? "an unknown result";
      resolve(result);
    });
  });
  const wait = () => {
    if (result === undefined) child.ref();
    return ended;
  };
  return {
    pid,
    result: () => result,
    wait,
    async stop() {
      child.kill(signal);
      const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
      await wait();
      clearTimeout(timer);
    },
  };
}

/** Whether a process runs. One that has ended and only waits to be collected by its parent does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    // No /proc on this system, or the process has ended just now: the next look tells.
    return true;
  }
}

/** What the guard process does: listens until the pipe closes, then cleans up. */
async function keepGuard(): Promise<void> {
  const watched = new Map<number, NodeJS.Signals>();
  const folders = new Set<string>();
  for await (const line of createInterface({ input: process.stdin })) {
    const message = JSON.parse(line) as Message;
    if ("watch" in message) watched.set(message.watch, message.signal);
    else if ("forget" in message) watched.delete(message.forget);
    else folders.add(message.folder);
  }
  for (const [pid, signal] of watched) killGroup(pid, signal);
  await allGone(watched.keys());
  for (const pid of watched.keys()) if (isAlive(pid)) killGroup(pid, "SIGKILL");
  await allGone(watched.keys());
  // A server's children may still write for a moment after it: hence the retries.
  for (const folder of folders)
    await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

/** Each watched process leads a group of its own: its children (Maven's Java, initdb's server) go with it. */
function killGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended already.
  }
}

async function allGone(pids: Iterable<number>): Promise<void> {
  const all = [...pids];
  for (const limit = Date.now() + graceMs; Date.now() < limit && all.some(isAlive); ) await sleep(20);
}

if (process.argv[1] === import.meta.filename) await keepGuard();
