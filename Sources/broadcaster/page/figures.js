// Figures over the audits that the list shows, and the state of the service as it tells it itself. Drawn as SVG, each with a
// sentence that says the same.
import { byID, draw, make, number, plural, time } from "./dom.js";

const grades = ["A", "B", "C", "D", "F", "N/A"];
const buckets = 48;
const height = 122;
// Less would draw a line out of one moment.
const shortestSpan = 60_000;

export class Figures {
  #health = null;
  #stats = null;
  #shown = [];

  constructor() {
    new ResizeObserver(() => this.show(this.#shown)).observe(byID("trust"));
  }

  health(payload) { this.#health = payload; this.#service(); }
  stats(payload) { this.#stats = payload; this.#service(); }

  show(shown) {
    this.#shown = shown;
    const audited = shown.filter(audit => audit.state === "audited");
    const scored = audited.filter(audit => audit.score != null);
    this.#summary();
    byID("trust").replaceChildren(...trust(scored));
    byID("grades").replaceChildren(mix(audited));
    byID("models").replaceChildren(...rates("By model", audited, audit => audit.model));
    byID("paths").replaceChildren(...rates("By path", audited, audit => audit.path));
  }

  #summary() {
    const shown = this.#shown, average = mean(shown);
    const failed = shown.filter(audit => audit.state === "failed").length;
    const service = this.#health ? `service ${serviceState(this.#health)}, ${number(this.#health.queue_depth)} waiting` : "";
    byID("summary").textContent = [
      average == null ? "No trust score yet" : `Trust ${Math.round(average)}`, plural(shown.length, "audit"), failed > 0 && `${number(failed)} failed`, service,
    ].filter(Boolean).join(" · ");
  }

  #service() {
    const h = this.#health ?? {}, ledger = this.#stats?.ledger ?? {};
    const sum = reasons => Object.values(reasons ?? {}).reduce((total, count) => total + count, 0);
    const list = reasons => Object.entries(reasons ?? {}).filter(([, count]) => count > 0).map(([reason, count]) => `${reason.replaceAll("_", " ")} ${number(count)}`);
    const row = (name, value, detail, isBad) => make("div", { class: isBad ? "bad" : "" }, make("dt", {}, name), make("dd", {}, value, detail && make("span", { class: "muted" }, ` ${detail}`)));
    const drops = list(ledger.dropped), failures = list(ledger.failed);
    if (ledger.quarantined > 0) failures.push(`quarantined ${number(ledger.quarantined)}`);
    byID("service").replaceChildren(make("dl", { class: "facts" },
      row("Service", serviceState(h), "", serviceState(h).endsWith("down")),
      row("Workers up", h.workers == null ? "–" : number(h.workers), h.running ? `${number(h.running)} busy` : "", h.workers === 0),
      row("Queue", h.queue_depth == null ? "–" : number(h.queue_depth), h.queue_size ? `of ${number(h.queue_size)}` : "", h.queue_depth > 0 && h.queue_depth >= h.queue_size),
      row("Captured", number(ledger.captured ?? 0), sum(ledger.skipped) > 0 ? `${number(sum(ledger.skipped))} skipped` : ""),
      row("Dropped", number(sum(ledger.dropped)), drops.join(", "), drops.length > 0),
      row("Failed", number(sum(ledger.failed) + (ledger.quarantined ?? 0)), failures.join(", "), failures.length > 0),
      row("Dashboards", h.connections == null ? "–" : number(h.connections))));
    this.#summary();
  }
}

/// `up`, `engine down`, `stopping` or `down`.
const serviceState = health => (health.audit_service ?? "–").replaceAll("_", " ");

/// Of the trust scores; null without any.
function mean(audits) {
  const scored = audits.filter(audit => audit.score != null);
  return scored.length > 0 ? scored.reduce((sum, audit) => sum + audit.score, 0) / scored.length : null;
}

const none = text => make("p", { class: "muted" }, text);

/// Mean score over equal spans of time, and each span's lowest and highest as a band.
function trust(scored) {
  if (scored.length === 0) return [none("No scored audits yet.")];
  const average = mean(scored);
  const times = scored.map(audit => audit.time);
  const until = times.reduce((a, b) => Math.max(a, b)), from = Math.min(times.reduce((a, b) => Math.min(a, b)), until - shortestSpan);
  const spans = new Map();
  for (const { time: at, score } of scored) {
    const index = Math.min(buckets - 1, Math.floor((at - from) / (until - from) * buckets));
    const span = spans.get(index) ?? { sum: 0, count: 0, low: 100, high: 0 };
    span.sum += score;
    span.count += 1;
    span.low = Math.min(span.low, score);
    span.high = Math.max(span.high, score);
    spans.set(index, span);
  }
  const width = Math.max(160, byID("trust").clientWidth), left = 26, bottom = 16, top = 4;
  const x = index => left + 3 + (index + 0.5) / buckets * (width - left - 6);
  const y = score => top + (100 - score) / 100 * (height - top - bottom);
  const points = [...spans].sort(([a], [b]) => a - b).map(([index, span]) => ({ x: x(index), mean: y(span.sum / span.count), low: y(span.low), high: y(span.high) }));
  const label = `Trust over time: mean ${Math.round(average)} of 100 over ${plural(scored.length, "scored audit")}, from ${time(from)} to ${time(until)}`;
  const line = points.map((p, index) => `${index === 0 ? "M" : "L"}${p.x.toFixed(1)} ${p.mean.toFixed(1)}`).join("");
  const band = [...points.map(p => `${p.x.toFixed(1)} ${p.high.toFixed(1)}`), ...points.toReversed().map(p => `${p.x.toFixed(1)} ${p.low.toFixed(1)}`)].join(" L");
  const chart = draw("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label },
    [0, 50, 100].map(score => [
      draw("line", { class: "grid", x1: left, x2: width, y1: y(score), y2: y(score) }),
      draw("text", { x: left - 6, y: y(score) + 4, "text-anchor": "end" }, String(score)),
    ]),
    points.length > 1 && draw("path", { class: "band", d: `M${band}Z` }),
    points.length > 1 && draw("path", { class: "line", d: line }),
    (points.length > 24 ? points.slice(-1) : points).map(p => draw("circle", { class: "dot", cx: p.x, cy: p.mean, r: 2.5 })),
    draw("text", { x: left, y: height - 2 }, time(from)),
    draw("text", { x: width, y: height - 2, "text-anchor": "end" }, time(until)));
  return [make("p", { class: "large" }, String(Math.round(average)), make("span", { class: "muted" }, ` mean of ${number(scored.length)}`)), chart];
}

function mix(audited) {
  const counts = grades.map(grade => audited.filter(audit => audit.grade === grade).length);
  const most = Math.max(1, ...counts);
  const total = Math.max(1, audited.length);
  const width = 240, step = width / grades.length, tall = 128, floor = tall - 20, room = floor - 18;
  const label = `Grades: ${grades.map((grade, index) => `${grade} ${counts[index]}`).join(", ")}`;
  return draw("svg", { viewBox: `0 0 ${width} ${tall}`, class: "mix", role: "img", "aria-label": label }, grades.map((grade, index) => {
    const size = counts[index] === 0 ? 2 : Math.max(3, counts[index] / most * room);
    const middle = (index + 0.5) * step;
    return [
      draw("rect", { class: `fill-${grade.replace("/", "")}`, x: middle - 12, y: floor - size, width: 24, height: size, rx: 2 },
        draw("title", {}, `${grade}: ${number(counts[index])}, ${Math.round(counts[index] / total * 100)} %`)),
      draw("text", { x: middle, y: floor - size - 5, "text-anchor": "middle", class: "value" }, counts[index] > 0 ? number(counts[index]) : ""),
      draw("text", { x: middle, y: tall - 5, "text-anchor": "middle" }, grade),
    ];
  }));
}

/// Share of the checkable claims that are unsupported or contradicted, of the names with most claims; the worst first.
function rates(title, audited, key) {
  const groups = new Map();
  for (const audit of audited) {
    const bad = audit.payload.unsupported_claims ?? 0, checked = bad + (audit.payload.supported_claims ?? 0);
    if (checked === 0) continue;
    const name = key(audit) || "unknown";
    const group = groups.get(name) ?? { bad: 0, checked: 0 };
    group.bad += bad;
    group.checked += checked;
    groups.set(name, group);
  }
  const rows = [...groups].sort(([, a], [, b]) => b.checked - a.checked).slice(0, 4).sort(([, a], [, b]) => b.bad / b.checked - a.bad / a.checked).map(([name, { bad, checked }]) => {
    const rate = bad / checked * 100;
    const text = `${Math.round(rate)} %`;
    const label = `${name}: ${text} of ${plural(checked, "claim")}`;
    return make("li", { title: label },
      make("span", { class: "name" }, name), make("span", { class: "rate" }, text),
      draw("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
        draw("rect", { class: "track", width: 100, height: 6 }), draw("rect", { class: "part", width: rate, height: 6 })));
  });
  return [make("h3", {}, title), rows.length > 0 ? make("ol", { class: "rates" }, rows) : none("No checked claims yet.")];
}
