import { createHash, timingSafeEqual } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import type { FastifyRequest } from "fastify";
import ipaddr from "ipaddr.js";
import { z } from "zod";
import type { Asker } from "../db/as_person.ts";
import { ConfigurationError, messageOf } from "../errors.ts";

/** Who looks, and what he may. */
export type Person = Asker & { mayAct: boolean; cameBy: "loopback" | "token" | "proxy" };

/** Where people come from; docs/guides/console.md. */
export type WhoMay = {
  /** a file of people: hash of a token (or -), name, role, organization */
  tokensFile: string | undefined;
  /** addresses and networks of proxies whose identity header is believed */
  trustedProxies: readonly string[];
  identityHeader: string;
};

export const tokenCookie = "ccx_console";

const roles = { reader: "ccx_console", operator: "ccx_operator" } as const;
type RoleName = keyof typeof roles;

type Entry = {
  hash: string | undefined;
  name: string;
  role: RoleName;
  organization: string | undefined;
};

/** Why somebody is not let in. */
export class NotLetIn extends Error {
  /** a token would help */
  readonly mayLogIn: boolean;
  constructor(message: string, mayLogIn: boolean) {
    super(message);
    this.mayLogIn = mayLogIn;
  }
}

const person = (
  name: string,
  role: RoleName,
  organization: string | undefined,
  cameBy: Person["cameBy"],
): Person => {
  // row-level security narrows the role that reads, not the one that acts
  const mayAct = role === "operator" && organization === undefined;
  return { name, role: roles[mayAct ? "operator" : "reader"], mayAct, organization, cameBy };
};

/**
 * The people of a file, one a line: `HASH NAME reader|operator [ORGANIZATION]`. A dash in place of the hash
 * is for who comes through a proxy; the name * is everybody who does.
 * @throws ConfigurationError that names the first line which is none; it says nothing of the hash
 */
