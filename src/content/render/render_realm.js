/*
 * Runs inside the sandbox, once for each content version, before any of its templates: makes everything the
 * templates share unchangeable, and returns the function that renders them. Read as text by rendering_realm.ts.
 */
(function prepare(doT, templates, longestText) {
  const { parse, stringify } = JSON;
  const { ownKeys, getPrototypeOf, getOwnPropertyDescriptor, defineProperty, deleteProperty, apply } =
    Reflect;
  const { freeze } = Object;
  const replace = RegExp.prototype[Symbol.replace];
  const slice = String.prototype.slice;

  /** doT as the existing renderer uses it: newlines of the text stay, so `strip` is off. */
  const settings = { ...doT.templateSettings, varname: "pydata, _value, _encoded", strip: false };
  const interpolate = /\{\{(=|!)([\s\S]+?)\}\}/g;
  const edges = /^ +| +$/g;
  const comments = /\/\*[\s\S]*?\*\//g;

  // A noncharacter and the length tell the outside what of a text is a value (escape.ts).
  const value = (it) => {
    const text = `${it}`;
    return `\uFDD0${text.length}:${text}`;
  };
  const encoded = (it) => (it ? value(it) : "");

  const compile = (name) => {
    // the existing renderer runs doT's strip on text whose newlines are hidden from it; this is what is left of it
    let text = apply(replace, comments, [apply(replace, edges, [templates[name], " "]), ""]);
    text = apply(replace, interpolate, [
      text,
      (_, kind, code) => `{{=_${kind === "=" ? "value" : "encoded"}((${code}))}}`,
    ]);
    const template = doT.template(text, settings);
    freeze(template.prototype);
    return freeze(template);
  };

  const everything = new Set();
  const collect = (it) => {
    if ((typeof it !== "object" && typeof it !== "function") || it === null || everything.has(it)) return;
    everything.add(it);
    if (it !== globalThis) collect(getPrototypeOf(it));
    for (const key of ownKeys(it)) {
      const { value: held, get, set } = getOwnPropertyDescriptor(it, key);
      for (const part of [held, get, set]) collect(part);
    }
  };
  collect(globalThis);
  // what no global leads to
  for (const hidden of [
    function* () {},
    async () => {},
    async function* () {},
    [][Symbol.iterator](),
    ""[Symbol.iterator](),
    "".matchAll(/x/g),
    new Map().entries(),
    new Set().entries(),
    Iterator.from({ next() {} }),
    [].values().map((it) => it),
    value,
    encoded,
  ])
    collect(hidden);
  everything.delete(globalThis);
  for (const it of everything) freeze(it);
  const globals = ownKeys(globalThis);
  for (const key of globals) defineProperty(globalThis, key, { configurable: false, writable: false });
  const known = new Set(globals);

  /** Implicit globals work, as before, but do not outlive the rendering. False when the realm cannot be cleaned. */
  const clean = () => {
    if (getPrototypeOf(globalThis) !== Object.prototype) return false;
    const keys = ownKeys(globalThis);
    if (keys.length === globals.length) return true;
    for (const key of keys) if (!known.has(key) && !deleteProperty(globalThis, key)) return false;
    return true;
  };

  const compiled = { __proto__: null };
  const oneOf = (name, details) => {
    compiled[name] ??= compile(name);
    return apply(slice, `${compiled[name](parse(details), value, encoded)}`, [0, longestText]);
  };

  return (names, details) => {
    const answer = { texts: {} };
    let at;
    try {
      for (at of parse(names)) answer.texts[at] = oneOf(at, details);
    } catch (error) {
      let text = "an error that cannot be read";
      try {
        text = `${error}`;
      } catch {}
      answer.error = apply(slice, `${at}: ${text}`, [0, 1000]);
    }
    answer.clean = clean();
    return stringify(answer);
  };
});
