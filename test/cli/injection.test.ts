import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { testDatabase } from "../support/database.ts";
import { catalogOf } from "../support/injections.ts";
import { shellOn } from "../support/shell.ts";

const database = testDatabase();
const ccx = shellOn(database);

/** One text with everything that could end a literal; a name, and as far as SQL is concerned no more. */
const evil = `x'; drop table new_reports; -- "$$ \\ %s _`;

/** Every argument and option of every command that takes a value. */
const commands: string[][] = [
  ...["--org", "--target", "--rule", "--at", "--report"].map((option) => [
    "explain",
    option,
    evil,
    ...(option === "--target" ? ["--all"] : []),
  ]),
  ["explain", evil],
  ["explain", "--report", `1/${evil}/2026-01-01`],
  ...["--org", "--target", "--at"].map((option) => ["new", option, evil]),
  ...["--org", "--cluster", "--rule", "--error-key", "--tag"].flatMap((option) => [
    ["silence", "preview", option, evil],
    ["silence", "add", option, evil, "--for", "1 hour", "--reason", evil],
  ]),
  ["silence", "add", "--org", "1", "--reason", evil, "--until", evil],
  ["silence", "add", "--org", "1", "--reason", evil, "--for", evil],
  ["silence", "expire", evil],
  ["ack", evil, "--org", "1", "--reason", evil],
  ["ack", "x", "--org", evil],
  ["ack", "x", "--org", "1", "--cluster", evil],
  ["ack", "x", "--org", "1", "--error-key", evil, "--undo"],
  ["policy", "show", evil],
  ["policy", "history", evil],
  ["policy", "set", evil, "cooldown=1 day", "--reason", evil],
  ["policy", "set", "service log", evil, "--reason", evil],
  ["policy", "set", "service log", `filter=${evil}`, "--reason", evil],
  ["policy", "set", "service log", `cooldown=${evil}`, "--reason", evil],
  ["policy", "set", "service log", "cooldown=1 day", "--reason", evil, "--rule", evil],
  ["policy", "end", "service log", "--reason", evil, "--rule", evil],
  ["simulate", "service log", "--set", `required_tags=${evil}`, "--rule", evil],
  ["simulate", "service log", "--set", "cooldown=1 day", "--from", evil],
  ["content", "load", evil],
  ["content", "diff", evil],
  ["rejected", "show", evil],
  ["rejected", "retry", evil],
  ["rejected", "list", "--limit", evil],
  ...["--reason", "--topic", "--org", "--cluster", "--since", "--until"].map((option) => [
    "rejected",
    "list",
    option,
    evil,
  ]),
  ...["--reason", "--since"].map((option) => ["rejected", "retry", option, evil, "--yes"]),
];

describe("what a person types is a value, never SQL", { concurrency: 3 }, () => {
  for (const command of commands)
    test(
      command.map((word) => (word.includes(evil) ? word.replace(evil, "…") : word)).join(" "),
      async () => {
        const before = await catalogOf(database.pool);
        const { code, stderr } = await ccx(...command);
        assert.ok(code === 0 || code === 1 || code === 3, `${code}: ${stderr}`);
        if (code === 1) assert.match(stderr, /^(ccx: .+\n)+(\(ccx --help lists the commands\)\n)?$/);
        assert.doesNotMatch(stderr, /syntax error at|unterminated|^ +at /m);
        assert.deepEqual(await catalogOf(database.pool), before);
      },
    );
});
