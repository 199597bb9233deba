import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { it } from "node:test";

const bin = join(import.meta.dirname, "../../bin");

function runAsNode(version: string, file = "ccx.js") {
  const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ["--import", preload, join(bin, file), "--help"], { encoding: "utf8" });
}

it("ccx and npm start say in one line to users of an old Node what to do", () => {
  for (const [version, file] of [
    ["14.21.3", "ccx.js"],
    ["20.20.2", "npm_start.js"],
    ["22.17.1", "ccx.js"],
  ] as const) {
    const { status, stdout, stderr } = runAsNode(version, file);
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      `ccx needs Node.js 22.18 or newer, but this is ${version} (${process.execPath}): install a newer one, or put it first in PATH.\n`,
    );
  }
});

it("ccx takes Node 22.18 and later", () => {
  for (const version of ["22.18.0", "24.0.0", "100.0.0"]) {
    assert.doesNotMatch(runAsNode(version).stderr, /needs Node/);
  }
});
