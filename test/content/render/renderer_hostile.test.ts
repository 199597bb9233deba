import assert from "node:assert/strict";
import { after, test } from "node:test";
import { createRenderer, type Rendered } from "../../../src/content/render/renderer.ts";

const limits = { timeMs: 100, watchMs: 200, memoryBytes: 32 * 1024 * 1024 };
const renderer = await createRenderer(limits);
after(() => renderer.dispose());

const canary = "canary-of-the-process";
process.env.CCX_TEST_CANARY = canary;
(globalThis as Record<string, unknown>).ccxTestCanary = canary;

function render(
  contentId: string,
  template: string,
  pydata: unknown = { name: "foo" },
): Promise<Rendered<"t">> {
  return renderer.render({ contentId, templates: { t: template }, names: ["t"], pydata, format: "html" });
}

/** Must end in an error: they use up time, memory or stack, or ask for what is not there. */
const refused: Record<string, string[]> = {
  "loops that have no end": [
    "{{for(;;);}}",
    "{{ while (true) { try { for (;;); } catch (e) {} } }}",
    "{{ try { for (;;); } finally { for (;;); } }}",
    "{{~ { length: 1e15 } :it }}{{~}}",
    "{{=[1].map(function f(x) { for (;;); })}}",
    "{{=pydata.name.replace(/o/g, function () { for (;;); })}}",
    "{{=({ get a() { for (;;); } }).a}}",
    "{{=({ toString() { for (;;); } })}}",
    "{{ throw { toString() { for (;;); } }; }}",
    "{{=[3, 1].sort(() => { for (;;); })}}",
    "{{=JSON.stringify({ toJSON() { for (;;); } })}}",
    "{{=(function* () { for (;;) yield 1; })().next().value}}{{ for (var x of (function* () { for (;;) yield 1; })()); }}",
    "{{##x=(function () { for (;;); })()#}}{{#def.x}}",
    "{{##x:{{#def.x}}#}}{{#def.x}}",
    "{{=Array.from({ length: 1e15 })}}",
    "{{ Function('for(;;);')(); }}",
    "{{ (0, eval)('for(;;);'); }}",
    "{{ Array.from({ [Symbol.iterator]: () => ({ next: () => ({ done: false }) }) }); }}",
    "{{ new Map({ [Symbol.iterator]: () => ({ next: () => ({ value: [1, 2], done: false }) }) }); }}",
  ],
  "loops inside built-in functions": [
    "{{=new Array(2**32-2).indexOf(1)}}",
    "{{=new Array(2**32-2).includes(1)}}",
    "{{=('a'.repeat(5e6)+'b').indexOf('a'.repeat(2e6)+'c')}}",
    "{{=('a'.repeat(4e6)+'b').split('a'.repeat(2e6)+'c').length}}",
  ],
  "catastrophic regular expressions": [
    "{{=/^(a+)+$/.test('a'.repeat(50)+'b')}}",
    "{{=/(x+x+)+y/.test('x'.repeat(60))}}",
    "{{=/^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))}}",
    "{{='a'.repeat(60).match(/(a|a)*$b/)}}",
    "{{='a'.repeat(60).replace(/(a?){60}a{60}b/,'')}}",
    "{{='a'.repeat(1e5).split(/(?=(a*)*b)/).length}}",
    "{{=new RegExp('('.repeat(1e6)+')'.repeat(1e6)).test('')}}",
  ],
  "memory without end": [
    "{{='x'.repeat(1e9)}}",
    "{{=''.padEnd(2e9, 'ab')}}",
    "{{=new Array(1e9).fill(0).length}}",
    "{{ var a = []; for (;;) { a.push('y'.repeat(1e4) + a.length); } }}",
    "{{ var s = 'x'; for (;;) { s += s; } }}",
    "{{ for (;;) { out += 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'; } }}",
    "{{ var o = {}; for (var i = 0; ; i++) { o['k' + i] = [i]; } }}",
    "{{ var m = new Map(); for (var i = 0; ; i++) { m.set(i, {}); } }}",
    "{{ var o = {}; for (;;) { o = { o: o }; } }}",
    "{{='a'.repeat(1e6).replace(/a/g, 'b'.repeat(1e5)).length}}",
    "{{=Array(1e7).join('abcdefgh').length}}",
    "{{=2n ** 1000000000n}}",
    "{{=[...Array(1e8)].length}}",
    "{{=JSON.stringify(Array(1e7).fill({ a: 1 })).length}}",
    "{{=String.raw({ raw: Array(1e8) })}}",
  ],
  "recursion without end": [
    "{{ (function f() { f(); })(); }}",
    "{{ (function f() { [1].forEach(f); })(); }}",
    "{{=({ get a() { return this.a; } }).a}}",
    "{{=({ toString() { return '' + this; } })}}",
    "{{ var a = []; for (var i = 0; i < 1e5; i++) { a = [a]; } }}{{=JSON.stringify(a)}}",
    "{{=JSON.parse('['.repeat(1e6))}}",
    "{{=eval('('.repeat(1e5) + ')'.repeat(1e5))}}",
    "{{ (function f() { try { f(); } catch (e) { f(); } })(); }}",
    "{{=new RegExp('(?:'.repeat(1e5) + ')'.repeat(1e5))}}",
  ],
  "what is not there": [
    "{{=process.env.CCX_TEST_CANARY}}",
    "{{=require('fs')}}",
    "{{=module.exports}}",
    "{{=ccxTestCanary}}",
    "{{=fetch('https://example.com')}}",
    "{{=new Worker('x')}}",
    "{{=setTimeout(function () {}, 0)}}",
    "{{=queueMicrotask(function () {})}}",
    "{{=console.log('x')}}",
    "{{=new SharedArrayBuffer(8)}}",
    "{{=Atomics.wait}}",
    "{{=WebAssembly.Memory}}",
    "{{=this.constructor.constructor('return process')().env}}",
    "{{=(function(){}).constructor('return process')().env.CCX_TEST_CANARY}}",
    "{{=pydata.constructor.constructor('return require')()('fs')}}",
    "{{=_value.constructor('return process')().exit()}}",
    "{{=arguments.callee.caller.constructor('return process')()}}",
    "{{=new Error().stack.getThis()}}",
    "{{=(function* () {}).constructor('yield process')().next().value.env}}",
    "{{=doT.template('x')}}",
    "{{=parentPort.postMessage('x')}}",
    "{{ import.meta.url }}",
    "{{ await 1; }}",
    "{{ } }}",
    "{{ return out; }; }} function x() { {{",
    "{{=pydata.__proto__.__proto__.x}}",
  ],
};

