// The audits that this page holds: one object for each, by audit id, oldest first. Events come in any number of times and a
// late one never undoes a verdict. Bounded: beyond the limits the oldest go.

const mostAudits = 10_000;
const mostBytes = 64 << 20;

// What an event says of its audit; a state of a higher rank stays.
const ranks = { running: 0, skipped: 1, failed: 1, audited: 2 };
const states = { audit_started: "running", audit_skipped: "skipped", audit_failed: "failed", audit_complete: "audited" };

// Reasons of failures that have a name of their own in the list.
const failures = { dispatcher_lost: "Lost", auditor_lost: "Lost", shutdown: "Dropped", timeout: "Timed out", quarantined: "Quarantined" };

export class Audits {
  #byID = new Map();
  #bytes = 0;
  /// Oldest first.
  all = [];

  get(id) { return this.#byID.get(id); }

  /// Takes the message of an audit; the audit, or null when it is about something else or nothing new.
  take({ type, payload, timestamp }, size) {
    const state = Object.hasOwn(states, type) ? states[type] : null;
    const id = payload?.audit_id ?? payload?.request_id;
    if (!state || typeof id !== "string") return null;
    let audit = this.#byID.get(id);
    if (audit && ranks[audit.state] >= ranks[state]) return null;
    if (!audit) {
      audit = { id, size: 0, path: "", model: "", query: "", verdict: "", kind: "", grade: "", score: null, label: "" };
      this.#byID.set(id, audit);
      this.all.push(audit);
    }
    this.#bytes += size;
    audit.size += size;
    audit.state = state;
    audit.payload = payload;
    audit.time = payload.timestamp || Date.parse(timestamp);
    audit.path = payload.path || audit.path;
    audit.model = payload.model ?? "";
    audit.query = payload.query ?? "";
    audit.kind = payload.verdict_kind ?? "";
    audit.grade = state === "audited" ? payload.grade ?? "N/A" : "";
    audit.score = payload.trust_score ?? null;
    audit.verdict = payload.verdict ?? payload.error ?? (state === "skipped" ? `Not audited: ${(payload.reason ?? "").replaceAll("_", " ")}` : "Being audited");
    audit.label = state === "failed" ? failures[payload.reason] ?? "Failed" : "";
    audit.text = null;
    audit.matched = -1;
    if (this.all.length > mostAudits || this.#bytes > mostBytes) this.#forget();
    return audit;
  }

  /// Events are missing: what ran before them may have ended unseen. Should its verdict still come, that counts.
  loseRunning() {
    for (const audit of this.all.filter(each => each.state === "running")) {
      const payload = { ...audit.payload, error: "What became of it was not seen: the product was away." };
      Object.assign(audit, { state: "failed", label: "Lost", verdict: payload.error, payload, matched: -1 });
    }
  }

  /// A twentieth at once, so that a full page does not move its list with each event.
  #forget() {
    const count = Math.max(1, Math.floor(this.all.length / 20));
    for (const audit of this.all.splice(0, count)) {
      this.#byID.delete(audit.id);
      this.#bytes -= audit.size;
    }
  }
}

/// What the list shows of them. Each audit remembers whether it matched, so that one more event costs one more look.
export class Filter {
  #version = 0;
  #terms = [];
  grades = new Set();
  fields = { state: "", kind: "", model: "", path: "" };

  get isOn() { return this.grades.size > 0 || this.#terms.length > 0 || Object.values(this.fields).some(Boolean); }

  search(text) {
    this.#terms = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.changed();
  }

  changed() { this.#version += 1; }

  /// Those that match, oldest first.
  shown(audits) {
    return audits.all.filter(audit => {
      if (audit.matched !== this.#version) {
        audit.matched = this.#version;
        audit.matches = this.#matches(audit);
      }
      return audit.matches;
    });
  }

  #matches(audit) {
    const { state, kind, model, path } = this.fields;
    if (state ? audit.state !== state : audit.state === "skipped") return false;
    if (this.grades.size > 0 && !this.grades.has(audit.grade)) return false;
    if (kind && audit.kind !== kind || model && audit.model !== model || path && audit.path !== path) return false;
    if (this.#terms.length === 0) return true;
    audit.text ??= searchText(audit);
    return this.#terms.every(term => audit.text.includes(term));
  }
}

function searchText({ payload, model, path, query, verdict, label }) {
  const parts = [query, payload.answer, verdict, label, model, path, payload.request_id, payload.audit_id];
  for (const each of payload.verifications ?? []) parts.push(each.reasoning, ...each.evidence ?? []);
  for (const each of payload.documents?.list ?? []) parts.push(each.id, each.source);
  return parts.filter(Boolean).join("\n").toLowerCase();
}
