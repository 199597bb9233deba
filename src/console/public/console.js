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
    location.href = url.href;
  });
}

function progress() {
  for (const form of document.querySelectorAll("form"))
    form.addEventListener("submit", (event) => {
      const button = event.submitter;
      if (button) setTimeout(() => button.setAttribute("data-busy", ""), 1000);
    });
  for (const button of document.querySelectorAll("[data-all]"))
    button.addEventListener("click", () => {
      for (const box of document.querySelectorAll(`input[name="${button.dataset.all}"]`)) box.checked = true;
    });
  addEventListener("pageshow", () => {
    for (const button of document.querySelectorAll("[data-busy]")) button.removeAttribute("data-busy");
  });
}

ownTimes(document);
follow();
axis();
progress();
