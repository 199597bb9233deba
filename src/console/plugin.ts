import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { Readable } from "node:stream";
import cookie from "@fastify/cookie";
import csrf from "@fastify/csrf-protection";
import formbody from "@fastify/formbody";
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import type { Pool } from "pg";
import { asPerson, type Manner } from "../db/as_person.ts";
import { asConfigurationError, asRefusal, codeOf, troubleOf } from "../db/errors.ts";
import { endPool } from "../db/pool.ts";
import type { Answering, Reader } from "../db/reader.ts";
import type { Db } from "../db/rows.ts";
import { messageOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Ask, type Handler, NotThere, notes, Overtaken, Redirect } from "./ask.ts";
import { downloaded } from "./download.ts";
import { time } from "./format.ts";
import { html } from "./html.ts";
import { layout, type Page, proof } from "./layout.ts";
import { Live } from "./live.ts";
import {
  clusterAct,
  clusterPage,
  clustersPage,
  draftPage,
  reportPage,
  type ShowIssue,
} from "./pages/cluster.ts";
import { deliveriesAct, deliveriesPage, messagePage, type ShowMessage } from "./pages/deliveries.ts";
import { actsPage, newPage, rulePage, rulesPage, storagePage } from "./pages/lists.ts";
import { overview } from "./pages/overview.ts";
import { policiesAct, policiesPage, policyPage } from "./pages/policies.ts";
import { type Retry, rejectedAct, rejectedMessagePage, rejectedPage } from "./pages/rejected.ts";
import { silencesAct, silencesPage } from "./pages/silences.ts";
import { Door, NotLetIn, type Person, tokenCookie, type WhoMay } from "./person.ts";
import * as sql from "./sql.ts";
import { BadQuestion } from "./table.ts";

export type ConsoleOptions = {
  /** connections of the console's own; ended with it */
  pool: Pool;
  /** has a connection to cancel with, also when all others are busy; ended with the console */
  canceller: Pool;
  /** where pages read; ended with the console */
  reader: Reader;
  databaseUrl: string;
  log: Logger;
  release: string;
  who: WhoMay;
  show: ShowMessage;
  showIssue: ShowIssue;
  retry: Retry;
};

/** How long one statement of a page may take, and of what a person tries or does. */
const seconds: Record<Manner, number> = { read: 30, act: 60, try: 120 };
const mostOfForm = 256 * 1024;
const dayOfSeconds = 86_400;

const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "referrer-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "cache-control": "no-store",
};

/** The pages, in the order of the navigation. */
const pages = ({ show, showIssue }: ConsoleOptions): Record<string, Handler> => ({
  "/": overview,
  "/new": newPage,
  "/clusters": clustersPage,
  "/clusters/:cluster": clusterPage,
  "/clusters/:cluster/report": reportPage,
  "/clusters/:cluster/text": draftPage(showIssue),
  "/messages/:id": messagePage(show),
  "/rules": rulesPage,
  "/rules/:rule": rulePage,
  "/policies": policiesPage,
  "/policies/:id": policyPage,
  "/silences": silencesPage,
  "/deliveries": deliveriesPage,
  "/rejected": rejectedPage,
  "/rejected/:id": rejectedMessagePage,
  "/storage": storagePage,
  "/acts": actsPage,
});

/** What forms do. */
const acts = ({ retry }: ConsoleOptions): Record<string, Handler> => ({
  "/clusters/:cluster": clusterAct,
  "/policies": policiesAct,
  "/silences": silencesAct,
  "/deliveries": deliveriesAct,
  "/rejected/:id": rejectedAct(retry),
});

/** The console: pages for people, on the HTTP server of the process. */
export function consoleRoom(options: ConsoleOptions): { prefix: string; plugin: FastifyPluginAsync } {
  return { prefix: "/console", plugin: (server) => register(server, options) };
}