/** May render, but change nothing for others. */
const idle = [
  "{{=Promise.resolve(1).then(function () { for (;;); })}}",
  "{{=(async () => { for (;;) await 1; })()}}",
  "{{=import('node:fs')}}",
  "{{=import('data:text/javascript,globalThis.x=1')}}",
  "{{ Object.prototype.polluted = 'hostile'; }}",
  "{{ ({}).__proto__.polluted = 'hostile'; }}",
  "{{ ({}).constructor.prototype.polluted = 'hostile'; }}",
  "{{ String.prototype.toString = function () { return 'hostile'; }; }}",
  "{{ Array.prototype[Symbol.iterator] = null; }}",
  "{{ RegExp.prototype[Symbol.replace] = function () { return 'hostile'; }; }}",
  "{{ JSON.parse = function () { return { name: 'hostile' }; }; }}",
  "{{ JSON.stringify = function () { return '{}'; }; }}",
  "{{ globalThis.JSON = null; }}",
  "{{ delete globalThis.Object; }}",
  "{{ Function.prototype.call = Function.prototype.apply = null; }}",
  "{{ Reflect.apply = function () { return 'hostile'; }; }}",
  "{{ Object.setPrototypeOf(globalThis, { polluted: 'hostile' }); }}",
  "{{ Object.defineProperty(globalThis, 'polluted', { value: 'hostile' }); }}",
  "{{ polluted = 'hostile'; }}",
  "{{ Object.freeze(globalThis); }}",
  "{{ (0, eval)('var polluted = 1; let other = 2'); }}",
  "{{ arguments.callee.polluted = 'hostile'; }}",
  "{{ for (var key of Reflect.ownKeys(globalThis)) { try { globalThis[key] = 'hostile'; } catch (e) {} } }}",
  "{{ out = { toString: null }; out = 'x'; }}",
];

