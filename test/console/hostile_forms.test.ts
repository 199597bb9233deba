import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type DefaultTreeAdapterTypes, parse } from "parse5";
import type { Page } from "puppeteer-core";
import { mostTyped } from "../../src/console/form.ts";
import { escaped } from "../../src/console/html.ts";
import { testDatabase } from "../support/database.ts";
import { inBrowser, needsBrowser } from "./in_browser.ts";
import { allPages, mine, pagesAbout } from "./scene.ts";

type Element = DefaultTreeAdapterTypes.Element;
type Field = {
  name: string;
  value: string;
  label: string;
  isTyped: boolean;
  most: number;
  isSecret: boolean;
};
type Form = {
  at: string;
  pressed: string | undefined;
  method: string;
  action: string;
  fields: Field[];
  buttons: string[];
};

/** What a person types; what is long, or cannot be stored, by itself: either is refused for that. */
const hostile = [
  `<script>alert(1)</script><img src=x onerror=alert(2)>"'\`\${alert(3)}{{=alert(4)}}<%= alert(5) %>\u202Ednim\u2066\u200B</form>`,
  "w".repeat(100_000),
  "nul\0here",
];
/** What a form wants to be taken, so that the field in question decides. */
const wanted: Record<string, string> = {
  ...{ for: "2 hours", reason: "for the test", set_max_events: "7", from: "2026-01-01", to: "2026-01-02" },
};

const database = testDatabase();

