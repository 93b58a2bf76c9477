// The page: messages come from the connection, go into the audits, and are shown by the list, the opened audit and the figures.
import { Audits, Filter } from "./audits.js";
import { Connection } from "./connection.js";
import { byID, copyButton, make, number, plural, time } from "./dom.js";
import { Feed } from "./feed.js";
import { Figures } from "./figures.js";
import { Opened } from "./opened.js";

// What a pause holds back; beyond it the oldest go, as they would from the list.
const mostHeld = 10_000;
const mostHeldBytes = 64 << 20;

const audits = new Audits();
const filter = new Filter();
const figures = new Figures();
const feed = new Feed({ open });
const opened = new Opened({ close: () => open(null) });
const connection = new Connection({ message: receive, state: connectionChanged });

let isLoaded = false;
/// Null, or what waits for the end of the pause.
let held = null;
let isDue = false;
let figuresAreDue = 0;

// Messages

function receive(message, size) {
  switch (message.type) {
    case "health_update":
      // It comes behind all that is kept: from here on the list is whole.
      if (!isLoaded) { isLoaded = true; changed(); }
      return figures.health(message.payload);
    case "stats_update": return figures.stats(message.payload);
    case "history_lost": return historyLost();
    default:
      if (!held) return take(message, size);
      if (typeof message.payload?.audit_id !== "string") return;
      held.messages.push([message, size]);
      held.bytes += size;
      if (held.messages.length > mostHeld || held.bytes > mostHeldBytes) {
        for (const [, size] of held.messages.splice(0, Math.ceil(held.messages.length / 20))) held.bytes -= size;
      }
      changed();
  }
}

function take(message, size) {
  if (audits.take(message, size)) changed();
}

/// Whatever came, the screen is made anew once per frame, the figures twice a second.
function changed() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => { isDue = false; render(); });
}

function render() {
  const shown = filter.shown(audits);
  feed.show(shown);
  byID("count").textContent = filter.isOn ? `${number(shown.length)} of ${number(audits.all.length)}` : plural(shown.length, "audit");
  byID("clear").hidden = !filter.isOn;
  showNothing(shown);
  showOpened();
  showPause();
  figuresAreDue ||= setTimeout(() => {
    figuresAreDue = 0;
    figures.show(filter.shown(audits));
    fillChoices();
  }, audits.all.length > 500 ? 500 : 60);
}

// The state of the connection

const notices = byID("notices");
let countdown = 0;
let lostSince = 0;

function connectionChanged(kind, detail) {
  const place = byID("connection");
  place.dataset.state = kind;
  clearInterval(countdown);
  notices.querySelector(".connection")?.remove();
  switch (kind) {
    case "live":
      place.textContent = "Live";
      lostSince = 0;
      byID("access").close();
      break;
    case "connecting": place.textContent = "Connecting"; break;
    case "refused":
      place.textContent = "Not allowed";
      askForToken(detail);
      break;
    case "waiting": {
      place.textContent = "Not connected";
      lostSince ||= Date.now();
      const rest = make("span");
      const show = () => { rest.textContent = ` Trying again in ${Math.max(1, Math.ceil((detail - Date.now()) / 1000))} s.`; };
      show();
      countdown = setInterval(show, 500);
      notices.append(make("p", { class: "notice connection" }, make("span", {}, `Not connected since ${time(lostSince)}. What is shown may be old.`), rest,
        make("button", { type: "button", onclick: () => connection.retry() }, "Try now")));
    }
  }
  changed();
}

function historyLost() {
  const last = audits.all.findLast(audit => audit.state !== "running");
  const text = `Some audits${last ? ` after ${time(last.time)}` : ""} are not shown: they had left the memory of recent events before this page was back.`;
  const notice = make("p", { class: "notice history" }, text, make("button", { type: "button", onclick: () => notice.remove() }, "Dismiss"));
  notices.querySelector(".history")?.remove();
  notices.append(notice);
  audits.loseRunning();
  changed();
}

function askForToken(why) {
  byID("access-why").textContent = why;
  const dialog = byID("access");
  if (!dialog.open) dialog.showModal();
  byID("token").focus();
}

byID("access").querySelector("form").addEventListener("submit", async event => {
  event.preventDefault();
  const refusal = await connection.present(byID("token").value);
  if (refusal) askForToken(refusal);
  else {
    byID("token").value = "";
    connection.open();
  }
});
// Without a token there is nothing to see behind it.
byID("access").addEventListener("cancel", event => event.preventDefault());

// What stands where there are no rows

function showNothing(shown) {
  const place = byID("nothing");
  place.hidden = shown.length > 0;
  const state = shown.length > 0 ? "" : filter.isOn && audits.all.length > 0 ? "filtered" : isLoaded || audits.all.length > 0 ? "empty" : "loading";
  if (place.dataset.state === state) return;
  place.dataset.state = state;
  switch (state) {
    case "loading": return place.replaceChildren(make("p", {}, "Loading recent audits…"));
    case "filtered":
      return place.replaceChildren(make("p", {}, "No audit matches."), make("button", { type: "button", onclick: clearFilters }, "Show all"));
    case "empty": {
      const request = firstRequest();
      return place.replaceChildren(
        make("h2", {}, "No audits yet"), make("p", {}, "Send a request through the proxy, and its audit appears here a moment later:"),
        make("pre", { tabindex: "0" }, request), copyButton("Copy request", () => request),
        make("p", { class: "muted" }, "8080 is the proxy's port unless TRUTHTABLE_PORT says otherwise."));
    }
  }
}