test("none of the hostile templates escapes, and all honest ones between them render", {
  timeout: 120_000,
}, async () => {
  const all = [...Object.values(refused).flat(), ...idle];
  assert.ok(all.length >= 100, `${all.length} templates`);
  const answers = await Promise.all(
    all.flatMap((template, at) => [
      render(`hostile ${at}`, template),
      render("honest", "{{=pydata.name}} {{=typeof polluted}} {{=JSON.stringify([pydata.name])}}"),
      render(`honest ${at}`, "{{~[1,2] :it}}{{=it}}{{~}}"),
    ]),
  );
  for (const [at, template] of all.entries()) {
    const [hostile, first, second] = answers.slice(at * 3, at * 3 + 3);
    assert.doesNotMatch(JSON.stringify(hostile), new RegExp(canary), template);
    if (!idle.includes(template))
      assert.ok(hostile && "error" in hostile, `${template} → ${JSON.stringify(hostile)}`);
    assert.deepEqual(first, { texts: { t: "foo undefined [&quot;foo&quot;]" } }, `after ${template}`);
    assert.deepEqual(second, { texts: { t: "12" } }, `after ${template}`);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

/**
 * Everything shared that a template can get hold of: a place to leave one customer's details for the next.
 */
const places = [
  "globalThis",
  "Object.prototype",
  "Object",
  "Array.prototype",
  "Array",
  "Function.prototype",
  "Function",
  "String.prototype",
  "Number.prototype",
  "Boolean.prototype",
  "Symbol.prototype",
  "BigInt.prototype",
  "RegExp.prototype",
  "RegExp",
  "Date.prototype",
  "Date",
  "Math",
  "JSON",
  "Reflect",
  "Map.prototype",
  "Set.prototype",
  "WeakMap",
  "WeakMap.prototype",
  "Promise",
  "Promise.prototype",
  "Error",
  "TypeError.prototype",
  "Iterator.prototype",
  "parseInt",
  "eval",
  "_value",
  "_encoded",
  "arguments.callee",
  "arguments.callee.prototype",
  "Object.getPrototypeOf(arguments.callee)",
  "Object.getPrototypeOf(function* () {})",
  "Object.getPrototypeOf(function* () {}).constructor",
  "Object.getPrototypeOf(function* () {}).prototype",
  "Object.getPrototypeOf(async () => {})",
  "Object.getPrototypeOf(async function* () {})",
  "Object.getPrototypeOf((async function* () {})())",
  "Object.getPrototypeOf(Object.getPrototypeOf((async function* () {}).prototype))",
  "Object.getPrototypeOf([][Symbol.iterator]())",
  "Object.getPrototypeOf(''[Symbol.iterator]())",
  "Object.getPrototypeOf(''.matchAll(/x/g))",
  "Object.getPrototypeOf(new Map().entries())",
  "Object.getPrototypeOf(new Set().entries())",
  "Object.getPrototypeOf([].values().map((it) => it))",
  "Object.getPrototypeOf(Iterator.from({ next() {} }))",
  "Object.getOwnPropertyDescriptor(Map.prototype, 'size').get",
  "Object.getOwnPropertyDescriptor(Function.prototype, 'caller')?.get ?? Object",
  "((it) => it)`x`",
];

test("what a rendering leaves anywhere is gone at the next, even of the same template", async () => {
  for (const [at, place] of places.entries()) {
    const template = `{{ var place = ${place}; var found = place.left; try { place.left = pydata.name; } catch (e) {} }}{{=String(found)}}`;
    assert.deepEqual(
      await render(`place ${at}`, template, { name: "A" }),
      { texts: { t: "undefined" } },
      place,
    );
    assert.deepEqual(
      await render(`place ${at}`, template, { name: "B" }),
      { texts: { t: "undefined" } },
      place,
    );
  }
});

test("no built-in can be exchanged for the next rendering", async () => {
  const exchange =
    "{{ var found = typeof JSON.parse + [].map.name + ''.trim.name; ['map','trim','parse'].forEach(function (name) { " +
    "[JSON, Array.prototype, String.prototype].forEach(function (it) { try { Object.defineProperty(it, name, { value: 'x' }); } catch (e) {} it[name] = 'x'; delete it[name]; }); }); }}{{=found}}";
  for (const name of ["A", "B"])
    assert.deepEqual(await render("exchange", exchange, { name }), { texts: { t: "functionmaptrim" } });
});

test("a realm that cannot be cleaned is thrown away", async () => {
  for (const [at, dirt] of [
    "Object.defineProperty(globalThis, 'left', { value: pydata.name });",
    "Object.setPrototypeOf(globalThis, { left: pydata.name });",
    "Promise.resolve(pydata.name).then(function () {});",
    "globalThis[Symbol.for('left')] = pydata.name;",
  ].entries()) {
    const template = `{{ var found = globalThis.left ?? globalThis[Symbol.for('left')]; ${dirt} }}{{=String(found)}}`;
    for (const name of ["A", "B", "C"])
      assert.deepEqual(await render(`dirt ${at}`, template, { name }), { texts: { t: "undefined" } }, dirt);
  }
});

test("no global can be exchanged or removed for the next rendering", async () => {
  const exchange =
    "{{ var found = typeof escape + typeof Math + typeof parseInt; " +
    "escape = pydata.name; globalThis.Math = pydata.name; delete globalThis.parseInt; }}{{=found}}";
  for (const name of ["A", "B"])
    assert.deepEqual(await render("globals", exchange, { name }), { texts: { t: "functionobjectfunction" } });
});
