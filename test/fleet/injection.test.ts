import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openFleet } from "../support/cells.ts";
import { evil, hasEvil, named, runInjected } from "../support/injected_command.ts";

const at = ["--host", "127.0.0.1", "--port", "1", "--dbname", "x", "--user", "x"];
/** What is given twice counts the second time. */
const attach = (option: string) => ["fleet", "attach", "one", ...at, option, evil];

const asked: string[][] = [
  ["fleet", "attach", evil, ...at],
  ...["--host", "--dbname", "--user", "--settings-user"].map(attach),
  ["fleet", "detach", evil],
  ["fleet", "explain", evil],
  ["fleet", "queue", evil, "org_id=1"],
  ["fleet", "queue", "set_policy", `target=${evil}`],
  ["fleet", "queue", "set_policy", "target=service log", "change={}", "reason=x", "--at", evil],
];

const refused: string[][] = [
  attach("--port"),
  attach("--password-file"),
  ["fleet", "queue", "set_policy", `${evil}=1`],
];

describe("what a person types for all cells is a value, never SQL", { concurrency: 2 }, () => {
  let fleet: Awaited<ReturnType<typeof openFleet>>;
  before(async () => {
    fleet = await openFleet();
  });
  after(() => fleet[Symbol.asyncDispose]());

  for (const command of asked)
    test(named(command), async () => {
      const { texts, values } = await runInjected(fleet, command);
      assert.deepEqual(texts.filter(hasEvil), []);
      assert.ok(values.some(hasEvil), "it is not among the values that arrived");
    });
  for (const command of refused)
    test(`${named(command)}, which is refused before any SQL`, async () => {
      const { code, texts } = await runInjected(fleet, command);
      assert.equal(code, 1);
      assert.deepEqual(texts, []);
    });
});
