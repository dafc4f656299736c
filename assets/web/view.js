// What is shown: reads what it is given and writes the page. It knows no connection, no server and no microphone.

import { text, hasText, language } from "./i18n.js";

const $ = (id) => document.getElementById(id);
/** Words kept on the page; the server keeps more. */
const MOST_WORDS = 60;

/** Writes only what differs, so that nothing is read aloud twice. */
function put(element, content) {
  if (element.textContent !== content) element.textContent = content;
}

/** The connection: state, why, what the buttons do. */
export function showConnection(state, lane, facts, now) {
  const { phase } = state;
  const isIdle = phase === "idle";
  const isUp = phase === "connected" || phase === "stalled";
  document.body.dataset.phase = phase;
  document.body.dataset.connects = state.connects;
  put($("state"), text(`state_${phase}`));
  put($("clock"), phase === "connected" ? clock((now - state.since) / 1000) : "");
  const warning = (isUp && lane.is_muted && "hint_muted") || (phase === "connected" && facts.isSilent && "hint_silent") || "";
  const hint = phase === "full" ? text("full_count", { secs: Math.max(0, Math.ceil((state.retryAt - now) / 1000)) }) : text(warning || `hint_${phase}`);
  put($("hint"), hint);
  $("hint").classList.toggle("warns", warning !== "");
  $("full").hidden = phase !== "full";
  put($("start-main"), text(isIdle ? "start" : "end"));
  put($("start-sub"), text(isIdle ? "start_sub" : "end_sub"));
  $("recognise").disabled = lane.is_recognised && !isIdle;
  $("stop").disabled = !lane.is_recognised;
  $("recording").hidden = !(facts.isRecording && !isIdle);
  $("offline").hidden = facts.isListening;
  put($("forget"), text(facts.isSure ? "forget_sure" : "forget"));

  const told = state.notice ?? facts.notice ?? (isUp ? processingNotice(facts.microphone) : null);
  $("notice").hidden = !told;
  if (told) put($("notice"), told.text ?? text(`notice_${told.kind}`, { detail: told.detail ?? "" }));
  $("notice").dataset.kind = told?.kind ?? "";
}

/** What the browser does to the sound although it was asked not to, or does not tell. */
function processingNotice(microphone) {
  const list = (names) => names.map((name) => text(name)).join(language === "ja" ? "、" : ", ");
  if (microphone?.left.length) return { kind: "processing", text: text("processing", { list: list(microphone.left) }) };
  if (microphone?.untold.length) return { kind: "untold", text: text("untold", { list: list(microphone.untold) }) };
  return null;
}

/** The words of the lane. */
export function showWords(lane, isIdle) {
  const finals = lane.words.slice(-MOST_WORDS).join(" ");
  put($("finals"), finals);
  put($("partial"), lane.partial);
  const isEmpty = !finals && !lane.partial;
  $("no-words").hidden = !isEmpty;
  put($("no-words"), text(lane.is_recognised && !isIdle ? "words_on" : "words_off"));
  const isOn = lane.is_recognised && !isIdle;
  put($("recognition"), isOn ? (lane.model ? `${lane.model} · ${text("is_recognised")}` : text("is_recognised")) : text("is_not_recognised"));
  $("recognition").classList.toggle("is-on", isOn);
}

let lastMoved = 0;
let longestPause = 0;

/** The training. Tells on the page itself how long its longest pause was while the training ran. */
export function showTraining(progress, now) {
  const phase = progress?.phase ?? "idle";
  const isRunning = phase === "running";
  const key = `phase_${phase}`;
  put($("phase"), phase === "idle" ? text("no_training") : hasText(key) ? text(key) : phase);
  $("phase").classList.toggle("is-on", isRunning);
  $("figures").hidden = phase === "idle";
  $("bar").hidden = phase === "idle";
  const share = progress?.steps ? Math.min(1, progress.step / progress.steps) : 0;
  $("bar").firstElementChild.style.transform = `translateX(${(share - 1) * 100}%)`;
  $("bar").setAttribute("aria-valuenow", Math.round(share * 100));
  if (progress && phase !== "idle") {
    put($("epoch"), `${progress.epoch} / ${progress.epochs}`);
    put($("step"), `${progress.step} / ${progress.steps}`);
    put($("loss"), Number.isFinite(progress.loss) ? progress.loss.toPrecision(4) : "–");
    put($("to-go"), progress.eta_secs > 0 ? clock(progress.eta_secs) : "–");
  }
  if (isRunning && lastMoved) longestPause = Math.max(longestPause, now - lastMoved);
  lastMoved = isRunning ? now : 0;
  const told = $("training").dataset;
  told.phase = phase;
  told.step = progress?.step ?? 0;
  told.updates = Number(told.updates ?? 0) + (isRunning ? 1 : 0);
  told.longestPauseMillis = Math.round(longestPause);
}

function clock(secs) {
  const whole = Math.max(0, Math.floor(secs));
  const two = (value) => String(value).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}
