// What the pages have beyond links and forms: they follow what happens, show the reader's own time, and let a
// click on the axis choose a moment. Without this script everything else works.

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

function ownTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]"))
    time.title = `${new Date(time.dateTime).toLocaleString()} (${zone})`;
}

/** Takes the parts that follow from a new answer; what a person is about to do stays as it is. */
let isAsking = false;
let isStale = false;
async function renew() {
  isStale = true;
  if (isAsking || document.hidden) return;
  isAsking = true;
  try {
    while (isStale) {
      isStale = false;
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store" });
      if (!answer.ok) break;
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
  const connect = () => {
    events = new EventSource("/console/live");
    let isLost = false;
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

function axis() {
  const drawing = document.querySelector("svg.life[data-from]");
  drawing?.addEventListener("click", (event) => {
    const box = drawing.getBoundingClientRect();
    const { left, width, from, to } = drawing.dataset;
    const scale = box.width / Number(drawing.viewBox.baseVal.width);
    const share = (event.clientX - box.left - Number(left) * scale) / (Number(width) * scale);
    if (share < 0 || share > 1) return;
    const at = new Date(Date.parse(from) + share * (Date.parse(to) - Date.parse(from)));
    const url = new URL(location.href);
    url.searchParams.set("at", at.toISOString());
    dispatchEvent(new Event("ccx-asks"));
    location.href = url.href;
  });
}

/** An answer that takes longer than a second shows that it is on its way, with a button that gives it up. */
function progress() {
  let wait;
  let shown;
  const done = () => {
    clearTimeout(wait);
    shown?.remove();
    shown = undefined;
  };
  const show = () => {
    shown = document.createElement("div");
    shown.className = "waiting";
    shown.setAttribute("role", "status");
    const bar = document.createElement("progress");
    bar.setAttribute("aria-label", "The answer is on its way");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Cancel";
    button.addEventListener("click", () => {
      // the connection ends with the navigation, and the service cancels the query in the database
      window.stop();
      done();
    });
    shown.append("The answer takes longer than a second. ", bar, button);
    document.body.append(shown);
  };
  // a download and a link to a place of this page leave nothing to wait for
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href]");
    const isPlain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button);
    if (!link || !isPlain || event.defaultPrevented || link.hasAttribute("download") || link.hash) return;
    begin();
  });
  const begin = () => {
    done();
    wait = setTimeout(show, 1000);
  };
  addEventListener("submit", begin);
  addEventListener("ccx-asks", begin);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && shown) {
      window.stop();
      done();
    }
  });
  for (const button of document.querySelectorAll("[data-all]"))
    button.addEventListener("click", () => {
      for (const box of document.querySelectorAll(`input[name="${button.dataset.all}"]`)) box.checked = true;
    });
  addEventListener("pageshow", done);
}

ownTimes(document);
follow();
axis();
progress();
