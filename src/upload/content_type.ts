/** Whom an archive is for, and what kind it is for them. */
export type Destination = { service: string; category: string };

/** Clients that are older than the names of services. */
const advisorTypes = new Set([
  "application/gzip",
  "application/x-gzip; charset=binary",
  "application/gzip; charset=binary",
]);

const vendorType = /application\/vnd\.redhat\.([a-z0-9-]+)\.([a-z0-9-]+)/;

/** By the content type of the part; undefined where it names no service. */
export function destinationOf(contentType: string): Destination | undefined {
  if (advisorTypes.has(contentType)) return { service: "advisor", category: "upload" };
  const [, service, category] = vendorType.exec(contentType) ?? [];
  return service && category ? { service, category } : undefined;
}
