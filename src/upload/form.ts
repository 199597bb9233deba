import type { IncomingMessage } from "node:http";
import type { Readable } from "node:stream";
import { MIMEType } from "node:util";
import { Dicer } from "@fastify/busboy";

/** A part of a form. Its body has to be read, or let go with `resume`. */
export type Part = {
  name: string;
  /** undefined: a plain value */
  filename: string | undefined;
  /** as it was given; empty: not at all */
  contentType: string;
  body: Readable;
};

/** The form is none, or was cut. */
export class BrokenForm extends Error {
  override name = "BrokenForm";
}

/** Nothing more of the form is to be read: what is behind it gets its answer now. */
export class EnoughOfIt extends Error {
  override name = "EnoughOfIt";
}

/**
 * More parts than any client sends, named or not: a form of millions of them would keep us busy for minutes.
 */
const mostParts = 100;
/** RFC 2046 permits 70; the parser none beyond 252. */
const mostBoundaryBytes = 200;
const limits = { maxHeaderPairs: 50, maxHeaderSize: 16 * 1024 };

/**
 * Reads a form as it comes in: a part is handed on with its beginning, and nothing is read that nobody takes.
 * When `take` rejects, the rest of the form is read and thrown away first, unless that is EnoughOfIt.
 * Resolves when the form has ended and all of it is taken.
 *
 * The parts come from the parser below busboy, which hands out their headers as they are: which service an
 * archive is for depends on the parameters of its content type.
 *
 * @throws BrokenForm, or what `take` rejected with
 */
export async function readForm(request: IncomingMessage, take: (part: Part) => Promise<void>): Promise<void> {
  const boundary = boundaryOf(request.headers["content-type"]);
  if (boundary === undefined) throw new BrokenForm("the request is no form");
  const parser = new Dicer({ boundary, ...limits });
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => undefined); // heard of below
  const open = new Set<Readable>();
  const taken: Promise<void>[] = [];
  let count = 0;
  parser.on("part", (part) => {
    const body = part as unknown as Readable;
    body.on("error", () => undefined); // whoever reads it hears of it
    open.add(body);
    body.once("close", () => open.delete(body));
    if (++count > mostParts) {
      body.resume();
      ended.reject(new BrokenForm(`the form has more than ${mostParts} parts`));
      return;
    }
    part.on("header", (header) => {
      const found = partOf(header as Record<string, string[]>, body);
      if (found === undefined) body.resume();
      else {
        const taking = take(found).catch((error) => {
          body.resume();
          if (error instanceof EnoughOfIt) ended.reject(error);
          throw error;
        });
        taking.catch(() => undefined); // heard of when the form has ended
        taken.push(taking);
      }
    });
  });
  parser.once("finish", () => ended.resolve());
  parser.once("error", (cause) => ended.reject(new BrokenForm("the form is cut", { cause })));
  request.once("close", () => {
    if (!request.readableEnded) ended.reject(new BrokenForm("the client went away"));
  });
  request.once("error", (cause) => ended.reject(new BrokenForm("the client went away", { cause })));
  request.pipe(parser);
  try {
    await ended.promise;
  } catch (error) {
    request.unpipe(parser);
    for (const body of open) body.destroy(error as Error);
    await Promise.allSettled(taken);
    throw error;
  }
  for (const result of await Promise.allSettled(taken)) if (result.status === "rejected") throw result.reason;
}

/** Of a content type that is a form's. */
function boundaryOf(contentType: string | undefined): string | undefined {
  const type = mimeType(contentType ?? "");
  const boundary = type?.essence === "multipart/form-data" ? type.params.get("boundary") : undefined;
  return boundary && Buffer.byteLength(boundary) <= mostBoundaryBytes ? boundary : undefined;
}

function partOf(header: Record<string, string[]>, body: Readable): Part | undefined {
  // written as the parameters of a content type are; undecoded, since a file may have any name
  const disposition = mimeType(`x/${header["content-disposition"]?.[0] ?? ""}`);
  const name = disposition?.params.get("name");
  if (disposition?.subtype !== "form-data" || typeof name !== "string") return undefined;
  return {
    name,
    filename: disposition.params.get("filename") || undefined,
    contentType: decoded(header["content-type"]?.[0]).trim(),
    body,
  };
}

/** The parser hands bytes out as characters. */
const decoded = (header: string | undefined): string => Buffer.from(header ?? "", "latin1").toString();

function mimeType(text: string): MIMEType | undefined {
  try {
    return new MIMEType(text);
  } catch {
    return undefined;
  }
}

/** The text of a body; undefined when it is longer than so many bytes, all of it read in any case. */
export async function textOf(
  body: AsyncIterable<Uint8Array>,
  mostBytes: number,
): Promise<string | undefined> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of body) {
    bytes += piece.byteLength;
    if (bytes <= mostBytes) pieces.push(piece);
    else pieces.length = 0;
  }
  return bytes <= mostBytes ? Buffer.concat(pieces).toString() : undefined;
}
