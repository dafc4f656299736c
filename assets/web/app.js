// The page: gives what happens to the machine, does what the machine asks for, and has the state drawn. What the training does is
// drawn and goes nowhere else.

import { Events } from "./events.js";
import { switchLanguage, translate } from "./i18n.js";
import { initial, isWanted, patienceMillis, step } from "./machine.js";
import { Meter } from "./meter.js";
import { showConnection, showTraining, showWords } from "./view.js";
import { Publisher, openMicrophone } from "./whip.js";

const $ = (id) => document.getElementById(id);
const KEY = "seseragi.key";
const TOKEN = "seseragi.token";
const NAME = "seseragi.name";
/** That this tab was streaming when it was reloaded. */
const WAS_STREAMING = "seseragi.streaming";
/** Whether recognition was asked for, "yes" or "no": the lane is so whenever it comes back. */
const IS_RECOGNISED = "seseragi.recognised";
const TICK_MILLIS = 200;
/** How often the page asks whether it is being recorded, while it streams. */
const RECORDING_MILLIS = 2_000;
const MINUTES_KEPT = 10;

// Who we are: the key is random and stays with this browser; the token came with the address and leaves the address bar at once.
const token = takeToken();
let key = localStorage.getItem(KEY) ?? newKey();
const headers = () => (token ? { Authorization: `Bearer ${token}` } : {});

let state = initial;
let progress = null;
const noLane = () => ({ is_recognised: false, is_muted: false, model: null, partial: "", words: [] });
let lane = noLane();
const facts = { isListening: true, isRecording: false, isSilent: false, isSure: false, microphone: null, notice: null };

const tabs = new BroadcastChannel("seseragi.lane");
const meter = new Meter($("wave"), $("level"), ({ isSilent }) => (facts.isSilent = isSilent));
let publisher = new Publisher(key, headers, happened);
const events = new Events(eventsUrl(), headers, heard, (isOpen) => {
  facts.isListening = isOpen;
  if (isOpen) catchUp();
  draw();
});

const now = () => performance.now();

/** Something happened to the connection: the only way to change its state. */
function happened(event) {
  const [next, effects] = step(state, event, now());
  const came = next.phase === "connected" && state.phase === "opening";
  state = next;
  sessionStorage.setItem(WAS_STREAMING, isWanted(state) ? "1" : "");
  for (const effect of effects) act(effect);
  if (came) connected();
  keepAwake();
  draw();
}

function act(effect) {
  switch (effect) {
    case "ask":
      tabs.postMessage(key);
      openMicrophone().then(gotMicrophone, (error) => happened({ type: "refused", reason: error.reason ?? "microphone", detail: error.detail ?? error.message }));
      break;
    case "publish":
      publisher.publish(facts.microphone.stream, patienceMillis(state.attempt));
      break;
    case "hang-up":
      publisher.hangUp();
      break;
    case "drop":
      publisher.drop();
      break;
    case "release":
      facts.microphone?.stream.getTracks().forEach((track) => track.stop());
      facts.microphone = null;
      meter.detach();
      break;
  }
}

function gotMicrophone(microphone) {
  if (state.phase !== "asking") {
    microphone.stream.getTracks().forEach((track) => track.stop());
    return;
  }
  facts.microphone = microphone;
  microphone.stream.getAudioTracks()[0].addEventListener("ended", () => {
    if (facts.microphone === microphone) happened({ type: "unplugged" });
  });
  meter.attach(microphone.stream);
  happened({ type: "microphone" });
}

/** The lane exists: its name and its recognition are as wished. */
async function connected() {
  events.kick();
  askWhetherRecorded();
  const name = $("name").value.trim();
  if (name) await tell("name", { name });
  // A new lane is recognised from its first sound on, unless that was stopped here.
  const wish = localStorage.getItem(IS_RECOGNISED);
  if (wish) await tell(wish === "yes" ? "start" : "stop");
  await catchUp();
}

/** Says something to the server about our lane. A failure is shown; the connection is not concerned. */
async function tell(what, body) {
  const options = { method: "POST", headers: headers() };
  if (body) Object.assign(options, { headers: { ...headers(), "Content-Type": "application/json" }, body: JSON.stringify(body) });
  try {
    const response = await fetch(`/api/streams/${key}/${what}`, options);
    facts.notice = response.ok || response.status === 404 ? null : { kind: "failed", detail: (await response.json()).detail };
  } catch {
    // Without a network the footer says so; what was wished is told again with the next connection.
  }
  draw();
}

/** How everything stands, after a beginning or a break. */
async function catchUp() {
  const get = async (path) => {
    const response = await fetch(path, { headers: headers(), cache: "no-store" });
    return response.ok ? response.json() : null;
  };
  try {
    const [ours, training] = await Promise.all([get(`/api/streams/${key}`), get("/api/progress")]);
    if (ours) {
      lane = { ...lane, ...picked(ours), words: (ours.tokens ?? []).map((token) => token.token), partial: ours.partial ?? "" };
    } else {
      lane = noLane();
    }
    if (training && training.updates !== progress?.updates) moved(training.phase ? training : null);
  } catch {
    // The events' own back-off comes back here.
  }
  draw();
}

/** Whether the host records this lane. */
async function askWhetherRecorded() {
  if (!isWanted(state)) return;
  try {
    const response = await fetch("/api/status", { headers: headers(), cache: "no-store" });
    const { recording } = await response.json();
    facts.isRecording = recording?.state === "recording" && recording.lanes.includes(key);
  } catch {
    // Without contact nothing is known that is new.
  }
  draw();
}

