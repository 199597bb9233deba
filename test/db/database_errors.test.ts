import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import {
  asConfigurationError,
  isBeingMigrated,
  isDatabaseUnavailable,
  isUnstorable,
} from "../../src/db/errors.ts";
import { whileMigrated } from "../../src/db/wait.ts";

function databaseError(code: string, message: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, message.length, "error"), { code });
}

for (const [code, message, is] of [
  ["40P01", "deadlock detected", true],
  ["55P03", "canceling statement due to lock timeout", true],
  ["XX000", "cache lookup failed for type 16999", true],
  ["XX000", "cache lookup failed for function 16999", true],
  ["XX000", "could not open relation with OID 16999", true],
  ["XX000", "tuple concurrently updated", true],
  ["XX000", "tuple concurrently deleted", true],
  ["XX000", "unrecognized node type: 4711", false],
  ["42883", "function decide() does not exist", false],
  ["42P01", 'relation "could not open relation with OID" does not exist', false],
  ["57P01", "terminating connection due to administrator command", false],
  ["40001", "could not serialize access due to concurrent update", false],
  ["P0001", "cache lookup failed", false],
] as const)
  test(`${code} “${message}” ${is ? "means" : "does not mean"} that a release is being loaded`, () => {
    const error = databaseError(code, message);
    assert.equal(isBeingMigrated(error), is);
    if (!is) return;
    assert.ok(isDatabaseUnavailable(error), "so that whoever waits for a database waits for a release, too");
    assert.ok(!isUnstorable(error), "no message is to blame");
  });

test("what is no error of the database does not mean that a release is being loaded", () => {
  for (const error of [new Error("cache lookup failed"), "40P01", undefined, { code: "40P01" }])
    assert.equal(isBeingMigrated(error), false);
});

test("a statement that meets a release is tried again, any other failure is thrown at once", async () => {
  const failures = [databaseError("40P01", "deadlock detected"), databaseError("55P03", "lock timeout")];
  const work = async () => {
    const failure = failures.shift();
    if (failure) throw failure;
    return "done";
  };
  assert.equal(await whileMigrated(work), "done");
  failures.push(databaseError("23505", "duplicate key"), databaseError("40P01", "deadlock detected"));
  await assert.rejects(whileMigrated(work), { code: "23505" });
  assert.equal(failures.length, 1);
});

test("what is missing or forbidden inside a person's trigger refuses the message; at the top nobody migrated", () => {
  for (const code of ["42P01", "42883", "3F000", "42501"]) {
    const top = databaseError(code, "it is not there");
    assert.ok(asConfigurationError(top), code);
    assert.ok(!isUnstorable(top), code);
    const inside = Object.assign(databaseError(code, "it is not there"), {
      where: "PL/pgSQL function audit() line 3 at PERFORM",
    });
    assert.equal(asConfigurationError(inside), undefined, code);
    assert.ok(isUnstorable(inside), code);
  }
});
