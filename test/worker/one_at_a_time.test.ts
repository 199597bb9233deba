import assert from "node:assert/strict";
import { test } from "node:test";
import { oneAtATime } from "../../src/worker/one_at_a_time.ts";

/** Work whose runs end when the test says so. */
function stepwise() {
  const runs: { end(): void; fail(error: Error): void }[] = [];
  const work = () =>
    new Promise<void>((resolve, reject) =>
      runs.push({ end: () => resolve(), fail: (error) => reject(error) }),
    );
  return { runs, work };
}

/** Until everything that can go on by itself has. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

test("work that is called while it runs does not run beside itself", async () => {
  const { runs, work } = stepwise();
  const first = oneAtATime("beside", work);
  await Promise.all([oneAtATime("beside", work), oneAtATime("beside", work)]);
  assert.equal(runs.length, 1, "the later calls are done at once, and the first still runs");
  runs[0]?.end();
  await settled();
  runs[1]?.end();
  await first;
});

test("calls during a run make it run once more, however many they are", async () => {
  const { runs, work } = stepwise();
  const first = oneAtATime("again", work);
  for (let call = 0; call < 5; call++) await oneAtATime("again", work);
  runs[0]?.end();
  await settled();
  assert.equal(runs.length, 2);
  await oneAtATime("again", work);
  runs[1]?.end();
  await settled();
  assert.equal(runs.length, 3, "a call during the second run counts as well");
  runs[2]?.end();
  await first;
  assert.equal(runs.length, 3, "nobody called during the third");
});

test("work that is called after it has ended runs anew", async () => {
  let runs = 0;
  const work = async () => void runs++;
  await oneAtATime("anew", work);
  await oneAtATime("anew", work);
  assert.equal(runs, 2);
});

test("work of another name runs beside it", async () => {
  const one = stepwise();
  const other = stepwise();
  const both = [oneAtATime("one", one.work), oneAtATime("other", other.work)];
  assert.deepEqual([one.runs.length, other.runs.length], [1, 1]);
  one.runs[0]?.end();
  other.runs[0]?.end();
  await Promise.all(both);
});

test("work that fails tells who called first, and can be called again", async () => {
  const { runs, work } = stepwise();
  const first = oneAtATime("failing", work);
  runs[0]?.fail(new Error("on purpose"));
  await assert.rejects(first, /^Error: on purpose$/);
  const second = oneAtATime("failing", work);
  assert.equal(runs.length, 2);
  runs[1]?.end();
  await second;
});
