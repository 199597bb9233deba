/*
 * Runs inside the sandbox, once for each content version, before any of its templates: makes everything the
 * templates share unchangeable, and returns the function that renders them. Read as text by
 * rendering_realm.ts.
 */
(function prepare(doT, templates, longestText) {
  const { parse, stringify } = JSON;
  const {
    ownKeys,
    getPrototypeOf,
    getOwnPropertyDescriptor,
    defineProperty,
    deleteProperty,
    apply,
    setPrototypeOf,
  } = Reflect;
  const { freeze } = Object;
  const { isArray } = Array;
  const plainText = Object.prototype.toString;
  const replace = RegExp.prototype[Symbol.replace];
  const slice = String.prototype.slice;

  /** doT as the existing renderer uses it: newlines of the text stay, so `strip` is off. */
  const settings = { ...doT.templateSettings, varname: "pydata, _value, _encoded", strip: false };
  const interpolate = /\{\{(=|!)([\s\S]+?)\}\}/g;
  const edges = /^ +| +$/g;
  const comments = /\/\*[\s\S]*?\*\//g;

  /**
   * No reader can use `undefined`, `[object Object]` or the source of a function; lists of plain values are
   * fine.
   */
  const isPlain = (it) =>
    typeof it === "string" ||
    typeof it === "boolean" ||
    typeof it === "bigint" ||
    (typeof it === "number" && it - it === 0);
  const readable = (it) => {
    if (isPlain(it)) return `${it}`;
    if (typeof it !== "object" || it === null) return undefined;
    // an author's date, for instance, has a text; no object of the details has
    if (!isArray(it))
      return typeof it.toString !== "function" || it.toString === plainText ? undefined : `${it}`;
    let text = "";
    for (let at = 0; at < it.length; at++) {
      if (!isPlain(it[at])) return undefined;
      text += at === 0 ? `${it[at]}` : `,${it[at]}`;
    }
    return text;
  };

  /** Values of the rendering under way that have no text: which tag of the template, what it was instead. */
  let doubts = [];
  const most = 20;
  const kindOf = (it) => {
    if (it === undefined) return "missing";
    if (it === null) return "null";
    if (typeof it === "number") return "not_a_number";
    return typeof it === "object" ? (isArray(it) ? "list" : "object") : "function";
  };
  const doubt = (it, place) => {
    if (doubts.length >= most) return;
    const kind = kindOf(it);
    let example = "";
    try {
      if (kind === "list" || kind === "object") example = apply(slice, stringify(it), [0, 200]);
    } catch {}
    defineProperty(doubts, doubts.length, { value: { place, kind, example }, enumerable: true });
  };

  // A noncharacter, the tag and the length tell the outside what of a text is a value (escape.ts).
  const value = (it, place) => {
    const text = readable(it);
    if (text === undefined) {
      doubt(it, place);
      return "";
    }
    return `\uFDD0${place}/${text.length}:${text}`;
  };
  const encoded = (it, place) => (it ? value(it, place) : "");

  const compile = (name) => {
    // the existing renderer runs doT's strip on text whose newlines are hidden from it; this is what is left
    // of it
    let text = apply(replace, comments, [apply(replace, edges, [templates[name], " "]), ""]);
    let place = 0;
    text = apply(replace, interpolate, [
      text,
      (_, kind, code) => `{{=_${kind === "=" ? "value" : "encoded"}((${code}),${place++})}}`,
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

  /**
   * Implicit globals work, as before, but do not outlive the rendering. False when the realm cannot be
   * cleaned.
   */
  const clean = () => {
    if (getPrototypeOf(globalThis) !== Object.prototype) return false;
    const keys = ownKeys(globalThis);
    if (keys.length === globals.length) return true;
    for (const key of keys) if (!known.has(key) && !deleteProperty(globalThis, key)) return false;
    return true;
  };

  /**
   * What objects of the details inherit: the methods that templates call, and nothing that is taken for a
   * value.
   */
  const everyone = Object.prototype;
  const inherited = { __proto__: null };
  for (const name of ["hasOwnProperty", "propertyIsEnumerable", "toString", "valueOf"])
    defineProperty(inherited, name, { value: everyone[name] });
  freeze(inherited);
  /** Lets the details inherit nothing else; goes through them with a list, as they may be nested deeply. */
  const own = (details) => {
    const open = [details];
    for (let at = 0; at < open.length; at++) {
      const it = open[at];
      if (!isArray(it)) setPrototypeOf(it, inherited);
      for (const key of ownKeys(it)) {
        const held = it[key];
        if (typeof held === "object" && held !== null) open[open.length] = held;
      }
    }
    return details;
  };

  const compiled = { __proto__: null };
  const detailsOf = (json) => {
    const details = parse(json);
    return typeof details === "object" && details !== null ? own(details) : details;
  };
  const oneOf = (name, details) => {
    compiled[name] ??= compile(name);
    return apply(slice, `${compiled[name](detailsOf(details), value, encoded)}`, [0, longestText]);
  };

  return (names, details) => {
    const answer = { texts: {}, doubts: {} };
    let at;
    try {
      for (at of parse(names)) {
        doubts = [];
        answer.texts[at] = oneOf(at, details);
        if (doubts.length > 0) answer.doubts[at] = doubts;
      }
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
