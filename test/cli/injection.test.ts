import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test } from "node:test";
import type { Command } from "commander";
import { createProgram } from "../../src/cli.ts";
import { testDatabase } from "../support/database.ts";
import { evil, hasEvil, named, runInjected } from "../support/injected_command.ts";

const database = testDatabase();
const folder = mkdtempSync(path.join(tmpdir(), "injection-test-"));
after(() => rmSync(folder, { recursive: true }));
const registry = path.join(folder, "registry.csv");
writeFileSync(registry, "cluster,org_id\n");

/** The command once with each of these options. */
const each = (command: string[], options: string[], more: string[] = []): string[][] =>
  options.map((option) => [...command, option, evil, ...more]);

const serviceLog = ["--target", "service log"];
const stretch = ["--from", "2026-03-01", "--to", "2026-03-02"];

/** Every argument and option of every command that takes a value which SQL gets to see. */
const asked: string[][] = [
  ...each(["explain"], ["--cluster", "--org", "--rule"]),
  ...each(["explain", "--all"], ["--target", "--at"]),
  ["explain", "--report", `1/${evil}/2026-01-01`],
  ["explain", "--report", `${evil}/x/2026-01-01`],
  ["explain", "--report", "1/x/2026-01-01", "--target", evil],
  ...each(["new"], ["--org", "--target", "--at"]),
  ...each(["silence", "preview"], ["--org", "--cluster", "--rule", "--error-key", "--tag"]),
  ...each(
    ["silence", "add"],
    ["--org", "--cluster", "--rule", "--error-key", "--tag"],
    ["--for", "1 hour", "--reason", evil],
  ),
  ...each(["silence", "add", "--org", "1", "--reason", evil], ["--until", "--for"]),
  ["silence", "add", "--org", "1", "--reason", evil, "--for", "1 hour", "--from", evil],
  ["silence", "end", evil],
  ["trace", evil],
  ...each(["upload", "list"], ["--org", "--cluster", "--state", "--since"]),
  ...each(["upload", "archives"], ["--org", "--cluster", "--since"]),
  ["upload", "show", evil],
  ["upload", "redrive", evil],
  ["upload", "limits", "--keep", evil, "--yes"],
  ["analyze", "try", evil, "1"],
  ["analyze", "backtest", evil],
  ["analyze", "backtest", "x", "--since", evil],
  ["analyze", "redrive", "--yes", "--failure", evil],
  ["storm", "release", evil, "--reason", evil],
  ["storm", "drop", evil, "--reason", evil],
  ["ack", "add", "--rule", evil, "--org", "1", "--reason", evil],
  ...each(["ack", "add", "--rule", "x"], ["--org"]),
  ...each(["ack", "add", "--rule", "x", "--org", "1"], ["--cluster", "--error-key"]),
  ["ack", "remove", "--rule", evil, "--org", "1"],
  ["ack", "remove", "--rule", "x", "--org", evil],
  ...each(["ack", "remove", "--rule", "x", "--org", "1"], ["--cluster", "--error-key"]),
  ...each(["ack", "list"], ["--org", "--cluster"]),
  ["policy", "list", "--target", evil],
  ["policy", "history", "--target", evil],
  ["policy", "set", "--target", evil, "cooldown=1 day", "--reason", evil],
  ["policy", "set", ...serviceLog, `filter=${evil}`, "--reason", evil],
  ["policy", "set", ...serviceLog, `cooldown=${evil}`, "--reason", evil],
  ...each(["policy", "set", ...serviceLog, "cooldown=1 day", "--reason", evil], ["--rule", "--org"]),
  ...each(["policy", "end", ...serviceLog, "--reason", evil], ["--rule", "--org"]),
  ["policy", "end", "--target", evil, "--reason", evil],
  ["policy", "simulate", "--target", evil, "cooldown=1 day"],
  ["policy", "simulate", ...serviceLog, `required_tags=${evil}`, "--rule", evil],
  ["policy", "simulate", ...serviceLog, "cooldown=1 day", "--org", evil],
  ["policy", "simulate", ...serviceLog, "cooldown=1 day", "--from", evil],
  ["policy", "simulate", ...serviceLog, "--from", "2026-03-01", "--to", evil],
  ...each(["delivery", "list"], ["--target", "--org", "--cluster"]),
  ...each(["delivery", "dead"], ["--target", "--org", "--cluster"]),
  ...each(["delivery", "redrive", "--yes"], ["--target", "--org", "--cluster", "--since", "--id"]),
  ...each(["delivery", "replay", "--yes", ...stretch], ["--target", "--org", "--cluster", "--rule"]),
  ["delivery", "replay", "--yes", "--from", evil, "--to", "2026-03-02"],
  ["delivery", "replay", "--yes", "--from", "2026-03-01", "--to", evil],
  ["circuit", "list", "--target", evil],
  ["circuit", "close", "--yes", "--target", evil],
  ...each(["rejected", "list"], ["--reason", "--topic", "--org", "--cluster", "--since", "--until"]),
  ...each(
    ["rejected", "retry", "--yes"],
    ["--reason", "--topic", "--org", "--cluster", "--since", "--until"],
  ),
  ["content", "rename", evil, "other_rule"],
  ["content", "rename", "disk", evil],
  ...each(["registry", "list"], ["--org", "--cluster", "--source"]),
  ["policy", "withdraw", "1", "--reason", evil],
  ["policy", "withdraw", evil, "--reason", "x"],
  ["registry", "load", registry, "--source", evil],
  ["registry", "end", evil],
  ["retention", "set", evil, "8 days"],
  ["forget", "--org", evil, "--yes"],
  ["forget", "--org", "1", "--cluster", evil, "--dry-run"],
  ["token", "add", "--org", evil, "--name", "x"],
  ["token", "add", "--org", "1", "--name", evil],
  ["token", "add", "--org", "1", "--name", "x", "--for", evil],
  ["token", "revoke", "--org", evil, "--name", "x"],
  ["token", "revoke", "--org", "1", "--name", evil],
  ...each(["stuck", "retry"], ["--org", "--cluster"]),
  ["survey", "ask", evil, "--later"],
  ["survey", "ask", "decisions", "--later", "--max-age", evil],
  ...each(["survey", "ask", "backtest", "--later", ...serviceLog], ["--from"]),
  ...each(["survey", "ask", "backtest", "--later", ...stretch], ["--target"]),
  ...each(["survey", "ask", "backtest", "--later", ...serviceLog, "--from", "2026-03-01"], ["--to", "--org"]),
  ["survey", "ask", "backtest", ...serviceLog, ...stretch, `cooldown=${evil}`, "--later"],
  ["survey", "cancel", evil],
  ["cell", "adopt", evil, "--buckets", "0-127", "--yes"],
  ["compare", "--since", evil],
  ["compare", "--since", "2026-03-01", "--until", evil],
];

