// One audit in full: the answer with each claim coloured in its place, and beside it what each claim was judged by.
import { byID, copyButton, make, number, plural, time, word } from "./dom.js";
import { badge } from "./feed.js";
import { compare, marked } from "./words.js";

const names = { contradicted: "Contradicted", unsupported: "Unsupported", unverifiable: "Unverifiable", supported: "Supported" };
const contexts = {
  none: "The request shows no documents.", empty: "The request's place for documents is empty.", opaque: "The documents of the request cannot be read.",
};
const otherwise = text => make("mark", { class: "otherwise", title: "the passage says this instead" }, text);
const misfit = text => make("mark", { class: "misfit", title: "does not fit the passage" }, text);
const fit = text => make("mark", { class: "fit" }, text);

export class Opened {
  #place = byID("opened");
  #audit = null;
  #payload = null;

  constructor({ close }) { this.close = close; }

  /// Shows an audit, or what stands there without one. What is shown already stays as it is, scrolled as it is.
  show(audit) {
    if (audit === this.#audit && audit?.payload === this.#payload) return;
    const isOther = audit !== this.#audit;
    this.#audit = audit;
    this.#payload = audit?.payload;
    document.body.classList.toggle("is-open", audit != null);
    if (!audit) {
      this.#place.replaceChildren(make("p", { class: "hint" }, "Open an audit to see its answer, claim by claim."));
      return;
    }
    this.#place.replaceChildren(...(audit.state === "audited" ? this.#verdict(audit) : this.#other(audit)));
    if (isOther) {
      this.#place.scrollTop = 0;
      const worst = audit.payload.verifications?.findIndex(each => each.verdict === "contradicted" || each.verdict === "unsupported") ?? -1;
      if (worst >= 0) this.#choose(worst, false);
    }
  }

  focus() { this.#place.focus({ preventScroll: true }); }

  #head(audit, title, ...facts) {
    const { payload } = audit;
    return make("header", { class: "head" },
      badge(audit),
      make("div", { class: "title" },
        make("h2", {}, title),
        make("p", { class: "muted" }, [...facts, audit.model, audit.path, time(audit.time)].filter(Boolean).join(" · "))),
      make("div", { class: "actions" },
        copyButton("Copy id", () => payload.request_id),
        copyButton("Copy JSON", () => JSON.stringify(payload, null, 2)),
        make("button", { type: "button", class: "icon close", "aria-label": "Close", "aria-keyshortcuts": "Escape", onclick: () => this.close() }, "×")));
  }

  /// One that runs, failed or was skipped.
  #other(audit) {
    const title = audit.state === "running" ? "Being audited" : audit.state === "skipped" ? "Not audited" : audit.label;
    return [
      this.#head(audit, title),
      audit.state !== "running" && make("p", { class: "reason" }, audit.verdict),
      this.#technical([["Request id", audit.payload.request_id], ["Audit id", audit.id], ["Reason", audit.payload.reason], ["Answer", audit.payload.response_size && `${number(audit.payload.response_size)} bytes`]]),
    ].filter(Boolean);
  }

