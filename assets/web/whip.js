// The microphone and its way to the server: WHIP (RFC 9725). One offer, one answer, no trickle: the server learns our addresses from
// our own packets. Nothing else on this page knows the peer connection.

/** What the browser is asked not to do to the sound, and how it calls that. */
const PROCESSING = ["echoCancellation", "noiseSuppression", "autoGainControl"];

/** Bits a second: spectra are read from this sound, so it gets more than speech needs. */
const BITRATE = 128_000;

/**
 * Opens the microphone as it is. Returns the stream, what processing the browser left on, and what it does not tell about. Throws an
 * error whose `reason` is one of insecure, denied, missing, busy, microphone.
 */
export async function openMicrophone() {
  if (!navigator.mediaDevices?.getUserMedia) throw refusal("insecure");
  const off = Object.fromEntries(PROCESSING.map((name) => [name, false]));
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: { ...off, channelCount: { ideal: 1 }, sampleRate: { ideal: 48_000 } } });
  } catch (error) {
    const reasons = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing", NotReadableError: "busy", AbortError: "busy" };
    throw refusal(reasons[error.name] ?? "microphone", error.message);
  }
  const settings = stream.getAudioTracks()[0].getSettings();
  const left = PROCESSING.filter((name) => settings[name] === true);
  const untold = PROCESSING.filter((name) => settings[name] === undefined);
  return { stream, left, untold };
}

function refusal(reason, detail = "") {
  return Object.assign(new Error(detail || reason), { reason, detail });
}

/** One lane of the server, as its publisher sees it. */
export class Publisher {
  #key;
  #headers;
  #told;
  #peer = null;
  #resource = null;
  #attempt = null;

  /**
   * `told` gets what happens, as events of the machine: `rejected`, `unreachable` and `peer`.
   * `headers` returns the headers that every request carries.
   */
  constructor(key, headers, told) {
    this.#key = key;
    this.#headers = headers;
    this.#told = told;
  }

  /** Sends `stream` from now on. A newer call takes the place of an older one, here as on the server. */
  async publish(stream, patienceMillis) {
    this.drop();
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    const attempt = new AbortController();
    this.#peer = peer;
    this.#attempt = attempt;
    const isCurrent = () => this.#peer === peer;
    peer.addEventListener("connectionstatechange", () => {
      if (isCurrent()) this.#told({ type: "peer", state: peer.connectionState });
    });
    const track = stream.getAudioTracks()[0];
    const transceiver = peer.addTransceiver(track, { direction: "sendonly", streams: [stream], sendEncodings: [{ maxBitrate: BITRATE }] });
    preferRedundancy(transceiver);
    const timer = setTimeout(() => attempt.abort(), patienceMillis);
    try {
      await offer(peer);
      const response = await fetch(`/whip/${encodeURIComponent(this.#key)}`, {
        method: "POST",
        headers: { ...this.#headers(), "Content-Type": "application/sdp" },
        body: peer.localDescription.sdp,
        signal: attempt.signal,
      });
      const text = await response.text();
      if (!isCurrent()) return;
      if (response.status !== 201) {
        const retryAfterSecs = Number(response.headers.get("Retry-After")) || 0;
        this.#told({ type: "rejected", status: response.status, retryAfterSecs, detail: detailOf(text) });
        return;
      }
      this.#resource = new URL(response.headers.get("Location"), response.url).href;
      await peer.setRemoteDescription({ type: "answer", sdp: text });
    } catch (error) {
      if (isCurrent()) this.#told({ type: "unreachable", detail: error.message });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Lets go of the peer connection without a word to the server: the next one takes over the lane. */
  drop() {
    this.#attempt?.abort();
    this.#peer?.close();
    this.#peer = null;
    this.#attempt = null;
    this.#resource = null;
  }

  /** Ends: the server hears of it even where the page is being closed. */
  hangUp() {
    const resource = this.#resource;
    this.drop();
    if (resource) fetch(resource, { method: "DELETE", headers: this.#headers(), keepalive: true }).catch(() => {});
  }
}

/**
 * Offers to send again what got lost (RFC 4585). Browsers can do it and do not offer it for sound, so it is written into the offer;
 * one that does not let itself be written into offers what it likes.
 */
async function offer(peer) {
  const { sdp } = await peer.createOffer();
  const asked = sdp.replace(/^a=rtpmap:(\d+) (?:opus|red)\/48000\/2\r\n/gim, (line, type) => `${line}a=rtcp-fb:${type} nack\r\n`);
  try {
    await peer.setLocalDescription({ type: "offer", sdp: asked });
  } catch {
    await peer.setLocalDescription();
  }
}

/** Redundant audio first (RFC 2198): each packet repeats the one before it, so that most losses are no loss. */
function preferRedundancy(transceiver) {
  const codecs = RTCRtpSender.getCapabilities?.("audio")?.codecs ?? [];
  const rank = (codec) => ["audio/red", "audio/opus"].indexOf(codec.mimeType.toLowerCase());
  const wanted = codecs.filter((codec) => rank(codec) >= 0).sort((a, b) => rank(a) - rank(b));
  try {
    transceiver.setCodecPreferences(wanted);
  } catch {
    // A browser that does not take it sends plain Opus.
  }
}

/** The words of an error: the server says `{"detail": "..."}`. */
function detailOf(text) {
  try {
    return JSON.parse(text).detail ?? "";
  } catch {
    return text.slice(0, 200);
  }
}