/** What no SQL gets to see, since the command itself refuses it. */
const refused: string[][] = [
  ["explain", "--report", evil],
  ["policy", "set", ...serviceLog, evil, "--reason", evil],
  ["policy", "simulate", ...serviceLog, evil],
  ["policy", "simulate", ...serviceLog, "cooldown=1 day", "--limit", evil],
  ["policy", "simulate", ...serviceLog, "cooldown=1 day", "--timeout", evil],
  ["delivery", "show", evil],
  ["delivery", "dead", "--failure", evil],
  ["delivery", "redrive", "--failure", evil],
  ["content", "load", evil],
  ["content", "diff", evil],
  ["registry", "load", evil],
  ["registry", "list", "--limit", evil],
  ["rejected", "show", evil],
  ["rejected", "retry", evil],
  ["analyze", "try", "x", evil],
  ["analyze", "redrive", evil],
  ...each(["upload", "list"], ["--limit"]),
  ...each(["upload", "archives"], ["--limit"]),
  ...each(["upload", "limits"], ["--max-bytes"]),
  ["rejected", "list", "--limit", evil],
  ["survey", "ask", "decisions", "--by", evil],
  ["survey", "show", evil],
  ["cell", "adopt", "x", "--buckets", evil, "--yes"],
];

/** What needs another database (test/fleet, test/adopt) or a survey, or is a file or a number of seconds. */
const elsewhere = [
  ...["fleet", "adopt", "survey show --by"],
  ...["analyze load folder", "config --from-incumbent", "migrate --wait"],
];

/** Every argument and option of this command, and of those below it, that takes a value: as `silence add --tag`. */
function valuesOf(
  command: Command,
  words: string[] = [],
): { words: string[]; name: string; isOption: boolean }[] {
  return [
    ...command.registeredArguments.map((it) => ({ words, name: it.name(), isOption: false })),
    ...command.options
      .filter((it) => it.required || it.optional)
      .map((it) => ({ words, name: it.long ?? it.flags, isOption: true })),
    ...command.commands.flatMap((it) => valuesOf(it, [...words, it.name()])),
  ];
}

test("every argument and option that takes a value is in one of these lists", () => {
  const tried = [...asked, ...refused];
  const missing = valuesOf(createProgram())
    .filter(({ words, name, isOption }) => {
      const given = tried.filter((it) => words.every((word, nth) => it[nth] === word));
      return !given.some((it) =>
        it.some(
          (word, nth) => hasEvil(word) && (isOption ? it[nth - 1] === name : !it[nth - 1]?.startsWith("--")),
        ),
      );
    })
    .map(({ words, name }) => [...words, name].join(" "));
  assert.deepEqual(
    missing.filter((it) => !elsewhere.some((known) => it.startsWith(known))),
    ["--config"],
  );
});

describe("what a person types is a value, never SQL", { concurrency: 3 }, () => {
  for (const command of asked)
    test(named(command), async () => {
      const { texts, values } = await runInjected(database, command);
      assert.ok(texts.length > 0, "no statement arrived");
      assert.deepEqual(texts.filter(hasEvil), []);
      assert.ok(values.some(hasEvil), "it is not among the values that arrived");
    });

  for (const command of refused)
    test(`${named(command)}, which is refused before any SQL`, async () => {
      const { code, texts } = await runInjected(database, command);
      assert.equal(code, 1);
      assert.deepEqual(texts, []);
    });
});