async function register(server: FastifyInstance, options: ConsoleOptions): Promise<void> {
  const { pool, reader, canceller, databaseUrl, log, who } = options;
  const door = new Door(who);
  const live = new Live(databaseUrl, log);
  let awaySince: string | undefined;
  // a stream would keep the server until it cuts it off
  server.addHook("preClose", () => live.close());
  server.addHook("onClose", async () => {
    await Promise.all([endPool(pool), reader.end()]);
    await endPool(canceller);
  });
  await server.register(cookie);
  await server.register(formbody, { bodyLimit: mostOfForm });
  await server.register(csrf, {
    cookieKey: "ccx_console_csrf",
    cookieOpts: { httpOnly: true, sameSite: "strict", path: "/console" },
    getToken: (request) => {
      const token = (request.body as Record<string, unknown> | undefined)?._csrf;
      return typeof token === "string" ? token : undefined;
    },
  });
  server.addHook("onSend", async (_request, reply) => void reply.headers(headers));

  const personOf = (request: FastifyRequest) => door.personOf(request, request.cookies[tokenCookie]);

  const asker = (
    person: Person,
    signal: AbortSignal,
    aged?: (seconds: number) => void,
  ): Pick<Ask, "read" | "act" | "attempt"> => {
    const ask = <T>(
      manner: Manner,
      work: (db: Db) => Promise<T>,
      from: Pick<Answering, "pool" | "canceller"> = { pool },
    ) =>
      asPerson(
        from.pool,
        person,
        manner,
        async (db) => {
          if (person.organization !== undefined && !(await sql.isNarrowed(db)))
            throw new NotLetIn(
              `You may see organization ${person.organization} only, and this database has no row-level ` +
                "security that keeps to it: `ccx migrate --with-roles` sets it up.",
              false,
            );
          return work(db);
        },
        { seconds: seconds[manner], signal, canceller: from.canceller ?? canceller },
      );
    return {
      read: (work) =>
        reader.read(async (server) => {
          const answer = await ask("read", work, server);
          if (server.ageSeconds !== undefined) aged?.(server.ageSeconds);
          return answer;
        }),
      async attempt(work) {
        requireAct(person);
        return ask("try", work);
      },
      async act(act, details, work) {
        requireAct(person);
        const answer = await ask("act", async (db) => {
          const done = await work(db);
          await sql.recordAct(db, act, details);
          return done;
        });
        reader.wrote();
        log.info({ person: person.name, act, details }, "somebody acted in the console");
        return answer;
      },
    };
  };

  const send = async (
    request: FastifyRequest,
    reply: FastifyReply,
    page: Page,
    person: Person | undefined,
  ): Promise<FastifyReply> => {
    const { done } = request.query as { done?: string };
    const note = done !== undefined && Object.hasOwn(notes, done) ? notes[done] : undefined;
    return reply
      .code(page.status ?? 200)
      .type("text/html; charset=utf-8")
      .send(
        layout(page, {
          ...{ person, path: pathOf(request), release: options.release },
          ...(person && { csrf: proofOf(reply) }),
          ...(note !== undefined && (page.status ?? 200) === 200 && { note }),
        }),
      );
  };

  const answered =
    (handler: Handler) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const person = await personOf(request);
      const gone = new AbortController();
      reply.raw.on("close", () => {
        if (!reply.raw.writableFinished) gone.abort(new Error("the client went away"));
      });
      let ageSeconds: number | undefined;
      const answer = await handler({
        person,
        csrf: proofOf(reply),
        path: pathOf(request),
        query: onlyTexts(request.query),
        params: onlyTexts(request.params) as Record<string, string>,
        form: formOf(request.body),
        ...asker(person, gone.signal, (seconds) => {
          ageSeconds = Math.max(ageSeconds ?? 0, seconds);
        }),
      });
      awaySince = undefined;
      if (answer instanceof Redirect) return reply.redirect(answer.to, 303);
      return send(request, reply, { ...answer, ...(ageSeconds !== undefined && { ageSeconds }) }, person);
    };

  for (const [route, handler] of Object.entries(pages(options))) server.get(route, answered(handler));
  const own = { bodyLimit: mostOfForm, preHandler: [sameOrigin, proven] };
  function proven(request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void {
    server.csrfProtection(request, reply, done as () => void);
  }
  // who may not act is refused before a form is looked at, also where it would only show what it would do
  const acting =
    (handler: Handler): Handler =>
    async (ask) => {
      requireAct(ask.person);
      return handler(ask);
    };
  for (const [route, handler] of Object.entries(acts(options)))
    server.post(route, own, answered(acting(handler)));

  server.get("/live", async (request, reply) => {
    const person = await personOf(request);
    await asker(person, new AbortController().signal)
      .read(async () => undefined)
      .catch((error) => {
        // who may look is let in while the database is away; he hears when it is back
        if (error instanceof NotLetIn) throw error;
      });
    reply.hijack();
    reply.raw.writeHead(200, { ...headers, "content-type": "text/event-stream" });
    live.add(reply.raw, person.organization !== undefined);
  });

  server.get("/list/:file", async (request, reply) => {
    const person = await personOf(request);
    const gone = new AbortController();
    reply.raw.on("close", () => gone.abort(new Error("the client went away")));
    const { file } = request.params as { file: string };
    const { type, name, parts } = await downloaded(
      file,
      onlyTexts(request.query),
      person,
      asker(person, gone.signal).read,
    );
    return reply
      .type(type)
      .header("content-disposition", `attachment; filename="${name}"`)
      .send(Readable.from(parts));
  });

  server.get("/login", async (request, reply) => send(request, reply, loginPage(proofOf(reply)), undefined));
  server.post("/login", own, async (request, reply) => {
    const { token } = request.body as { token?: string };
    const given = typeof token === "string" ? token.trim() : "";
    await door.personWith(given);
    return reply
      .setCookie(tokenCookie, given, {
        ...{ httpOnly: true, sameSite: "strict", path: "/console", maxAge: dayOfSeconds },
        secure: request.headers["x-forwarded-proto"] === "https",
      })
      .redirect("/console/", 303);
  });
  server.post("/logout", own, async (_request, reply) =>
    reply.clearCookie(tokenCookie, { path: "/console" }).redirect("/console/login", 303),
  );

  for (const [name, { type, text }] of await staticFiles())
    server.get(`/static/${name}`, async (_request, reply) => reply.type(type).send(text));

  server.setNotFoundHandler(async (request, reply) => {
    const person = await personOf(request);
    return send(request, reply, missing("The console has no such page."), person);
  });
  server.setErrorHandler(async (error, request, reply) => {
    const person = await personOf(request).catch(() => undefined);
    const trouble = troubleOf(error);
    if (trouble === "away" || trouble === "setup") awaySince ??= new Date().toISOString();
    const page = pageOf(error, awaySince, request.method === "GET");
    if ((page.status ?? 500) >= 500)
      log.warn({ error: messageOf(error), path: pathOf(request) }, "a page of the console failed");
    if (error instanceof NotLetIn && error.mayLogIn)
      return send(request, reply, loginPage(proofOf(reply), error.message), undefined);
    return send(request, reply, page, person);
  });
}

