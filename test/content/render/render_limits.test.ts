import assert from "node:assert/strict";
import { after, test } from "node:test";
import { defaultRenderLimits, stopsUntilDistrust } from "../../../src/content/render/render_limits.ts";
import { createRenderer } from "../../../src/content/render/renderer.ts";

const limits = {
  timeMs: 400,
  watchMs: 1500,
  memoryBytes: 16 * 1024 * 1024,
  textLength: 1000,
  detailsLength: 2000,
};
const renderer = await createRenderer(limits);
after(() => renderer.dispose());
let ids = 0;

async function rendered(
  template: string,
  pydata: unknown = {},
  contentId = `limit ${++ids}`,
): Promise<string> {
  const given = { contentId, templates: { t: template }, names: ["t"], pydata, format: "html" } as const;
  const answer = await renderer.render(given);
  return "error" in answer ? `ERROR ${answer.error}` : answer.texts.t;
}

test("a text as long as the limit is whole, a longer one loses its end", async () => {
  assert.equal(await rendered("{{ out += 'x'.repeat(1000); }}"), "x".repeat(1000));
  assert.equal(await rendered("{{ out += 'x'.repeat(1000) + 'y'; }}"), "x".repeat(1000));
  assert.match(await rendered("{{=pydata.a}}", { a: "x".repeat(1500) }), /^x{980,1000}$/);
});

test("details as long as the limit are taken, longer ones are not", async () => {
  assert.equal(await rendered("{{=pydata.length}}", "x".repeat(1998)), "1998");
  assert.equal(await rendered("t", "x".repeat(1999)), "ERROR the details are longer than 2000 characters");
});

test("memory up to the limit is given, more is not, and the next rendering has all of it again", async () => {
  const fill =
    "{{ var kept = []; for (var i = 0; i < pydata.n; i++) kept.push(('' + i).repeat(20000)); }}{{=kept.length}}";
  const id = "memory";
  assert.equal(await rendered(fill, { n: 20 }, id), "20");
  for (let again = 0; again < 3; again++) {
    assert.match(await rendered(fill, { n: 2000 }, id), /^ERROR .*out of memory/);
    assert.equal(await rendered(fill, { n: 20 }, id), "20");
  }
});

test("a short loop runs to its end, an endless one is stopped, and its content renders again", async () => {
  const loop = "{{ for (var i = 0; i < pydata.n; i++); }}{{=i}}";
  const id = "time";
  assert.equal(await rendered(loop, { n: 1000 }, id), "1000");
  assert.equal(await rendered(loop, { n: 1e15 }, id), "ERROR stopped: took longer than 400 ms");
  assert.equal(await rendered(loop, { n: 1000 }, id), "1000");
});

test("a content that only ever hits its limit gets a tenth of the time, until it renders", async () => {
  const loop = "{{ for (var i = 0; i < pydata.n; i++); }}{{=i}}";
  const answers = await Promise.all(Array.from({ length: 6 }, () => rendered(loop, { n: 1e15 }, "often")));
  for (const [at, answer] of answers.entries())
    assert.equal(answer, `ERROR stopped: took longer than ${at < stopsUntilDistrust ? 400 : 40} ms`);
  assert.equal(await rendered(loop, { n: 1 }, "often"), "1");
  assert.equal(await rendered(loop, { n: 1e15 }, "often"), "ERROR stopped: took longer than 400 ms");
});

test("recursion has an end, up to there it works", async () => {
  const dive = "{{ var down = function (n) { return n ? 1 + down(n - 1) : 0; }; }}{{=down(pydata.n)}}";
  assert.equal(await rendered(dive, { n: 200 }, "dive"), "200");
  assert.match(await rendered(dive, { n: 1e6 }, "dive"), /^ERROR t: .*stack overflow/);
  assert.equal(await rendered(dive, { n: 200 }, "dive"), "200");
});

test("a loop inside a built-in function takes its thread with it, and nothing else", async () => {
  await using own = await createRenderer({ timeMs: 50, watchMs: 100 }).then((made) =>
    Object.assign(made, { [Symbol.asyncDispose]: () => made.dispose() }),
  );
  const render = (contentId: string, template: string) =>
    own.render({ contentId, templates: { t: template }, names: ["t"], pydata: { a: 1 }, format: "html" });
  await render("warm", "warm");
  const answers = await Promise.all([
    render("before", "{{=pydata.a}}"),
    render("hostile", "{{=new Array(2**32-2).indexOf(1)}}"),
    ...Array.from({ length: 20 }, (_, at) => render(`after ${at}`, "{{=pydata.a}}")),
    render("warm", "cold"),
  ]);
  assert.deepEqual(answers[1], { error: "stopped: did not answer within 100 ms" });
  assert.equal(answers.filter((answer) => "texts" in answer && answer.texts.t === "1").length, 21);
  assert.deepEqual(answers.at(-1), { texts: { t: "cold" } });
});

test("the limits leave room for what is usual", () => {
  assert.ok(defaultRenderLimits.timeMs >= 50 && defaultRenderLimits.watchMs > defaultRenderLimits.timeMs);
  assert.ok(defaultRenderLimits.textLength > 4000);
});
