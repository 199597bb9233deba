import { randomBytes } from "node:crypto";

/** Ids that fit everywhere: in a path, a URL, the name of a file, and the paths of the results API. */
const fitting = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,128}$/;

/**
 * The id that the client, or the gateway before us, gave; one of ours where there is none, or none that fits.
 */
export function requestIdOf(given: string | string[] | undefined): string {
  return typeof given === "string" && fitting.test(given) ? given : newRequestId();
}

/** 32 hexadecimal digits, as the gateway makes them. */
export const newRequestId = (): string => randomBytes(16).toString("hex");
