// The WebSocket to the broadcaster: opened again by itself with growing pauses, going on behind the last event that came.
// A refusal (401, 403) is told apart from a product that is down by asking once more over HTTP, which shows the status.

const shortestPause = 500;
const longestPause = 15_000;
// The product says something every 10 s (health_update). Longer silence is a connection that died unnoticed.
const longestSilence = 35_000;

export class Connection {
  #socket = null;
  // All events that are kept, at first.
  #since = "0:0";
  #attempts = 0;
  #timer = 0;
  #silence = 0;

  /// `message(object, size)` for each message; `state(kind, detail)` with kind `connecting`, `live`, `waiting` (detail: until
  /// when) or `refused` (detail: the sentence).
  constructor({ message, state }) {
    this.message = message;
    this.state = state;
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.retry(); });
  }

  /// Opens it, now.
  open() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.state("connecting");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws?envelope=payload&since=${this.#since}`);
    this.#socket = socket;
    let wasOpen = false;
    // Who asks for everything is told that there once was more.
    let isTold = this.#since !== "0:0";
    socket.onopen = () => {
      wasOpen = true;
      this.#attempts = 0;
      this.state("live");
      this.#heard();
    };
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      this.#heard();
      const message = JSON.parse(data);
      if (message.seq) this.#since = `${message.epoch}:${message.seq}`;
      if (message.type === "history_lost" && !isTold) isTold = true;
      else this.message(message, data.length);
    };
    socket.onclose = async () => {
      if (this.#socket !== socket) return;
      clearTimeout(this.#silence);
      this.#socket = null;
      const refusal = wasOpen ? null : await this.#refusal();
      if (refusal) this.state("refused", refusal);
      else this.#wait();
    };
  }

  /// Ends a pause early.
  retry() {
    if (this.#timer) this.open();
  }

  #wait() {
    const pause = Math.min(shortestPause * 2 ** this.#attempts, longestPause) * (0.5 + Math.random() / 2);
    this.#attempts += 1;
    this.#timer = setTimeout(() => this.open(), pause);
    this.state("waiting", Date.now() + pause);
  }

  #heard() {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#silence = setTimeout(() => {
      if (!socket) return;
      socket.onclose();
      socket.close();
    }, longestSilence);
  }

  /// The sentence of a refusal; null when there is none, or nobody answers.
  async #refusal() {
    try {
      const answer = await fetch("/ws", { cache: "no-store" });
      if (answer.status === 401) return "Other machines, and other names than localhost, see audits by the access token only.";
      return answer.status === 403 ? (await answer.json()).error ?? "Access is refused." : null;
    } catch {
      return null;
    }
  }

  /// Shows a token; the answer's cookie stands for it from then on. The sentence of a refusal, or null.
  async present(token) {
    try {
      const answer = await fetch("/", { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
      return answer.ok ? null : answer.status === 401 ? "This is not the access token." : `Refused with status ${answer.status}.`;
    } catch {
      return "The product does not answer.";
    }
  }
}