/** One proof for all forms of a page: a second one would come with another secret, and void the first. */
const proofs = new WeakMap<FastifyReply, string>();
function proofOf(reply: FastifyReply): string {
  const known = proofs.get(reply) ?? reply.generateCsrf();
  proofs.set(reply, known);
  return known;
}

const pathOf = (request: FastifyRequest) => {
  const [whole = ""] = request.url.split("?");
  return whole === "/console" ? "/console/" : whole;
};

/** A character that the database cannot hold is shown as what it is: a character that is none. */
const storable = (text: string) => text.replaceAll("\0", "\u{FFFD}");

/** A parameter that is given twice counts once. */
function onlyTexts(values: unknown): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries((values ?? {}) as Record<string, unknown>).flatMap(([name, value]) => {
      const one = Array.isArray(value) ? value.at(-1) : value;
      return typeof one === "string" ? [[name, storable(one)]] : [];
    }),
  );
}

/** The fields of a form, with all values of one that is given several times. */
const formOf = (body: unknown): Ask["form"] =>
  Object.fromEntries(
    Object.entries((body ?? {}) as Record<string, string | string[]>).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map(storable) : storable(value),
    ]),
  );

/** @throws NotLetIn */
function requireAct(person: Person): void {
  if (!person.mayAct) throw new NotLetIn(`${person.name} may look, not act.`, false);
}

/** Forms of other sites are refused before anything is looked at. */
async function sameOrigin(request: FastifyRequest): Promise<void> {
  const site = request.headers["sec-fetch-site"];
  const origin = request.headers.origin;
  const isOurs =
    (site === undefined || site === "same-origin") &&
    (origin === undefined ||
      URL.parse(origin)?.host === (request.headers["x-forwarded-host"] ?? request.headers.host));
  if (!isOurs) throw new NotLetIn("This form is not of this console.", false);
}

