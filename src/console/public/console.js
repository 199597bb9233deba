// What the pages have beyond links and forms: they follow what happens, show the reader's own time, let a
// click on the axis choose a moment, and offer to cancel what takes long. Without this script everything else
// works.

/** How often a page asks for what it could not read. */
const askEveryMs = 2000;
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function ownTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]"))
    time.title = `${new Date(time.dateTime).toLocaleString()} (${zone})`;
}

/** Takes the parts that follow from a new answer; what a person is about to do stays as it is. */
let isAsking = false;
let isStale = false;
let saysUnread = () => {};
async function renew() {
  isStale = true;
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    while (isStale) {
      isStale = false;
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      saysUnread(!answer.ok);
      if (!answer.ok) {
        isStale = true;
        setTimeout(renew, askEveryMs);
        break;
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const fresh = page.getElementById(part.id);
        const isUsed =
          part.contains(document.activeElement) || part.querySelector("input:checked, details[open]");
        if (!fresh || isUsed || fresh.innerHTML === part.innerHTML) continue;
        part.replaceChildren(...fresh.childNodes);
        ownTimes(part);
      }
    }
  } catch {
    // the live connection says that the service is away
  } finally {
    isAsking = false;
  }
}

function follow() {
  const said = document.getElementById("live");
  if (!said || !document.querySelector("[data-live]")) return;
  const show = (text, isLost) => {
    said.textContent = text;
    said.classList.toggle("lost", isLost);
  };
  let events;
  let wait;
  let isLost = false;
  // the service is there, and what stands on the page is old all the same
  const unread = "✖ the page could not be read again";
  saysUnread = (isSo) => {
    if (isSo && !said.classList.contains("lost")) show(unread, true);
    if (!isSo && said.textContent === unread) show("● live", false);
  };
  const connect = () => {
    events = new EventSource("/console/live");
    events.addEventListener("open", () => {
      show("● live", false);
      if (isLost) renew();
      isLost = false;
    });
    events.addEventListener("changed", () => {
      clearTimeout(wait);
      wait = setTimeout(renew, 300);
    });
    events.addEventListener("trouble", () => show("✖ the database is away", true));
    events.addEventListener("healed", () => {
      show("● live", false);
      renew();
    });
    events.addEventListener("error", () => {
      isLost = true;
      show("✖ not live, connecting again", true);
      // after an answer that is no stream the browser does not try again by itself
      if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    });
  };
  connect();
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && isStale) renew();
  });
  addEventListener("pagehide", () => events.close());
}

/** A click on the axis asks about that moment; also on one that was drawn anew since. */
function axis(leaving) {
  document.addEventListener("click", (event) => {
    const drawing = event.target.closest(".life[data-from]");
    if (!drawing) return;
    const { left, width } = drawing.querySelector(".marks").getBoundingClientRect();
    const { from, to } = drawing.dataset;
    const share = (event.clientX - left) / width;
    if (share < 0 || share > 1) return;
    const at = new Date(Date.parse(from) + share * (Date.parse(to) - Date.parse(from)));
    const url = new URL(location.href);
    url.searchParams.set("at", at.toISOString());
    leaving();
    location.href = url.href;
  });
}

/**
 * Says when an answer is not there after a second, and offers to give it up. The browser goes on running
 * this page until the answer begins, and stop() closes the connection, at which the service cancels the
 * question in the database, too. Returns what a script calls before it goes to another page.
 */
function wait() {
  const patienceMs = 1000;
  let timer;
  const bar = document.createElement("div");
  bar.id = "wait";
  bar.setAttribute("role", "status");
  const end = () => {
    clearInterval(timer);
    bar.remove();
  };
  const cancel = (isAct) => {
    stop();
    end();
    bar.textContent = isAct ? "Cancelled. What was done before that stands in Acts." : "Cancelled.";
    document.body.append(bar);
    timer = setTimeout(end, 10_000);
  };
  // takes: how many seconds it is expected to take, as the page said; undefined: that is not known
  const begin = (isAct, takes) => {
    end();
    const beganAt = performance.now();
    const elapsed = document.createElement("span");
    const progress = document.createElement("progress");
    if (takes) progress.max = takes;
    timer = setInterval(() => {
      const seconds = Math.round((performance.now() - beganAt) / 1000);
      elapsed.textContent = takes ? ` ${seconds} s of about ${takes} s ` : ` ${seconds} s `;
      if (takes && seconds < takes) progress.value = seconds;
      else progress.removeAttribute("value");
      if (bar.isConnected) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "small";
      button.textContent = "Cancel";
      button.addEventListener("click", () => cancel(isAct));
      elapsed.setAttribute("aria-hidden", "true");
      progress.setAttribute("aria-label", "Waiting for the answer");
      bar.replaceChildren("The answer takes a while", elapsed, button, progress);
      bar.dataset.waits = isAct ? "act" : "page";
      document.body.append(bar);
    }, patienceMs);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href]");
    if (!link || event.defaultPrevented || event.button !== 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const isHere = link.hash !== "" && link.href.split("#")[0] === location.href.split("#")[0];
    if (link.origin === location.origin && !isHere && !link.target && !link.hasAttribute("download"))
      begin(false);
  });
  document.addEventListener("submit", (event) => {
    if (!event.defaultPrevented)
      begin(event.target.method === "post", Number(event.submitter?.dataset.takes) || undefined);
  });
  // the key that stops a page in a browser
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && bar.querySelector("progress")) cancel(bar.dataset.waits === "act");
  });
  for (const shown of ["pagehide", "pageshow"]) addEventListener(shown, end);
  return () => begin(false);
}

/** A page that could not be made, since the database was away, asks until it can. */
function heal() {
  if (!document.querySelector("[data-away]")) return;
  setInterval(async () => {
    const answer = await fetch(location.href, { cache: "no-store" }).catch(() => undefined);
    if (answer && answer.status !== 503) location.reload();
  }, askEveryMs);
}

/** The buttons that tick all boxes of a table. */
function tickAll() {
  for (const button of document.querySelectorAll("[data-all]"))
    button.addEventListener("click", () => {
      for (const box of document.querySelectorAll(`input[name="${button.dataset.all}"]`)) box.checked = true;
    });
}

/** What was edited after it was tried cannot be applied: the trial says nothing of it. */
function guardTrial() {
  const form = document.querySelector("form[data-tried]");
  if (!form) return;
  const said = document.getElementById("untried");
  const isEdited = (field) => {
    if (!/^(?:set_\w+|target|org|rule)$/.test(field.name)) return false;
    if (!field.options) return field.value !== field.defaultValue;
    const sent = [...field.options].findIndex((option) => option.defaultSelected);
    return field.selectedIndex !== Math.max(0, sent);
  };
  const look = () => {
    const isUntried = [...form.elements].some(isEdited);
    form.querySelector('button[value="apply"]').disabled = isUntried;
    const text = isUntried ? "the form was changed since. Try it again, or put it back." : "";
    if (said.textContent !== text) said.textContent = text;
  };
  for (const what of ["input", "change"]) form.addEventListener(what, look);
  // a browser that comes back to the page fills in what was typed
  addEventListener("pageshow", look);
  look();
}

ownTimes(document);
guardTrial();
follow();
axis(wait());
tickAll();
heal();
