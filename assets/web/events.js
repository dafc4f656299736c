// The server's events (SSE), read with fetch: a token travels in a header and never in an address, a refusal can be told from a
// broken network, and we choose the back-off. After a break the server is told the last id and fills in what was missed.

/** The server says something at least every ten seconds; after this long without a byte the connection is taken for dead. */
const SILENCE_MILLIS = 25_000;
const BACK_OFF_MILLIS = { first: 250, most: 2_000 };

/** Listens until the page is closed. */
export class Events {
  #url;
  #headers;
  #heard;
  #changed;
  #lastId = null;
  #delay = BACK_OFF_MILLIS.first;
  #wake = () => {};
  #abort = null;
  #isOpen = false;

  /** `heard(record)` gets every event, `changed(isOpen)` is told when the connection comes and goes. */
  constructor(url, headers, heard, changed) {
    this.#url = url;
    this.#headers = headers;
    this.#heard = heard;
    this.#changed = changed;
    this.#run();
  }

  /** Tries again at once: somebody knows that the network is back. */
  kick() {
    this.#delay = BACK_OFF_MILLIS.first;
    this.#wake();
  }

  /** Begins again, from a new place: what is listened to has changed. */
  restart(url) {
    this.#url = url;
    this.#abort?.abort();
    this.kick();
  }

  async #run() {
    for (;;) {
      await this.#listen().catch(() => {});
      this.#tell(false);
      await new Promise((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, this.#delay);
      });
      this.#delay = Math.min(this.#delay * 2, BACK_OFF_MILLIS.most);
    }
  }

  #tell(isOpen) {
    if (this.#isOpen === isOpen) return;
    this.#isOpen = isOpen;
    this.#changed(isOpen);
  }

  async #listen() {
    const abort = new AbortController();
    this.#abort = abort;
    const feed = watchdog(() => abort.abort());
    try {
      const headers = { ...this.#headers(), Accept: "text/event-stream" };
      if (this.#lastId !== null) headers["Last-Event-ID"] = this.#lastId;
      const response = await fetch(this.#url, { headers, cache: "no-store", signal: abort.signal });
      if (!response.ok) return;
      this.#delay = BACK_OFF_MILLIS.first;
      this.#tell(true);
      const parse = parser((message) => {
        if (message.id !== null) this.#lastId = message.id;
        if (message.event === "message") this.#heard(JSON.parse(message.data));
      });
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return;
        feed();
        parse(value);
      }
    } finally {
      feed.stop();
    }
  }
}

/** Calls `bites` when it was not fed for too long. */
function watchdog(bites) {
  let timer = setTimeout(bites, SILENCE_MILLIS);
  const feed = () => {
    clearTimeout(timer);
    timer = setTimeout(bites, SILENCE_MILLIS);
  };
  feed.stop = () => clearTimeout(timer);
  return feed;
}

/** Takes text in pieces of any size and hands over whole messages (WHATWG HTML, 9.2.6). */
export function parser(handOver) {
  let rest = "";
  let message = { event: "message", data: [], id: null };
  return (text) => {
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (message.data.length) handOver({ ...message, data: message.data.join("\n") });
        message = { event: "message", data: [], id: null };
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue; // a comment: the heartbeat
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") message.data.push(value);
      else if (field === "event") message.event = value;
      else if (field === "id") message.id = value;
    }
  };
}
