import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import path from "node:path";
import { test } from "node:test";

const cwd = path.join(import.meta.dirname, "../../deploy/alerts");
const promtool = (...args: string[]) => spawnSync("promtool", args, { cwd, encoding: "utf8" });

test("every alert fires where it should, and keeps still where it should not", {
  skip: promtool("--version").error ? "there is no promtool (Debian's package prometheus has it)" : false,
}, () => {
  for (const done of [promtool("check", "rules", "rules.yaml"), promtool("test", "rules", "tests.yaml")])
    assert.equal(done.status, 0, done.stdout + done.stderr);
});
