// The page at `/` of the dashboards' port: live audits with their claims and evidence, in one file without dependencies.
// Everything that comes from requests and models is put into the page as text, and the policy lets nothing else run.
import CLinux
import HTTP
import Inbound

struct DashboardPage {
    let fields: HTTPFields
    let html: [UInt8]

    /// Nil when the system has no random bytes.
    init?(for request: HTTPRequest) {
        var bits: (UInt64, UInt64) = (0, 0)
        guard cl_random(&bits, 16) >= 0 else { return nil }
        let nonce = String(bits.0, radix: 36) + String(bits.1, radix: 36)
        // Older browsers do not count WebSockets of the page's own host as 'self'.
        let host = request.authority
        let isPlain = host.utf8.allSatisfy { $0 < 0x7F && $0 > 0x20 && $0 != UInt8(ascii: ";") && $0 != UInt8(ascii: ",") && $0 != UInt8(ascii: "'") }
        let sockets = isPlain && !host.isEmpty ? " ws://\(host) wss://\(host)" : ""
        var fields = HTTPFields.html
        fields.append(
            "Content-Security-Policy",
            "default-src 'none'; script-src 'nonce-\(nonce)'; style-src 'nonce-\(nonce)'; connect-src 'self'\(sockets); base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        fields.append("X-Content-Type-Options", "nosniff")
        fields.append("Referrer-Policy", "no-referrer")
        fields.append("Cache-Control", "no-store")
        // Who opened the page by its token need not show it again: the page's WebSocket sends the cookie.
        if let token = request.parameter("token"), token.utf8.allSatisfy(Self.isCookieByte) {
            fields.append("Set-Cookie", "truthtable_token=\(token); HttpOnly; SameSite=Strict; Path=/")
        }
        self.fields = fields
        html = Array(Self.text.split(separator: "NONCE", omittingEmptySubsequences: false).joined(separator: nonce).utf8)
    }

    /// RFC 6265 §4.1.1.
    private static func isCookieByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x21, 0x23...0x2B, 0x2D...0x3A, 0x3C...0x5B, 0x5D...0x7E: true
        default: false
        }
    }

    private static let text = #"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
        <title>TruthTable</title>
        <style nonce="NONCE">
        body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; color: #222; background: #fafafa }
        header { display: flex; gap: 1rem; align-items: baseline } h1 { font-size: 1.3rem; margin: 0 } #state { margin-left: auto }
        article { background: #fff; border: 1px solid #ddd; border-radius: 6px; margin: .7rem 0; padding: .6rem .9rem }
        .head { display: flex; gap: .8rem; align-items: baseline } .id { color: #666; font: 12px ui-monospace, monospace }
        .grade { font-weight: 700; min-width: 2rem } .A, .B { color: #17713a } .C { color: #8a6100 } .D, .F { color: #b3261e }
        .claim { border-left: 4px solid #999; margin: .4rem 0; padding: .1rem .6rem }
        .supported { border-color: #2a9d4f } .contradicted { border-color: #c62828 } .unsupported { border-color: #e09400 }
        blockquote { margin: .2rem 0 .2rem .5rem; color: #555 } blockquote::before { content: "\201C" } blockquote::after { content: "\201D" }
        small { color: #666 } .failed { color: #b3261e }
        @media (prefers-color-scheme: dark) {
          body { background: #16181b; color: #ddd } article { background: #1f2226; border-color: #353a40 } blockquote, small, .id { color: #a0a6ad }
          .A, .B { color: #5fd38a } .C { color: #e6b450 } .D, .F, .failed { color: #ff8a80 }
        }
        </style></head><body>
        <header><h1>TruthTable</h1><span id="stats">No audits yet</span><span id="state" role="status">connecting</span></header>
        <main id="list" aria-live="polite"></main>
        <script nonce="NONCE">
        "use strict";
        const list = document.getElementById("list"), cards = new Map(), most = 200;
        let since = "", wait = 500;
        const make = (tag, kind, text) => { const e = document.createElement(tag); if (kind) e.className = kind; if (text != null) e.textContent = text; return e; };
        const word = text => String(text).replace(/[^A-Za-z]/g, "");
        function card(id) {
          let e = cards.get(id);
          if (!e) {
            e = make("article");
            cards.set(id, e);
            list.prepend(e);
            if (cards.size > most) { const [first, old] = cards.entries().next().value; old.remove(); cards.delete(first); }
          }
          e.replaceChildren();
          return e;
        }
        function line(e, id, grade, text, kind) {
          const h = make("div", "head");
          h.append(make("span", "grade " + word(grade), grade), make("span", kind, text), make("span", "id", id));
          e.append(h);
        }
        const show = {
          audit_started(p) { if (!cards.has(p.request_id)) line(card(p.request_id), p.request_id, "…", "auditing " + (p.path ?? "")); },
          audit_complete(p) {
            const e = card(p.request_id), score = p.trust_score == null ? "" : p.trust_score + " · ";
            line(e, p.request_id, p.grade, score + p.verdict);
            e.append(make("small", "", [p.model, p.path, p.processing_time_ms + " ms"].filter(Boolean).join(" · ")));
            for (const v of p.verifications ?? []) {
              const c = make("div", "claim " + word(v.verdict ?? (v.supported ? "supported" : "unsupported")));
              c.append(make("div", "", v.claim));
              for (const quote of v.evidence ?? []) c.append(make("blockquote", "", quote));
              c.append(make("small", "", `${v.verdict ?? (v.supported ? "supported" : "unsupported")} · ${Math.round(v.confidence * 100)} % · ${v.reasoning}`));
              e.append(c);
            }
          },
          audit_failed(p) { line(card(p.request_id), p.request_id, "!", p.error, "failed"); },
          audit_skipped(p) { cards.get(p.request_id)?.remove(); cards.delete(p.request_id); },
          stats_update(p) {
            const score = p.average_score == null ? "" : `, average ${Math.round(p.average_score * 10) / 10}`;
            document.getElementById("stats").textContent = `${p.total_audits} audits, ${p.failed_audits} failed${score}`;
          },
          health_update(p) { document.getElementById("state").textContent = `live · audits ${p.audit_service} · ${p.queue_depth} waiting`; },
        };
        function connect() {
          const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws?envelope=payload${since && "&since=" + since}`);
          socket.onopen = () => { wait = 500; document.getElementById("state").textContent = "live"; };
          socket.onmessage = ({ data }) => {
            const m = JSON.parse(data);
            if (m.seq) since = m.epoch + ":" + m.seq;
            if (Object.hasOwn(show, m.type)) show[m.type](m.payload);
          };
          socket.onclose = () => {
            document.getElementById("state").textContent = "not connected, trying again";
            setTimeout(connect, wait + Math.random() * wait);
            wait = Math.min(wait * 2, 15000);
          };
        }
        connect();
        </script></body></html>

        """#
}