/// What makes the first audit, by the proxy's usual port: this process is not told of another one.
function firstRequest() {
  const host = location.hostname || "localhost";
  return `curl http://${host}:8080/v1/chat/completions \\
  -H "Authorization: Bearer $OPENAI_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model":"gpt-4o-mini","messages":[
    {"role":"system","content":"Answer from this document.\\n<document>The bridge is 148 metres long.</document>"},
    {"role":"user","content":"How long is the bridge?"}]}'`;
}

// The opened audit: its id is in the address, so that the browser's back button closes it and it can be named to others.

function open(audit) {
  if (audit) location.hash = audit.id;
  else if (location.hash) {
    history.pushState(null, "", location.pathname);
    showOpened();
    feed.focus();
  }
}

function showOpened() {
  const audit = audits.get(location.hash.slice(1)) ?? null;
  opened.show(audit);
  feed.opened(audit);
}

addEventListener("hashchange", () => {
  showOpened();
  if (location.hash && matchMedia("(max-width: 900px)").matches) opened.focus();
});

// Filters

const gradeFilter = byID("grade-filter");
for (const grade of ["A", "B", "C", "D", "F", "N/A"]) {
  gradeFilter.append(make("button", {
    type: "button", class: `chip grade-${grade.replace("/", "")}`, "aria-pressed": "false", "aria-label": `Grade ${grade}`,
    onclick({ currentTarget: button }) {
      const isOn = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", isOn);
      filter.grades[isOn ? "add" : "delete"](grade);
      filterChanged();
    },
  }, grade));
}

const filters = byID("filters");
filters.addEventListener("change", ({ target }) => {
  filter.fields[target.name] = target.value;
  filterChanged();
});
filters.addEventListener("submit", event => event.preventDefault());
filters.addEventListener("reset", event => {
  event.preventDefault();
  clearFilters();
});

function filterChanged() {
  filter.changed();
  changed();
}

function clearFilters() {
  filter.grades.clear();
  for (const button of gradeFilter.querySelectorAll("button")) button.setAttribute("aria-pressed", "false");
  for (const select of filters.querySelectorAll("select")) {
    select.value = "";
    filter.fields[select.name] = "";
  }
  search.value = "";
  filter.search("");
  changed();
}

/// Models and paths that were seen, at most so many that a menu is of use.
function fillChoices() {
  for (const name of ["model", "path"]) {
    const select = filters.elements[name];
    const known = new Set([...select.options].map(option => option.value));
    for (const audit of audits.all) {
      const value = audit[name];
      if (known.size > 100) break;
      if (!value || known.has(value)) continue;
      known.add(value);
      select.append(make("option", { value }, value.length > 60 ? `${value.slice(0, 60)}…` : value));
    }
  }
}

const search = byID("search");
let searchIsDue = 0;
search.addEventListener("input", () => {
  clearTimeout(searchIsDue);
  searchIsDue = setTimeout(() => { filter.search(search.value); changed(); }, 120);
});

// Pause

const pause = byID("pause");
pause.addEventListener("click", () => {
  if (held) {
    const { messages } = held;
    held = null;
    for (const [message, size] of messages) take(message, size);
  } else {
    held = { messages: [], bytes: 0 };
  }
  showPause();
});

function showPause() {
  const waiting = held ? new Set(held.messages.map(([message]) => message.payload.audit_id)).size : 0;
  pause.setAttribute("aria-pressed", held != null);
  pause.textContent = !held ? "Pause" : waiting > 0 ? `Resume · ${number(waiting)} waiting` : "Resume";
}

// Theme

const theme = byID("theme");
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (systemIsDark.matches ? "dark" : "light")) === "dark";
const showTheme = () => theme.setAttribute("aria-pressed", isDark());
theme.addEventListener("click", () => {
  const chosen = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = chosen;
  try { localStorage.setItem("truthtable-theme", chosen); } catch { /* for this visit, then */ }
  showTheme();
});
systemIsDark.addEventListener("change", showTheme);

// Keys

byID("help").addEventListener("click", () => byID("keys").showModal());

const step = distance => {
  const audit = feed.move(distance);
  // With an audit open beside the list, the next one takes its place.
  if (audit && location.hash && !matchMedia("(max-width: 900px)").matches) open(audit);
};
const keys = {
  j: () => step(1), k: () => step(-1), ArrowDown: () => step(1), ArrowUp: () => step(-1),
  Enter: () => { if (feed.active) { open(feed.active); opened.focus(); } },
  Escape: () => open(null),
  "/": () => { search.focus(); search.select(); },
  p: () => pause.click(),
  f: () => {
    const select = filters.elements.state;
    select.value = filter.fields.state = select.value === "failed" ? "" : "failed";
    filterChanged();
  },
  "?": () => byID("keys").showModal(),
};

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const { target } = event;
  if (target === search) {
    if (event.key === "Escape" || event.key === "Enter") {
      event.preventDefault();
      if (event.key === "Escape" && search.value) { search.value = ""; filter.search(""); render(); }
      feed.focus();
    }
    return;
  }
  if (target.matches("input, select, textarea") || !Object.hasOwn(keys, event.key)) return;
  const isArrow = event.key.startsWith("Arrow");
  if (isArrow && target.id !== "list" || event.key === "Enter" && target.matches("button, summary, a, [role=button]")) return;
  event.preventDefault();
  keys[event.key]();
});

// The start

if (location.search) history.replaceState(null, "", location.pathname + location.hash); // a token has done its work, and stays in no history
if (matchMedia("(max-width: 900px)").matches) byID("figures").open = false;
showTheme();
opened.show(null);
changed();
connection.open();
