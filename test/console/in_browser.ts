import { after, before } from "node:test";
import puppeteer, { type Browser, type HTTPResponse, type Page } from "puppeteer-core";
import {
  chromium,
  chromiumArguments,
  howToGetChromium,
  type OpenConsole,
  startConsole,
} from "../../dev/console.ts";
import type { TestDatabase } from "../support/database.ts";
import { fillConsole } from "./scene.ts";

const executablePath = chromium();

/** What a test in a browser is declared with: where there is none, it is skipped and says how to get one. */
export const needsBrowser = { skip: executablePath === undefined && howToGetChromium };

/** A console on this database, filled, with a page of a browser. Its fields are there once the tests begin. */
export type InBrowser = {
  open: OpenConsole;
  browser: Browser;
  page: Page;
  /** a rejected message that would conform by now */
  rejected: string;
  /** scripts that ran or failed, and what the policy of content refused: none at the end of each test */
  troubles: string[];
  go(at: string): Promise<HTTPResponse | null>;
  /** what a person reads on the page */
  text(): Promise<string>;
  /** clicks what leads to another page */
  press(selector: string, of?: Page): Promise<void>;
};

/** Call at the top of a `describe` that needs a browser. */
export function inBrowser(
  database: TestDatabase,
  start: () => Promise<OpenConsole> = () => startConsole(database.url),
): InBrowser {
  const it = {
    troubles: [] as string[],
    go: (at: string) => it.page.goto(it.open.url + at, { waitUntil: "domcontentloaded" }),
    text: () => it.page.$eval("main", (main) => (main as unknown as { innerText: string }).innerText),
    press: async (selector: string, of = it.page) => {
      await Promise.all([of.waitForNavigation({ waitUntil: "domcontentloaded" }), of.click(selector)]);
    },
  } as InBrowser;
  before(async () => {
    ({ rejected: it.rejected } = await fillConsole(database.pool));
    it.open = await start();
    it.browser = await puppeteer.launch({ executablePath: String(executablePath), args: chromiumArguments });
    it.page = await it.browser.newPage();
    it.page.on("pageerror", (error) => it.troubles.push(String(error)));
    it.page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) it.troubles.push(message.text());
    });
    it.page.on("dialog", async (dialog) => {
      it.troubles.push(`a script ran: ${dialog.message()}`);
      await dialog.dismiss();
    });
  });
  after(async () => {
    await it.browser?.close();
    await it.open?.[Symbol.asyncDispose]();
  });
  return it;
}