const picked = ({ is_recognised = false, is_muted = false, model = null }) => ({ is_recognised, is_muted, model });

/** An event of the server. */
function heard({ type, payload }) {
  const isOurs = payload.stream === key;
  if (type === "progress") return moved(payload);
  if (!isOurs) return;
  if (type === "connection") return happened({ type: "server", state: payload.state, reason: payload.reason });
  if (type === "lane") {
    if (payload.change === "removed") {
      lane = noLane();
      return happened({ type: "server", state: "removed" });
    }
    lane = { ...lane, is_muted: payload.change.muted ?? lane.is_muted };
  }
  if (type === "recognition") lane = { ...lane, is_recognised: payload.is_running, model: payload.model };
  if (type === "partial") lane = { ...lane, partial: payload.text };
  if (type === "final") lane = { ...lane, partial: "", words: [...lane.words, ...payload.segment.tokens.map((token) => token.token)].slice(-200) };
  draw();
}

/** The training moved. This draws, and does nothing else. */
function moved(training) {
  progress = training;
  showTraining(progress, now());
}

function draw() {
  showConnection(state, lane, facts, now());
  showWords(lane, !isWanted(state));
}

function wishRecognition(isWished) {
  localStorage.setItem(IS_RECOGNISED, isWished ? "yes" : "no");
  if (isWished && !isWanted(state)) return start(); // recognition follows the connection
  tell(isWished ? "start" : "stop");
}

function start() {
  facts.notice = null;
  meter.wake();
  happened({ type: "start" });
}

async function forget() {
  if (!facts.isSure) {
    facts.isSure = true;
    setTimeout(() => ((facts.isSure = false), draw()), 4_000);
    return draw();
  }
  facts.isSure = false;
  try {
    // What is recorded of the lane first: once it is gone nobody knows whose it was.
    const recorded = await fetch("/api/record/forget", {
      method: "POST",
      headers: { ...headers(), "content-type": "application/json" },
      body: JSON.stringify({ lane: key }),
    });
    if (!recorded.ok) throw new Error((await recorded.json()).detail);
    const response = await fetch(`/api/streams/${key}`, { method: "DELETE", headers: headers() });
    if (!response.ok && response.status !== 404) throw new Error((await response.json()).detail);
  } catch (error) {
    facts.notice = { kind: "failed", detail: error.message };
    return draw();
  }
  for (const kept of [KEY, NAME, IS_RECOGNISED]) localStorage.removeItem(kept);
  happened({ type: "forgotten" });
  key = newKey();
  lane = noLane();
  $("name").value = "";
  publisher = new Publisher(key, headers, happened);
  events.restart(eventsUrl());
  draw();
}

// A phone that goes to sleep stops its microphone: the screen stays on while it streams.
let wakeLock = null;
async function keepAwake() {
  const isDue = isWanted(state) && document.visibilityState === "visible";
  if (!isDue) {
    wakeLock?.release().catch(() => {});
    wakeLock = null;
  } else if (!wakeLock && navigator.wakeLock) {
    wakeLock = { release: async () => {} }; // asked for: not twice
    wakeLock = await navigator.wakeLock.request("screen").catch(() => null);
    wakeLock?.addEventListener("release", () => (wakeLock = null));
  }
}

function eventsUrl() {
  return `/api/events?stream=${encodeURIComponent(key)}`;
}

function newKey() {
  const random = crypto.getRandomValues(new Uint8Array(8));
  const made = "phone-" + [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  localStorage.setItem(KEY, made);
  return made;
}

function takeToken() {
  const found = new URLSearchParams(location.hash.slice(1)).get("token") ?? new URLSearchParams(location.search).get("token");
  if (found) {
    localStorage.setItem(TOKEN, found);
    history.replaceState(null, "", location.pathname);
  }
  return found ?? localStorage.getItem(TOKEN);
}

function dress() {
  translate({ minutes: MINUTES_KEPT });
  draw();
  showTraining(progress, now());
}

$("start").addEventListener("click", () => (isWanted(state) ? happened({ type: "end" }) : start()));
$("recognise").addEventListener("click", () => wishRecognition(true));
$("stop").addEventListener("click", () => wishRecognition(false));
$("forget").addEventListener("click", forget);
$("language").addEventListener("click", () => (switchLanguage(), dress()));
$("name").value = localStorage.getItem(NAME) ?? "";
$("name").addEventListener("change", () => {
  const name = $("name").value.trim();
  localStorage.setItem(NAME, name);
  if (isWanted(state)) tell("name", { name });
});
tabs.addEventListener("message", ({ data }) => data === key && happened({ type: "elsewhere" }));
addEventListener("online", () => (happened({ type: "online" }), events.kick()));
addEventListener("pagehide", () => publisher.hangUp());
addEventListener("pageshow", ({ persisted }) => {
  // Out of the browser's cache of pages, where it was frozen after saying goodbye.
  if (persisted && isWanted(state)) happened({ type: "peer", state: "closed" });
});
document.addEventListener("visibilitychange", () => (keepAwake(), document.hidden || events.kick()));
setInterval(() => happened({ type: "tick" }), TICK_MILLIS);
setInterval(askWhetherRecorded, RECORDING_MILLIS);

dress();
document.body.dataset.key = key;
if (sessionStorage.getItem(WAS_STREAMING) === "1") start();
