// How this page stands with its microphone and with the server: one pure function, `step`. It draws nothing, waits for nothing and
// reads no clock, so a test turns the clock. What is drawn reads the state and cannot change it; what the training does is no
// event here, so that nothing it shows can touch the connection.

/** What a page that was just opened is like. Times are milliseconds on the caller's clock. */
export const initial = Object.freeze({
  phase: "idle", // idle, asking, opening, connected, stalled, waiting, full
  since: 0, // when the phase began
  attempt: 0, // connections tried in a row without success
  connects: 0, // connections that came to be since START
  retryAt: 0, // when a waiting page tries again
  brokenAt: 0, // when the peer connection last lost its way; 0 while it has not
  notice: null, // { kind, detail } to tell, where there is something to tell
});

/** A connection that is not there after this long is given up and tried anew. */
export const OPENING_MILLIS = 10_000;
/** A peer connection that lost its way gets this long to find it by itself. */
const GRACE_MILLIS = 1_000;
/** The server says "lost" after five seconds without sound; sound that still flows after this long of "stalled" does not arrive. */
const STALLED_MILLIS = 4_000;
/** Attempts that follow each other within a second; later ones leave the server more air. */
const QUICK_ATTEMPTS = 60;
/** Whoever waits for a place is let in this soon where the server does not say when to ask. */
const FULL_MILLIS = 3_000;

/** Whether the microphone is being sent, or is to be as soon as that is possible. */
export const isWanted = (state) => state.phase !== "idle";

/** How long to wait before the attempt after `attempt` failed ones. */
export function backOffMillis(attempt) {
  return attempt > QUICK_ATTEMPTS ? 5_000 : Math.min(1_000, 250 * 2 ** Math.max(0, attempt - 1));
}

/** How long one attempt may take to be answered. Every fourth is patient: a slow network must get through as well. */
export function patienceMillis(attempt) {
  return attempt === 0 || attempt % 4 === 3 ? 6_000 : 1_500;
}

/**
 * The state after `event` at time `now`, and what is to be done: a list out of `ask` (for the microphone), `publish`, `hang-up` (say
 * goodbye to the server), `drop` (the peer connection, without a word: a newer one takes its place) and `release` (the microphone).
 */
export function step(state, event, now) {
  const enter = (phase, more) => ({ ...state, phase, since: now, brokenAt: 0, ...more });
  const publish = (attempt, ...first) => [enter("opening", { attempt, notice: null }), [...first, "publish"]];
  const retry = (...first) => {
    const attempt = state.attempt + 1;
    return [enter("waiting", { attempt, retryAt: now + backOffMillis(attempt) }), first];
  };
  const end = (notice, ...effects) => [enter("idle", { attempt: 0, notice }), effects];
  const stays = [state, []];
  const isUp = state.phase === "connected" || state.phase === "stalled";

  switch (event.type) {
    case "start":
      return isWanted(state) ? stays : [enter("asking", { attempt: 0, connects: 0, notice: null }), ["ask"]];
    case "end":
      return isWanted(state) ? end(null, "hang-up", "release") : stays;
    case "forgotten":
      return end({ kind: "forgotten" }, "drop", "release");
    case "elsewhere": // another tab of this browser streams as the same lane now
      return isWanted(state) ? end({ kind: "elsewhere" }, "drop", "release") : stays;

    case "microphone":
      return state.phase === "asking" ? publish(0) : stays;
    case "refused":
      return state.phase === "asking" ? end({ kind: event.reason, detail: event.detail }, "drop", "release") : stays;
    case "unplugged": // another microphone may be there
      return isWanted(state) ? [enter("asking", { notice: null }), ["drop", "release", "ask"]] : stays;

    case "rejected":
      if (state.phase !== "opening") return stays;
      if (event.status === 503 || event.status === 429) {
        const wait = event.retryAfterSecs > 0 ? Math.min(event.retryAfterSecs, 60) * 1_000 : FULL_MILLIS;
        return [enter("full", { attempt: 0, retryAt: now + wait }), ["drop"]];
      }
      if (event.status === 401 || event.status === 403) return end({ kind: "token", detail: event.detail }, "drop", "release");
      if (event.status >= 400 && event.status < 500 && event.status !== 409) {
        return end({ kind: "rejected", detail: event.detail }, "drop", "release");
      }
      return retry("drop");
    case "unreachable":
      return state.phase === "opening" ? retry("drop") : stays;

    case "peer":
      if (event.state === "connected") {
        if (state.phase === "opening") return [enter("connected", { attempt: 0, connects: state.connects + 1, notice: null }), []];
        return isUp ? [{ ...state, brokenAt: 0 }, []] : stays;
      }
      if (event.state === "disconnected" && isUp) return [{ ...state, brokenAt: state.brokenAt || now }, []];
      if (event.state === "failed" || event.state === "closed") {
        if (isUp) return publish(0, "drop");
        if (state.phase === "opening") return retry("drop");
      }
      return stays;

    case "server": // what the server says of our lane
      if (event.state === "removed") return isWanted(state) ? end({ kind: "removed" }, "drop", "release") : stays;
      if (!isUp) return stays;
      if (event.state === "connected") return state.phase === "stalled" ? [enter("connected"), []] : stays;
      if (event.state === "stalled") return state.phase === "connected" ? [{ ...enter("stalled"), brokenAt: state.brokenAt }, []] : stays;
      if (event.state === "lost") return publish(0, "drop");
      if (event.state === "closed") return end({ kind: "closed" }, "drop", "release");
      return stays;

    case "online": // the device says that it has a network again
      return state.phase === "waiting" ? publish(state.attempt) : stays;
    case "tick":
      if (state.phase === "opening" && now - state.since >= OPENING_MILLIS) return retry("drop");
      if (state.phase === "waiting" && now >= state.retryAt) return publish(state.attempt);
      if (state.phase === "full" && now >= state.retryAt) return publish(0);
      if (isUp && state.brokenAt && now - state.brokenAt >= GRACE_MILLIS) return publish(0, "drop");
      if (state.phase === "stalled" && now - state.since >= STALLED_MILLIS) return publish(0, "drop");
      return stays;
    default:
      return stays;
  }
}
