import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { bar, Progress } from "../../src/cli/progress.ts";

const screen = (isTTY: boolean) => {
  const lines: string[] = [];
  return { isTTY, lines, write: (line: string) => lines.push(line.replace("\r\u001b[K", "")) };
};

test("a person sees the station, the time, and how much of what was expected that is", () => {
  mock.timers.enable({ apis: ["setInterval", "Date"] });
  try {
    const seen = screen(true);
    const progress = new Progress(9.2, seen);
    progress.at("waiting");
    mock.timers.tick(5_000);
    progress.at("deciding");
    assert.equal(seen.lines.at(-1), `${bar(5 / 9.2)} 5 s of about 10 s: deciding`);
    mock.timers.tick(500);
    assert.ok(seen.lines.length > 10, "it moves while nothing happens");
    mock.timers.tick(7_000);
    assert.equal(seen.lines.at(-1), `${bar(1)} 12 s, longer than expected: deciding`);
    progress[Symbol.dispose]();
    const { length } = seen.lines;
    assert.equal(seen.lines.at(-1), "", "the line is free for what comes next");
    mock.timers.tick(5_000);
    assert.equal(seen.lines.length, length);

    const unknown = screen(true);
    using other = new Progress(undefined, unknown);
    other.at("deciding");
    mock.timers.tick(2_000);
    assert.equal(unknown.lines.at(-1), "2 s: deciding");
  } finally {
    mock.timers.reset();
  }
});

test("a program sees nothing of it", () => {
  const piped = screen(false);
  using progress = new Progress(9, piped);
  progress.at("deciding");
  progress[Symbol.dispose]();
  assert.deepEqual(piped.lines, []);
});

test("a bar is as long as it is, whatever the share", () => {
  assert.equal(bar(0), `[${" ".repeat(20)}]`);
  assert.equal(bar(0.5), `[${"#".repeat(10)}${" ".repeat(10)}]`);
  assert.equal(bar(7), `[${"#".repeat(20)}]`);
});
