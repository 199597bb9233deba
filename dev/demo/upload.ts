import { setTimeout as sleep } from "node:timers/promises";
import type { SampleArchive } from "../samples/archives.ts";

/** What the gateway in front of the ingress says about the cluster that uploads. */
function identityOf({ org, cluster }: SampleArchive): string {
  const identity = { org_id: String(org), type: "System", system: { cluster_id: cluster } };
  return Buffer.from(JSON.stringify({ identity })).toString("base64");
}

/** Waits until the service answers, however long that takes; rejects when the signal is aborted. */
export async function serviceAnswers(base: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = await fetch(`${base}/livez`, { signal }).catch(() => undefined);
    if (answer) return void (await answer.arrayBuffer());
    await sleep(50, undefined, { signal });
  }
}

/** Uploads an archive as the Insights Operator does; returns the request id that it is known by from then on. */
export async function upload(base: string, archive: SampleArchive, signal: AbortSignal): Promise<string> {
  const form = new FormData();
  const type = "application/vnd.redhat.openshift.periodic";
  form.append("file", new Blob([new Uint8Array(archive.bytes)], { type }), "payload.tar.gz");
  const metadata = JSON.stringify({ custom_metadata: { gathering_time: new Date().toISOString() } });
  form.append("metadata", new Blob([metadata], { type: "application/octet-stream" }), "metadata.json");
  const answer = await fetch(`${base}/api/ingress/v1/upload`, {
    method: "POST",
    headers: {
      "x-rh-identity": identityOf(archive),
      "user-agent": `insights-operator/demo cluster/${archive.cluster}`,
    },
    body: form,
    signal,
  });
  const text = await answer.text();
  if (answer.status !== 202) throw new Error(`an upload was answered with ${answer.status}: ${text}`);
  return (JSON.parse(text) as { request_id: string }).request_id;
}
