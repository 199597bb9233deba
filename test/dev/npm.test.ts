import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { isAlive } from "../../dev/stack/guard.ts";
import { cleanEnvironment } from "../support/service.ts";
import { until } from "../support/until.ts";

const root = path.join(import.meta.dirname, "../..");
const npm = [path.dirname(process.execPath), ...(process.env.PATH ?? "").split(path.delimiter)]
  .map((folder) => path.join(folder, "npm"))
  .find((file) => existsSync(file));
const skip =
  (!npm && "there is no npm") || (!existsSync("/proc/self/stat") && "only Linux tells the processes");

/** The pids of a process and of all that it has started, however far down. */
async function family(pid: number): Promise<number[]> {
  const parents = new Map<number, number>();
  for (const name of await readdir("/proc")) {
    // a process may end at any moment
    const stat = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const parent = /\) \S (\d+) /.exec(stat)?.[1];
    if (parent) parents.set(Number(name), Number(parent));
  }
  const all = [pid];
  for (const one of all) for (const [child, parent] of parents) if (parent === one) all.push(child);
  return all;
}

for (const [script, ready] of [
  ["start", /"msg":"running"/],
  ["stack", /^psql postgres:/m],
] as const)
  test(`npm run ${script} that is asked to end leaves no process and no data`, { skip }, async (t) => {
    const temporary = await mkdtemp(path.join(tmpdir(), "ccx-npm-test-"));
    await chmod(temporary, 0o711); // PostgreSQL may run as another user
    t.after(() => rm(temporary, { recursive: true }));
    const child = spawn(npm ?? "", ["run", script], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
      env: cleanEnvironment({ TMPDIR: temporary }),
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (chunk) => {
        output += chunk;
      });
    let started: number[] = [];
    t.after(() => {
      for (const pid of started.filter(isAlive)) process.kill(pid, "SIGKILL");
    });
    try {
      await until("everything runs", () => {
        assert.equal(child.exitCode, null, "npm has ended");
        return ready.test(output);
      });
      started = await family(child.pid ?? 0);
      assert.ok(started.length >= 5, "npm, Node.js, the guard, PostgreSQL and Kafka");
      assert.equal((await readdir(temporary)).filter((name) => name.startsWith("ccx-stack-")).length, 1);

      child.kill("SIGTERM");
      await until("npm has ended", () => child.exitCode !== null || child.signalCode !== null);
      await until("every process has ended", () => !started.some(isAlive), 10_000);
      await until(
        "the data is gone",
        async () => !(await readdir(temporary)).some((name) => name.startsWith("ccx-stack-")),
        10_000,
      );
    } catch (error) {
      t.diagnostic(output);
      throw error;
    }
  });
