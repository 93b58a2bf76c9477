// The list of audits, newest first. Only the rows in sight exist, so that ten thousand audits cost as much as twenty.
import { byID, make, number, time, word } from "./dom.js";

const rowHeight = 84;
const spare = 4;

export class Feed {
  #list = byID("list");
  #scroller = byID("scroller");
  #newer = byID("newer");
  #rows = new Map();
  #shown = [];
  #active = null;
  #opened = null;
  #unseen = 0;

  constructor({ open }) {
    this.open = open;
    for (const target of [window, this.#scroller]) target.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // The window, the figures above, or the pane: whatever moves the list.
    const resized = new ResizeObserver(() => this.#render());
    for (const element of [document.body, this.#scroller]) resized.observe(element);
    // Who comes by the keyboard must see where it is.
    this.#list.addEventListener("focus", () => { if (!this.#active && this.#list.matches(":focus-visible")) this.move(0); });
    this.#newer.addEventListener("click", () => this.top());
  }

  /// Shows these, oldest first. Who has scrolled down keeps what is in sight.
  show(shown) {
    const before = this.#shown.at(-1);
    const depth = -this.#offset();
    const added = before ? shown.length - 1 - shown.lastIndexOf(before) : 0;
    this.#shown = shown;
    this.#list.style.height = `${shown.length * rowHeight}px`;
    this.#list.hidden = shown.length === 0;
    if (depth > rowHeight / 2 && added > 0 && added < shown.length) {
      this.#scrollBy(added * rowHeight);
      this.#unseen += added;
    }
    if (depth <= rowHeight / 2) this.#unseen = 0;
    this.#render();
  }

  /// Marks the audit that is open.
  opened(audit) {
    this.#opened = audit;
    if (audit) this.#active = audit;
    this.#render();
  }

  /// The audit `step` rows below (or above) the active one becomes active; it is returned.
  move(step) {
    const count = this.#shown.length;
    if (count === 0) return null;
    const at = this.#active ? this.#shown.lastIndexOf(this.#active) : -1;
    const row = at < 0 ? 0 : Math.min(count - 1, Math.max(0, count - 1 - at + step));
    this.#active = this.#shown[count - 1 - row];
    this.#reveal(row);
    this.#render();
    return this.#active;
  }

  get active() { return this.#active; }

  top() {
    this.#scrollBy(this.#offset());
    this.#unseen = 0;
    this.#render();
  }

  focus() { this.#list.focus({ preventScroll: true }); }

  #audit(row) { return this.#shown[this.#shown.length - 1 - row]; }

  /// How far the list has been scrolled, as a number of 0 or less. On a narrow screen the page scrolls, not the pane.
  #offset() { return Math.min(0, this.#list.getBoundingClientRect().top - (this.#scrolls() ? this.#scroller.getBoundingClientRect().top : 0)); }

  #scrolls() { return getComputedStyle(this.#scroller).overflowY === "auto"; }

  #scrollBy(distance) { (this.#scrolls() ? this.#scroller : window).scrollBy({ top: distance, behavior: "instant" }); }

  #reveal(row) {
    const list = this.#list.getBoundingClientRect().top;
    const [top, bottom] = this.#window();
    const from = list + row * rowHeight;
    if (from < top) this.#scrollBy(from - top);
    else if (from + rowHeight > bottom) this.#scrollBy(from + rowHeight - bottom);
  }

  /// The visible part in the window's coordinates.
  #window() {
    if (!this.#scrolls()) return [0, innerHeight];
    const pane = this.#scroller.getBoundingClientRect();
    return [Math.max(0, pane.top), Math.min(innerHeight, pane.bottom)];
  }

  #scrolled() {
    if (-this.#offset() <= rowHeight / 2) this.#unseen = 0;
    this.#render();
  }

  #render() {
    const list = this.#list.getBoundingClientRect().top;
    const [top, bottom] = this.#window();
    const first = Math.max(0, Math.floor((top - list) / rowHeight) - spare);
    const last = Math.min(this.#shown.length, Math.ceil((bottom - list) / rowHeight) + spare);
    const wanted = new Set();
    for (let row = first; row < last; row += 1) {
      const audit = this.#audit(row);
      wanted.add(audit.id);
      let entry = this.#rows.get(audit.id);
      if (!entry || entry.payload !== audit.payload) {
        const element = this.#row(audit);
        if (entry) entry.element.replaceWith(element);
        else this.#list.append(element);
        entry = { element, payload: audit.payload };
        this.#rows.set(audit.id, entry);
      }
      const { element } = entry;
      element.style.transform = `translateY(${row * rowHeight}px)`;
      element.setAttribute("aria-posinset", row + 1);
      element.setAttribute("aria-setsize", this.#shown.length);
      element.setAttribute("aria-selected", audit === this.#opened);
      element.classList.toggle("active", audit === this.#active);
    }
    for (const [id, { element }] of this.#rows) {
      if (wanted.has(id)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    const active = this.#active && this.#rows.get(this.#active.id);
    if (active) this.#list.setAttribute("aria-activedescendant", active.element.id);
    else this.#list.removeAttribute("aria-activedescendant");
    this.#newer.hidden = this.#unseen === 0;
    this.#newer.textContent = `${number(this.#unseen)} newer`;
  }

  #row(audit) {
    const isWaiting = audit.state === "running";
    return make(
      "div", { id: `row-${audit.id}`, class: `row ${audit.state}`, role: "option", onclick: () => this.open(audit) },
      badge(audit),
      make("div", { class: "words" },
        make("div", { class: "first" },
          make("span", { class: "query" }, audit.query || audit.label || (isWaiting ? "Running" : audit.path || "No question")),
          audit.score != null && make("span", { class: "score", title: "trust score" }, String(Math.round(audit.score)))),
        make("div", { class: "verdict" }, audit.verdict),
        make("div", { class: "last" },
          make("span", {}, [audit.model, audit.path].filter(Boolean).join(" · ")),
          make("time", { datetime: new Date(audit.time).toISOString() }, time(audit.time)))));
  }
}

/// The grade, or a sign of what came instead.
export function badge(audit) {
  const [sign, name] = {
    running: ["…", "Running"], failed: ["!", audit.label], skipped: ["–", "Skipped"],
  }[audit.state] ?? [audit.grade === "N/A" ? "–" : audit.grade, `Grade ${audit.grade}`];
  return make("div", { class: `badge grade-${audit.state === "audited" ? word(audit.grade) : audit.state}`, role: "img", "aria-label": name, title: name }, sign);
}
