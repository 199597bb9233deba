import assert from "node:assert/strict";
import { test } from "node:test";
import { hour } from "../support/backtests.ts";
import { rows } from "../support/builders.ts";
import { rolledBack, testDatabase } from "../support/database.ts";
import { refused } from "../support/sessions.ts";

const database = testDatabase();

/** What is refused, and the whole sentence that says why. */
const refusals: [args: unknown[], code: string, why: string][] = [
  [
    ["nobody", hour(0), hour(1), null],
    "NTG01",
    'there is no target "nobody"; the targets are: notifications backend, service log',
  ],
  ...[
    [hour(1), hour(1)],
    [hour(1), hour(0)],
    [null, hour(1)],
    [hour(1), null],
    ["-infinity", hour(1)],
  ].map((times): [unknown[], string, string] => [
    ["service log", ...times, null],
    "NTE01",
    "a backtest goes from one time to a later one, at most 400 days",
  ]),
  ...(
    [
      [
        '{"coolness": 1}',
        "NTP09",
        'a policy has no setting "coolness"; the settings are: enabled, [a-z_, ]+',
      ],
      ['{"cooldown": "-1 day"}', "NTP06", "a cooldown has to be between 0 and 100 years"],
      [
        '{"cooldown": "abc"}',
        "NTP10",
        'the setting cooldown is an interval with its unit, for example "3 days", not "abc"',
      ],
      ['{"cooldown": null}', "NTP05", "the setting cooldown cannot be empty"],
      ['{"filter": "impact >"}', "NTF03", "the filter cannot be read at position 9: [^\\n]+"],
      [
        '{"filter": "severe > 1"}',
        "NTF03",
        'the filter cannot be read at position 1: there is no variable "severe"[^\\n]+',
      ],
      ["[]", "NTP08", "a change of a policy is an object of settings"],
      ["null", "NTP08", "a change of a policy is an object of settings"],
    ] as const
  ).map(([policy, code, why]): [unknown[], string, string] => [
    ["service log", hour(0), hour(1), policy],
    code,
    why,
  ]),
];
test("what cannot be replayed is refused with a sentence, also where there is nothing to replay", () =>
  rolledBack(database.pool, async (db) => {
    const before = await rows(db, "select * from policy");
    for (const [args, code, why] of refusals) {
      await refused(db, [code, new RegExp(`^${why}$`)], () =>
        db.query("select * from backtest($1, $2, $3, $4)", args),
      );
    }
    assert.deepEqual(await rows(db, "select * from policy"), before);
  }));