function parsePeople(text: string): Entry[] {
  return text.split(/\r?\n/).flatMap((line, nth) => {
    const words = line.replace(/#.*$/, "").trim().split(/\s+/);
    if (words[0] === "") return [];
    const [hash = "", name = "", role = "", organization, ...more] = words;
    const isFine =
      /^(?:-|[0-9a-f]{64})$/i.test(hash) &&
      name !== "" &&
      role in roles &&
      (organization === undefined || /^\d{1,18}$/.test(organization)) &&
      more.length === 0;
    if (!isFine)
      throw new ConfigurationError(
        `Line ${nth + 1} of CCX_CONSOLE_TOKENS_FILE has to be: SHA-256 of a token in hex (or -), name, ` +
          "reader or operator, and an organization where only that may be seen.",
      );
    return [
      { hash: hash === "-" ? undefined : hash.toLowerCase(), name, role: role as RoleName, organization },
    ];
  });
}

const identity = z.object({
  identity: z.looseObject({
    type: z.string().optional(),
    org_id: z
      .string()
      .regex(/^\d{1,18}$/)
      .optional(),
    internal: z
      .looseObject({
        org_id: z
          .string()
          .regex(/^\d{1,18}$/)
          .optional(),
      })
      .optional(),
    user: z.looseObject({ username: z.string().min(1).optional() }).optional(),
    associate: z.looseObject({ email: z.string().min(1).optional() }).optional(),
    service_account: z.looseObject({ username: z.string().min(1).optional() }).optional(),
  }),
});

/** Who it is by the header of a proxy: x-rh-identity is JSON in base64, any other holds the name. */
function identified(header: string, value: string): { name: string; organization: string | undefined } {
  if (header !== "x-rh-identity") {
    if (value.trim() === "") throw new NotLetIn("The proxy names nobody.", false);
    return { name: value.trim().slice(0, 200), organization: undefined };
  }
  try {
    const { identity: it } = identity.parse(JSON.parse(Buffer.from(value, "base64").toString("utf8")));
    const name = it.associate?.email ?? it.user?.username ?? it.service_account?.username;
    const isAssociate = it.type?.toLowerCase() === "associate";
    const organization = it.org_id ?? it.internal?.org_id;
    if (!name || (!isAssociate && organization === undefined)) throw new Error("no name, or no organization");
    return { name: name.slice(0, 200), organization: isAssociate ? undefined : organization };
  } catch (error) {
    throw new NotLetIn(`The header x-rh-identity cannot be read: ${messageOf(error).slice(0, 200)}`, false);
  }
}

const isLoopback = (address: string) => {
  const parsed = ipaddr.process(address);
  return parsed.range() === "loopback";
};

/**
 * A page of another site that has its name lead to this machine would be let in as somebody who sits here.
 */
const isNameOfThisMachine = (host: string) =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/i.test(host);

export const hashOf = (token: string): string => createHash("sha256").update(token).digest("hex");

export class Door {
  readonly #who: WhoMay;
  readonly #networks: [ipaddr.IPv4 | ipaddr.IPv6, number][];
  #people: { entries: Entry[]; changedMs: number } | undefined;

  constructor(who: WhoMay) {
    this.#who = who;
    this.#networks = who.trustedProxies.map((text) => {
      const whole = text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`;
      if (!ipaddr.isValidCIDR(whole))
        throw new ConfigurationError(`CCX_CONSOLE_TRUSTED_PROXIES: "${text}" is no address and no network.`);
      return ipaddr.parseCIDR(whole);
    });
  }

  /** True where nothing is configured: only who sits at this machine is let in. */
  get isForThisMachineOnly(): boolean {
    return this.#who.tokensFile === undefined && this.#networks.length === 0;
  }

  /** The person who asks. @throws NotLetIn */
  async personOf(request: FastifyRequest, cookie: string | undefined): Promise<Person> {
    const address = request.socket.remoteAddress ?? "";
    if (this.isForThisMachineOnly) return onThisMachine(request, address);
    const people = await this.#read();
    if (ipaddr.isValid(address) && this.#isTrusted(address)) {
      const header = request.headers[this.#who.identityHeader];
      if (typeof header === "string" && header !== "") {
        const { name, organization } = identified(this.#who.identityHeader, header);
        const come = people.filter(({ hash }) => hash === undefined);
        const entry = come.find((one) => one.name === name) ?? come.find((one) => one.name === "*");
        if (!entry && this.#who.tokensFile !== undefined)
          throw new NotLetIn(`${name} is not among the people of the console.`, false);
        return person(name, entry?.role ?? "reader", entry?.organization ?? organization, "proxy");
      }
    }
    const [, bearer] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    const token = bearer ?? cookie;
    if (token === undefined) throw new NotLetIn("The console wants to know who you are.", true);
    return await this.personWith(token);
  }

  /** The person whose token this is. @throws NotLetIn */
  async personWith(token: string): Promise<Person> {
    const hash = Buffer.from(hashOf(token));
    let found: Entry | undefined;
    for (const entry of await this.#read())
      if (entry.hash !== undefined && timingSafeEqual(Buffer.from(entry.hash), hash)) found ??= entry;
    if (!found) throw new NotLetIn("Nobody has this token (any more).", true);
    return person(found.name, found.role, found.organization, "token");
  }

  #isTrusted(address: string): boolean {
    const parsed = ipaddr.process(address);
    return this.#networks.some(
      ([network, bits]) => network.kind() === parsed.kind() && parsed.match([network, bits] as never),
    );
  }

  /** Read again when it changed, so that who is taken out of it is out at once. */
  async #read(): Promise<Entry[]> {
    const { tokensFile } = this.#who;
    if (tokensFile === undefined) return [];
    const { mtimeMs } = await stat(tokensFile);
    if (this.#people?.changedMs !== mtimeMs)
      this.#people = { entries: parsePeople(await readFile(tokensFile, "utf8")), changedMs: mtimeMs };
    return this.#people.entries;
  }
}

function onThisMachine(request: FastifyRequest, address: string): Person {
  const isHere =
    ipaddr.isValid(address) &&
    isLoopback(address) &&
    isNameOfThisMachine(request.headers.host ?? "") &&
    request.headers["x-forwarded-for"] === undefined &&
    request.headers.forwarded === undefined;
  if (!isHere)
    throw new NotLetIn(
      "Nobody has said who may use this console, so it answers on this machine only: open it as " +
        "localhost, or " +
        "set CCX_CONSOLE_TOKENS_FILE or CCX_CONSOLE_TRUSTED_PROXIES (docs/guides/console.md).",
      false,
    );
  return person("local", "operator", undefined, "loopback");
}
