import assert from "node:assert/strict";
import { test } from "node:test";
import pg from "pg";
import { asConfigurationError, isUnstorable, isWorkToBlame, troubleOf } from "../../src/db/errors.ts";
import { whileMigrated } from "../../src/db/wait.ts";

function databaseError(code: string, message: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError(message, message.length, "error"), { code });
}

for (const [trouble, ...errors] of [
  ["away", "57P01", "57P03", "53300", "53100", "08006", "25006", "ECONNREFUSED", "ETIMEDOUT"],
  ["in_the_way", "40P01", "40001", "55P03"],
  ["of_the_work", "57014", "25P03", "25P04", "57P05", "53200", "53400"],
  ["refused", "22P02", "23505", "54000", "P0001"],
  ["rule", "NTI01"],
  ["setup", "28P01", "3D000", "42P01", "42883"],
  ["unexpected", "XX000", "0A000", "ERR_NOT_OURS"],
] as const)
  test(`what a code means is said once: ${errors.join(", ")}: ${trouble}`, () => {
    const of = errors.map((code) => troubleOf(databaseError(code, "it cannot be done")));
    assert.deepEqual(new Set(of), new Set([trouble]));
  });

for (const [message, trouble] of [
  ["cache lookup failed for type 16999", "in_the_way"],
  ["could not open relation with OID 16999", "in_the_way"],
  ["tuple concurrently updated", "in_the_way"],
  ["unrecognized node type: 4711", "unexpected"],
] as const)
  test(`XX000 “${message}” means ${trouble}`, () => {
    assert.equal(troubleOf(databaseError("XX000", message)), trouble);
    const others = databaseError("P0001", message);
    assert.equal(troubleOf(others), "refused", "what somebody else says in these words");
  });

test("a server that ends with an error is away, whatever the error", () => {
  const noFile = databaseError("58P01", "could not create file: No such file or directory");
  assert.equal(troubleOf(noFile), "unexpected");
  assert.equal(troubleOf(Object.assign(noFile, { severity: "PANIC" })), "away");
});

test("what `pg` says in words is known, too; anything else is no error of the database", () => {
  for (const words of ["Connection terminated unexpectedly", "timeout exceeded when trying to connect"])
    assert.equal(troubleOf(new Error(words)), "away");
  for (const error of [new Error("cache lookup failed"), "40P01", undefined, { code: "40P01" }])
    assert.equal(troubleOf(error), "unexpected");
});

test("the work is to blame where the server answers and is well; a server that is away, a rule or a setup is not", () => {
  const blamed = ["57014", "25P04", "55P03", "40001", "23505", "XX000"];
  const others = ["57P01", "53100", "ECONNRESET", "NTI01", "28P01", "ERR_NOT_OURS"];
  assert.deepEqual(
    [...blamed, ...others].filter((code) => isWorkToBlame(databaseError(code, "no"))),
    blamed,
  );
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
