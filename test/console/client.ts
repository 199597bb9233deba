import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import type { OpenConsole } from "../../dev/console.ts";
import { hashOf } from "../../src/console/person.ts";
import { mine } from "./scene.ts";

const someToken = () => randomBytes(16).toString("hex");

/** People of a console, each with a token, and what lets them in. */
export async function knownPeople() {
  const tokens = {
    operator: someToken(),
    reader: someToken(),
    narrowed: someToken(),
    narrowedOperator: someToken(),
  };
  const lines = [
    `${hashOf(tokens.operator)} olga operator`,
    `${hashOf(tokens.reader)} rita reader # looks only`,
    `${hashOf(tokens.narrowed)} nora reader ${mine.org}`,
    `${hashOf(tokens.narrowedOperator)} nick operator ${mine.org}`,
    "- percy operator",
  ];
  const folder = await mkdtemp(path.join(tmpdir(), "ccx-console-"));
  const file = path.join(folder, "tokens");
  await writeFile(file, lines.join("\n"));
  const env = { CCX_CONSOLE_TOKENS_FILE: file, CCX_CONSOLE_TRUSTED_PROXIES: "127.0.0.1, 10.0.0.0/8" };
  return {
    ...{ tokens, lines, file, env },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
export type KnownPeople = Awaited<ReturnType<typeof knownPeople>>;

export type Said = { status: number; text: string; headers: Headers };

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** What a page of the console answers to who sends these headers. */
export async function get(
  open: OpenConsole,
  at: string,
  headers: Record<string, string> = {},
): Promise<Said> {
  const answer = await fetch(open.url + at, { headers, redirect: "manual" });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}

type Proof = { cookie: string; token: string };
const proofs = new WeakMap<OpenConsole, Map<string, Promise<Proof>>>();

/** What a browser has of a page with a form, which serves all later forms as well. */
async function loaded(open: OpenConsole, headers: Record<string, string>): Promise<Proof> {
  const known = await fetch(`${open.url}/silences?view=add`, { headers });
  const page = known.ok ? known : await fetch(`${open.url}/login`, { headers });
  const cookie = page.headers
    .getSetCookie()
    .map((one) => one.split(";")[0])
    .join("; ");
  const [, token = ""] = /name="_csrf" value="([^"]+)"/.exec(await page.text()) ?? [];
  return { cookie, token };
}

/** Sends a form as a browser does, with the proof of a page that it loaded before. */
export async function post(
  open: OpenConsole,
  at: string,
  form: Record<string, string>,
  { headers = {}, proof = true }: { headers?: Record<string, string>; proof?: boolean } = {},
): Promise<Said> {
  const ofOpen = proofs.get(open) ?? new Map<string, Promise<Proof>>();
  proofs.set(open, ofOpen);
  const who = headers.authorization ?? "";
  const asked = ofOpen.get(who) ?? loaded(open, who === "" ? {} : { authorization: who });
  ofOpen.set(who, asked);
  const { cookie, token } = await asked;
  const answer = await fetch(open.url + at, {
    method: "POST",
    redirect: "manual",
    headers: { cookie, ...headers },
    body: new URLSearchParams({ ...(proof && { _csrf: token }), ...form }),
  });
  return { status: answer.status, text: await answer.text(), headers: answer.headers };
}