  #verdict(audit) {
    const p = audit.payload;
    const trust = p.trust_score == null ? "No trust score" : `Trust ${Math.round(p.trust_score)} of 100`;
    const claims = p.verifications ?? [];
    return [
      this.#head(audit, p.verdict, trust),
      tally(p),
      p.query && make("section", { class: "question" }, make("h3", {}, "Question"), make("p", { class: "text" }, p.query)),
      make("div", { class: "beside" },
        make("section", { class: "answer" }, make("h3", {}, "Answer"), this.#answer(p, claims)),
        make("section", { class: "claims", "aria-label": "Claims" }, make("h3", {}, "Claims and evidence"),
          contexts[p.context_state] && make("p", { class: "muted" }, contexts[p.context_state]),
          claims.length === 0 && make("p", { class: "muted" }, "The answer makes no claim that could be checked."),
          inOrderOfNeed(claims).map(({ claim, index }) => this.#claim(claim, index)),
          p.omitted_claims > 0 && make("p", { class: "muted" }, `${plural(p.omitted_claims, "further claim")} left out: too many for one event.`))),
      documents(p, claims),
      this.#technical([
        ["Request id", p.request_id], ["Audit id", p.audit_id], ["Took", `${number(p.processing_time_ms ?? 0)} ms`],
        ["Tokens", p.usage && `${number(p.usage.prompt_tokens ?? 0)} in, ${number(p.usage.completion_tokens ?? 0)} out`],
        ["Engine", [p.engine, p.engine_version].filter(Boolean).join(" ")], ["Scale", p.scale_version],
      ]),
    ].filter(Boolean);
  }

  /// The text with its claims in their places. Offsets count UTF-16 units, as strings here do.
  #answer(p, claims) {
    const text = p.answer ?? "";
    const place = make("div", { class: "text", dir: "auto" });
    let end = 0;
    const inOrder = claims.map((claim, index) => ({ claim, index })).sort((a, b) => a.claim.start - b.claim.start);
    for (const { claim, index } of inOrder) {
      const from = Math.max(end, claim.start), to = Math.min(text.length, claim.end);
      if (!(from < to)) continue;
      place.append(text.slice(end, from));
      place.append(make("span", {
        class: `in-place ${word(claim.verdict)}`, role: "button", tabindex: "0", "data-claim": index, "aria-label": `${names[claim.verdict] ?? ""}: ${text.slice(from, to)}`,
        title: `${names[claim.verdict] ?? claim.verdict}: ${claim.reasoning ?? ""}`,
        onclick: () => this.#choose(index, true),
        onkeydown: event => {
          if (event.key !== "Enter" && event.key !== " ") return;
          event.preventDefault();
          event.stopPropagation();
          this.#choose(index, true);
        },
      }, claim.verdict === "supported" ? text.slice(from, to) : marked(text.slice(from, to), [compare(claim, 0).misfit, misfit])));
      end = to;
    }
    place.append(text.slice(end));
    if (text.length < (p.answer_length ?? 0)) {
      place.append(make("p", { class: "muted" }, `… ${number(p.answer_length - text.length)} more characters were left out of the event.`));
    }
    if (p.truncated) place.append(make("p", { class: "muted" }, "The exchange broke off here."));
    return place;
  }

  #claim(claim, index) {
    const quotes = (claim.evidence ?? []).map((quote, at) => {
      const { fit: fits, otherwise: others } = compare(claim, at);
      return make("figure", {},
        make("blockquote", { dir: "auto" }, marked(quote, [others, otherwise], [fits, fit])),
        make("figcaption", {}, source(claim.evidence_details?.[at])));
    });
    return make("section", { class: `claim ${word(claim.verdict)}`, "data-claim": index, onclick: () => this.#choose(index, false) },
      make("p", { class: "outcome" }, names[claim.verdict] ?? claim.verdict,
        claim.confidence > 0 && make("span", { class: "muted" }, ` ${Math.round(claim.confidence * 100)} %`)),
      make("p", { class: "said", dir: "auto" }, marked(claim.claim ?? "", [compare(claim, 0).misfit, misfit])),
      make("p", { class: "reasoning" }, claim.reasoning),
      quotes);
  }

  /// Marks a claim in both places, and brings its evidence into sight.
  #choose(index, isWanted) {
    for (const element of this.#place.querySelectorAll("[data-claim]")) element.classList.toggle("chosen", element.dataset.claim === String(index));
    if (isWanted) this.#place.querySelector(`section[data-claim="${index}"]`)?.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  #technical(facts) {
    const rows = facts.filter(([, value]) => value != null && value !== "" && value !== false);
    return make("section", { class: "technical" }, make("h3", {}, "Details"),
      make("dl", {}, rows.map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value))))));
  }
}

/// What is wrong stands first, otherwise as in the answer.
function inOrderOfNeed(claims) {
  const order = Object.keys(names);
  return claims.map((claim, index) => ({ claim, index })).sort((a, b) => order.indexOf(a.claim.verdict) - order.indexOf(b.claim.verdict));
}

/// How many claims of each outcome, as a bar and in words.
function tally(p) {
  const counts = [
    ["supported", p.supported_claims ?? 0], ["unsupported", (p.unsupported_claims ?? 0) - (p.contradicted_claims ?? 0)],
    ["contradicted", p.contradicted_claims ?? 0], ["unverifiable", p.unverifiable_claims ?? 0],
  ].filter(([, count]) => count > 0);
  const bar = make("div", { class: "bar-of-claims", "aria-hidden": "true" });
  for (const [outcome, count] of counts) {
    const part = make("span", { class: outcome });
    part.style.flexGrow = count;
    bar.append(part);
  }
  return counts.length > 0 && make("div", { class: "tally" }, bar,
    make("p", {}, counts.map(([outcome, count]) => make("span", { class: `key ${outcome}` }, `${number(count)} ${outcome}`))));
}

function source(details) {
  if (!details) return "";
  if (details.document === 0) return "The answer itself";
  return [`Document ${details.document}`, details.document_id !== String(details.document) && details.document_id, details.source, `characters ${number(details.start)}–${number(details.end)}`].filter(Boolean).join(" · ");
}

function documents(p, claims) {
  const list = p.documents?.list ?? [];
  if (list.length === 0) return null;
  const cited = new Set(claims.flatMap(each => each.evidence_details ?? []).map(each => each.document));
  const more = (p.documents.count ?? list.length) - list.length;
  return make("section", { class: "documents" }, make("h3", {}, plural(p.documents.count ?? list.length, "document")),
    make("ol", {}, list.map((each, index) => make("li", {},
      make("span", {}, [each.source || each.id || "Document", each.opaque && "cannot be read", each.earlier_turn && "earlier turn"].filter(Boolean).join(" · ")),
      cited.has(index + 1) && make("span", { class: "muted" }, " · judged by")))),
    more > 0 && make("p", { class: "muted" }, `and ${number(more)} more`),
    p.context_partial && make("p", { class: "muted" }, "Part of the documents was not seen."));
}