describe("hostile texts that a person types", needsBrowser, () => {
  const it = inBrowser(database);

  const attribute = (of: Element, name: string) => of.attrs.find((one) => one.name === name)?.value;
  function* elements(of: DefaultTreeAdapterTypes.ParentNode): Generator<Element> {
    for (const node of of.childNodes)
      if ("tagName" in node) {
        yield node;
        yield* elements(node);
      }
  }
  const textOf = (of: DefaultTreeAdapterTypes.Node): string =>
    "value" in of ? of.value : "childNodes" in of ? of.childNodes.map(textOf).join("") : "";

  const fieldOf = (one: Element, labels: Map<string, string>): Field => ({
    name: attribute(one, "name") ?? "",
    value: attribute(one, "value") ?? "",
    label: labels.get(attribute(one, "id") ?? "") ?? "",
    isTyped: one.tagName === "input" && attribute(one, "type") === undefined,
    most: Number(attribute(one, "maxlength") ?? Number.POSITIVE_INFINITY),
    isSecret: attribute(one, "type") === "password",
  });

  /** The forms of a page, with what stands in them. */
  function formsIn(markup: string, at: string, pressed?: string): Form[] {
    const all = [...elements(parse(markup))];
    const labels = new Map(
      all.flatMap((one) =>
        one.tagName === "label" ? [[attribute(one, "for") ?? "", textOf(one).trim()] as const] : [],
      ),
    );
    return all
      .filter(({ tagName }) => tagName === "form")
      .map((form) => {
        const inside = [...elements(form)];
        return {
          ...{
            at,
            pressed,
            method: attribute(form, "method") ?? "get",
            action: attribute(form, "action") ?? "",
          },
          fields: inside
            .filter((one) => ["input", "select", "textarea"].includes(one.tagName) && attribute(one, "name"))
            .map((one) => fieldOf(one, labels)),
          buttons: inside.flatMap((one) => (one.tagName === "button" ? [attribute(one, "value") ?? ""] : [])),
        };
      });
  }

  const cookies = new Map<string, string>();
  async function sent(
    path: string,
    form?: URLSearchParams,
  ): Promise<{ status: number; text: string; url: string }> {
    const url = new URL(path, it.open.url);
    const answer = await fetch(url, {
      redirect: "manual",
      headers: { cookie: [...cookies].map((one) => one.join("=")).join("; ") },
      ...(form && { method: "POST", body: form }),
    });
    for (const one of answer.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(one) ?? [];
      cookies.set(name, value);
    }
    const to = answer.headers.get("location");
    const text = await answer.text();
    return to === null ? { status: answer.status, text, url: url.href } : sent(to);
  }

  /** Sends a form with these values beside what stands in it, as its button does. */
  function submit(form: Form, button: string, given: Record<string, string>) {
    const values = new URLSearchParams();
    for (const { name, value } of form.fields)
      values.set(name, given[name] ?? (value || (wanted[name] ?? "")));
    if (button !== "") values.set("do", button);
    return form.method === "post" ? sent(form.action, values) : sent(`${form.action}?${values}`);
  }

  let known: Promise<Form[]> | undefined;
  const allForms = () => {
    known ??= foundForms();
    return known;
  };
  /** Each form that pages have, and each that an answer to one of them has, once. */
  async function foundForms(): Promise<Form[]> {
    const found = new Map<string, Form>();
    const add = (forms: Form[]) => {
      const added: Form[] = [];
      for (const form of forms) {
        const names = form.fields.map(({ name }) => name);
        const key = [form.method, form.action.replaceAll(/\d+/g, "1"), ...names, "|", ...form.buttons].join(
          " ",
        );
        if (!found.has(key)) {
          found.set(key, form);
          added.push(form);
        }
      }
      return added;
    };
    for (const at of ["/login", ...allPages(mine.cluster), ...(await pagesAbout(database.pool, mine))]) {
      const { text } = await sent(`/console${at}`);
      for (const form of add(formsIn(text, at)))
        for (const button of form.buttons.filter((one) => /^(?:try|preview)/.test(one)))
          add(formsIn((await submit(form, button, {})).text, at, button));
    }
    return [...found.values()];
  }

  /** The proof of a page is void once another one is sent along. */
  const fresh = async (form: Form) => {
    const page = (await sent(`/console${form.at}`)).text;
    const proof = /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? "";
    for (const field of form.fields) if (field.name === "_csrf") field.value = proof;
  };

  /** As a page shows it: what cannot be stored or changes the order of reading is written out. */
  const asShown = (text: string) =>
    escaped(text.trim().replaceAll("\0", "\u{FFFD}"))
      .replaceAll("&lt;", "<")
      .replaceAll("&gt;", ">")
      .replaceAll("&quot;", '"')
      .replaceAll("&#39;", "'")
      .replaceAll("&#96;", "`")
      .replaceAll("&amp;", "&");

  test("in every field of every form are refused in words or taken, and the form keeps them", async () => {
    const forms = await allForms();
    const fields = new Set(forms.flatMap((form) => form.fields.map(({ name }) => `${form.action} ${name}`)));
    assert.ok(forms.length > 25 && fields.size > 100, `${forms.length} forms, ${fields.size} fields`);
    const faults: string[] = [];
    for (const form of forms) {
      await fresh(form);
      for (const button of form.buttons.filter((one) => !/^(?:end|close)$/.test(one)))
        for (const { name, label, isTyped, most, isSecret } of form.fields.filter(
          (one) => one.name !== "_csrf",
        )) {
          for (const text of hostile) {
            // what nobody types comes from an address, which a server reads to its limit
            const typed = text.slice(0, isTyped || form.method === "post" ? most : mostTyped);
            const { status, text: page } = await submit(form, button, { [name]: typed });
            const say = (what: string) =>
              faults.push(`${form.action} ${button} ${name} "${text.slice(0, 12)}": ${status}, ${what}`);
            if (![200, 400, 401, 404, 409].includes(status)) say("no answer for a person");
            if (/<script>alert|<img|[\u202E\u2066\u200B\0]/.test(page)) say("it is part of the page");
            const same = formsIn(page, form.at).filter((one) => one.action === form.action);
            const kept = same.some((one) =>
              one.fields.some((field) => field.name === name && field.value === asShown(typed)),
            );
            if (isTyped && !isSecret && same.length > 0 && /id="problem"/.test(page) && !kept)
              say("it is not kept");
            const [, problem = ""] = /<p id="problem"[^>]*>(.*?)<\/p>/s.exec(page) ?? [];
            if (isTyped && problem !== "" && !problem.includes("<a href=") && status === 400)
              say(`the field ${label} is not named: ${problem.slice(0, 200)}`);
          }
        }
    }
    assert.deepEqual(faults, []);
  });

  test("neither run nor break the layout of the page that shows them again", async () => {
    const forms = await allForms();
    const faults: string[] = [];
    await it.page.setViewport({ width: 360, height: 800 });
    for (const form of forms.filter(({ fields }) => fields.some(({ isTyped }) => isTyped)))
      for (const text of [hostile[0] ?? "", "w".repeat(100_000)]) {
        await it.go(form.at);
        const selector = `form[action="${form.action}"][method="${form.method}"]`;
        const isThere = await filled(it.page, selector, text);
        if (!isThere) continue;
        const { wide, injected } = (await it.page.evaluate(`({
          wide: document.documentElement.scrollWidth,
          injected: document.querySelectorAll("body script, img, [onerror]").length,
        })`)) as { wide: number; injected: number };
        if (wide > 360) faults.push(`${form.action} of ${form.at}: it is ${wide} pixels wide on a phone`);
        if (injected > 0)
          faults.push(`${form.action} of ${form.at}: ${injected} elements came from what was typed`);
        faults.push(...it.troubles.splice(0).map((trouble) => `${form.action} of ${form.at}: ${trouble}`));
      }
    assert.deepEqual(faults, []);
  });

  /** Types this into every text field of a form and presses its first button. */
  async function filled(page: Page, selector: string, text: string): Promise<boolean> {
    const isThere = await page.evaluate(
      `(() => {
        const form = document.querySelector(${JSON.stringify(selector)});
        if (!form) return false;
        for (const input of form.querySelectorAll("input:not([type])"))
          input.value = ${JSON.stringify(text)}.slice(0, input.maxLength < 0 ? undefined : Math.min(200, input.maxLength));
        for (const input of form.querySelectorAll("[minlength], [required]")) input.removeAttribute("required");
        return true;
      })()`,
    );
    if (!isThere) return false;
    await Promise.all([
      page.waitForNavigation({ waitUntil: "domcontentloaded" }),
      page.evaluate(`document.querySelector(${JSON.stringify(selector)}).requestSubmit(
        document.querySelector(${JSON.stringify(`${selector} button:not([type=button])`)}))`),
    ]);
    return true;
  }
});