const missing = (sentence: string): Page => ({
  title: "Not there",
  status: 404,
  body: html`<p class="empty">${sentence}</p><p><a href="/console/">To the overview</a></p>`,
});

/** What a person sees of an error: what happened, and what can be done. */
function pageOf(error: unknown, awaySince: string | undefined, mayBeAskedAgain: boolean): Page {
  const page = (status: number, title: string, sentence: string): Page => ({
    ...{ status, title },
    body: html`<p class="problem" role="alert">${sentence}</p>`,
  });
  if (error instanceof NotThere) return missing(error.message);
  if (error instanceof NotLetIn) return page(403, "Not let in", error.message);
  if (error instanceof BadQuestion || error instanceof Overtaken)
    return page(400, "Not understood", inField(error));
  const refusal = asRefusal(error);
  if (refusal) return page(400, "Refused", inField(error));
  const { statusCode } = error as { statusCode?: number };
  if (statusCode === 403 || /csrf/i.test(codeOf(error) ?? ""))
    return page(403, "Not let in", "This form is too old, or not of this console: load its page again.");
  if (codeOf(error) === "42501") return page(403, "Not let in", "Your role of the database may not do this.");
  const setup = asConfigurationError(error);
  const trouble = troubleOf(error);
  if (trouble === "away" || setup) {
    const what = setup
      ? html`${setup.message} It has been so since ${time(awaySince)}.`
      : html`The database does not answer, since ${time(awaySince)}.`;
    return {
      title: setup ? "The database is not ready" : "The database is away",
      status: 503,
      body: mayBeAskedAgain
        ? html`<p class="problem" role="alert" data-away>${what} The service goes on by itself once that is over, and so does this page.</p><p><a href="">Try again</a></p>`
        : html`<p class="problem" role="alert">${what} Nothing was done. Go back to the form and send it again once the database is there.</p>`,
    };
  }
  if (statusCode === 413)
    return page(
      413,
      "Too much",
      `A form holds at most ${mostOfForm / 1024} KB: go back to it, and shorten it.`,
    );
  if (trouble === "of_the_work")
    return page(503, "It took too long", "The answer took longer than a page may: narrow the question.");
  if (trouble === "in_the_way")
    return page(503, "Somebody is in the way", "Somebody else is changing the same: try again.");
  if (statusCode !== undefined && statusCode < 500)
    return page(statusCode, "Not understood", messageOf(error));
  return page(500, "A fault of ours", "The page failed; the log of the service says why.");
}

/** The sentence of a refusal, with the name of what was given, where no form stands that could be kept. */
const inField = (error: unknown): string => {
  const { field } = error as { field?: string };
  return field === undefined || messageOf(error).startsWith(`${field}: `)
    ? messageOf(error)
    : `${field}: ${messageOf(error)}`;
};

const loginPage = (token: string, problem?: string): Page => ({
  title: "Who are you?",
  status: problem === undefined ? 200 : 401,
  body: html`${problem && html`<p class="problem" role="alert">${problem}</p>`}<form class="act" method="post" action="/console/login">${proof(token)}<div><label for="token">Token</label><input id="token" name="token" type="password" required autocomplete="current-password"></div><div><button type="submit">Log in</button></div></form>`,
});

/** The few files that pages need, from our own origin. */
async function staticFiles(): Promise<Map<string, { type: string; text: string }>> {
  const here = path.join(import.meta.dirname, "public");
  const pico = createRequire(import.meta.url).resolve("@picocss/pico/css/pico.min.css");
  const css = "text/css; charset=utf-8";
  const files: [name: string, type: string, file: string][] = [
    ["pico.css", css, pico],
    ["console.css", css, path.join(here, "console.css")],
    ["console.js", "text/javascript; charset=utf-8", path.join(here, "console.js")],
    ["icon.svg", "image/svg+xml", path.join(here, "icon.svg")],
  ];
  return new Map(
    await Promise.all(
      files.map(async ([name, type, file]) => [name, { type, text: await readFile(file, "utf8") }] as const),
    ),
  );
}
