import { isUtf8 } from "node:buffer";
import type { Db } from "../../db/rows.ts";
import { type Ask, type Handler, NotThere, oneOf, Redirect } from "../ask.ts";
import { faultAt, plainOf } from "../fault.ts";
import { shown, time } from "../format.ts";
import { type Html, html } from "../html.ts";
import { proof, tabs } from "../layout.ts";
import { listOn } from "../list_page.ts";
import { clusterLink, looks } from "../looks.ts";
import * as sql from "../sql.ts";
import { viewOf } from "./lists.ts";

/** Stores what conforms by now; returns how many messages were stored, and how many are rejected again. */
export type Retry = (db: Db, id: string) => Promise<{ stored: number; rejected: number; others: number }>;

const views = { messages: "Messages", hours: "By hour and reason" };

export const rejectedPage: Handler = async (ask) => {
  const view = viewOf(ask, views);
  const { body, status } = await listOn(ask, view === "messages" ? looks.rejected : looks.rejected_hours, {
    own: { view },
  });
  return { title: "Rejected messages", status, body: html`${tabs(ask.path, view, views)}${body}` };
};

const mostShown = 40_000;

/** One message, decoded, with the place of the fault. */
export const rejectedMessagePage: Handler = async (ask) => {
  const { id = "" } = ask.params;
  const message = await messageOf(ask, id);
  return {
    title: `Rejected message ${id}`,
    body: html`<dl class="facts"><dt>From</dt><dd>${shown(message.topic)}, partition ${String(message.partition)}, offset ${String(message.kafka_offset)}; arrived ${time(message.received_at)}</dd>
<dt>Reason</dt><dd><strong>${shown(message.reason)}</strong>: ${shown(message.detail)}</dd>
<dt>Organization</dt><dd>${shown(message.org_id)}</dd>
<dt>Cluster</dt><dd>${clusterLink(message.cluster)}</dd>
<dt>State</dt><dd>${message.stored_at ? html`stored by a retry at ${time(message.stored_at)}` : html`waiting${Number(message.attempts) > 0 && `; tried again in vain ${message.attempts === 1 ? "once" : `${message.attempts} times`}`}`}</dd></dl>
${
  ask.person.mayAct &&
  !message.stored_at &&
  html`<form class="act" method="post" action="/console/rejected/${id}">${proof(ask.csrf)}<div class="wide"><button name="do" value="retry">Try it again, as if it had just arrived</button></div></form>`
}
<h2>What it says</h2>${bodyOf(message.value, message.detail)}`,
  };
};

async function messageOf(ask: Ask, id: string) {
  const message = /^\d{1,18}$/.test(id) ? await ask.read((db) => sql.rejectedMessage(db, id)) : undefined;
  if (!message) throw new NotThere(`There is no rejected message ${id}, or your role does not see it.`);
  return message;
}

function bodyOf(stored: Buffer | null, detail: string): Html {
  if (stored === null) return html`<p class="empty">No value: it is a tombstone.</p>`;
  const value = plainOf(stored);
  const place = isUtf8(value) ? faultAt(value, detail) : undefined;
  const at = place === undefined ? undefined : Math.min(place, value.length);
  const from = at === undefined ? 0 : Math.max(0, at - mostShown / 2);
  const shownBytes = value.subarray(from, from + mostShown);
  const more =
    value.length > shownBytes.length &&
    html`<p>${String(value.length)} bytes; these are the ${String(shownBytes.length)} from byte ${String(from)} on.</p>`;
  if (!isUtf8(value))
    return html`<p>${String(value.length)} bytes, not text:</p><pre tabindex="0">${dump(value.subarray(0, 2048))}</pre>`;
  if (at === undefined) return html`<pre tabindex="0">${shownBytes.toString("utf8")}</pre>${more}`;
  const here = at - from;
  const before = shownBytes.subarray(0, here).toString("utf8");
  const [fault = ""] = shownBytes.subarray(here).toString("utf8");
  const after = shownBytes.subarray(here + Buffer.byteLength(fault)).toString("utf8");
  return html`<p>The fault is at byte ${String(place)}: <a href="#fault">go there</a>.</p><pre tabindex="0">${before}<mark class="fault" id="fault">${fault === "" ? "[end]" : fault}</mark>${after}</pre>${more}`;
}

/** Sixteen bytes a line: where they are, in hex, and what of them is ASCII. */
function dump(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const part = bytes.subarray(at, at + 16);
    const hex = part.toString("hex").replaceAll(/..(?=.)/g, "$& ");
    const text = part.toString("latin1").replaceAll(/[^ -~]/g, ".");
    lines.push(`${at.toString(16).padStart(8, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

/** Retries one message. */
export const rejectedAct =
  (retry: Retry): Handler =>
  async (ask) => {
    const { id = "" } = ask.params;
    oneOf(ask, ["retry"]);
    await messageOf(ask, id);
    const { stored, rejected } = await ask.act("retry rejected", { id }, (db) => retry(db, id));
    if (stored > 0) return new Redirect(`/console/rejected/${id}?done=retried`);
    return {
      title: `Rejected message ${id}`,
      status: 409,
      body: html`<p class="problem" role="alert">${
        rejected > 0
          ? "It is rejected again, for the same reason or another one."
          : "Somebody else has stored it, or it changes nothing."
      }</p><p><a href="/console/rejected/${id}">Back to the message</a></p>`,
    };
  };
