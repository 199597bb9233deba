import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { it } from "node:test";

const ccx = join(import.meta.dirname, "../../bin/ccx.js");

function runAsNode(version: string) {
  const pretend = `Object.defineProperty(process, "versions", { value: { ...process.versions, node: "${version}" } })`;
  const preload = `data:text/javascript,${encodeURIComponent(pretend)}`;
  return spawnSync(process.execPath, ["--import", preload, ccx, "--help"], { encoding: "utf8" });
}

it("ccx tells users of an old Node what to do, in one line", () => {
  for (const version of ["14.21.3", "20.20.2", "22.17.1"]) {
    const { status, stdout, stderr } = runAsNode(version);
    assert.equal(status, 1);
    assert.equal(stdout, "");
    assert.equal(
      stderr,
      `ccx needs Node.js 22.18 or newer (this is v${version}). Run it through npm (npm start, npx ccx), which brings its own.\n`,
    );
  }
});

it("ccx takes Node 22.18 and later", () => {
  for (const version of ["22.18.0", "24.0.0", "100.0.0"]) {
    assert.doesNotMatch(runAsNode(version).stderr, /needs Node/);
  }
});
