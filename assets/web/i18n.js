// Every text of the page in English and Japanese: one table. Where a word stands on the program's screen too, it is the same word.

const TEXTS = {
  title: ["Seseragi: be a microphone", "せせらぎ：マイクになる"],
  other_language: ["日本語", "English"],
  state_idle: ["Not streaming", "未接続"],
  state_asking: ["Asking for the microphone…", "マイクの許可を待っています…"],
  state_opening: ["Connecting…", "接続中…"],
  state_connected: ["Connected", "接続済み"],
  state_stalled: ["No sound arrives", "音声が途絶"],
  state_waiting: ["Reconnecting…", "再接続中…"],
  state_full: ["Full. Please wait", "満員です。お待ちください"],
  hint_idle: ["Press START and this phone becomes a lane on the screen", "START を押すと、この端末が画面のレーンになります"],
  hint_asking: ["Allow it in the browser's question", "ブラウザの確認で「許可」を選んでください"],
  hint_opening: ["The screen is being called", "画面を呼び出しています"],
  hint_connected: ["The screen hears this microphone", "このマイクの音が画面に届いています"],
  hint_muted: ["Muted by the host; the screen does not hear you", "ホストがミュートしています。音は届きません"],
  hint_silent: ["Only silence. Is the microphone muted?", "無音です。マイクがミュートになっていませんか？"],
  hint_stalled: ["Your lane stays; waiting for sound", "レーンはそのまま。音を待っています"],
  hint_waiting: ["Your lane and its words stay", "レーンと言葉はそのまま残っています"],
  full_text: ["Every lane is taken. Leave this page open: you are let in as soon as there is room.", "すべてのレーンが使われています。このページを開いたままお待ちください。空きしだい、つながります。"],
  full_count: ["Asking again in {secs} s", "{secs} 秒後にもう一度たずねます"],
  recording: ["Recording", "録音中"],
  start: ["START", "START"],
  start_sub: ["Use this microphone", "このマイクを使う"],
  end: ["END", "終了"],
  end_sub: ["Stop sending", "送信をやめる"],
  recognise: ["Start recognition", "リアルタイム開始"],
  stop: ["Stop", "停止"],
  level: ["Level", "音量"],
  waveform: ["Waveform of your microphone, the last six seconds", "マイクの波形（直近６秒）"],
  transcript: ["Words", "認識した言葉"],
  is_recognised: ["running", "認識中"],
  is_not_recognised: ["stopped", "停止中"],
  no_model: ["waiting for a model", "モデル待ち"],
  words_off: ["Start recognition to see words", "「リアルタイム開始」で言葉が現れます"],
  words_on: ["Say something", "話しかけてください"],
  training: ["Training", "学習"],
  phase_idle: ["idle", "待機中"],
  phase_preparing: ["preparing", "準備中"],
  phase_running: ["training", "学習中"],
  phase_paused: ["paused", "一時停止中"],
  phase_stopping: ["stopping", "停止処理中"],
  phase_done: ["done", "完了"],
  phase_failed: ["failed", "失敗"],
  no_training: ["Nothing is being trained", "学習は行われていません"],
  epoch: ["epoch", "エポック"],
  step: ["step", "ステップ"],
  loss: ["loss", "損失"],
  to_go: ["to go", "残り"],
  name: ["Name of your lane", "レーンの名前"],
  name_hint: ["for example: Aki", "例：あき"],
  privacy: ["What is heard and kept", "何が聞かれ、何が残るか"],
  heard: ["Heard: this microphone, from START to END. Nothing before, nothing after, and nothing else of this phone.", "聞くもの：START から終了まで、このマイクの音だけ。それ以外は何も聞きません。"],
  kept: ["Kept: the last {minutes} minutes of sound and its words, in the memory of the machine with the screen. Nothing leaves for the internet. They go when that program ends.", "残るもの：直近 {minutes} 分の音と言葉が、画面の機械のメモリに残ります。インターネットには送りません。プログラムの終了とともに消えます。"],
  kept_recording: ["When the host records, your sound stands in a file of theirs. While that happens, this page says so in red.", "ホストが録音すると、音はホストのファイルに残ります。録音中は赤く表示します。"],
  forget: ["Forget me", "私の記録を消す"],
  forget_note: ["Removes your lane, its history and its words, and marks your part of recorded files for removal", "レーン・履歴・言葉を消し、録音ファイルの中のあなたの部分に削除の印を付けます"],
  forget_sure: ["Really forget?", "本当に消しますか？"],
  help: ["Certificate warning? No connection? Read this", "証明書の警告や接続の問題はこちら"],
  offline: ["No contact with the server; trying again", "サーバーと通信できません。再試行中"],
  notice_insecure: ["Browsers give a microphone only to secure pages. Open this page with https:// (scan the code on the screen).", "マイクは安全なページでのみ使えます。https:// で開いてください（画面のコードを読み取ってください）。"],
  notice_denied: ["The microphone was refused. Allow it for this page in the browser's settings, then press START.", "マイクの使用が拒否されました。ブラウザの設定でこのページに許可してから START を押してください。"],
  notice_missing: ["There is no microphone on this device.", "この端末にマイクが見つかりません。"],
  notice_busy: ["The microphone is in use by another app. Close that, then press START.", "マイクは他のアプリが使用中です。閉じてから START を押してください。"],
  notice_microphone: ["The microphone could not be opened: {detail}", "マイクを開けませんでした：{detail}"],
  notice_token: ["This address has expired. Scan the code on the screen again.", "このアドレスは無効です。画面のコードをもう一度読み取ってください。"],
  notice_rejected: ["The screen did not take the connection: {detail}", "画面が接続を受け付けませんでした：{detail}"],
  notice_failed: ["That did not work: {detail}", "できませんでした：{detail}"],
  notice_removed: ["The host removed your lane. Press START to come back.", "ホストがレーンを取り除きました。START で戻れます。"],
  notice_closed: ["The host closed your lane. Press START to come back.", "ホストがレーンを閉じました。START で戻れます。"],
  notice_elsewhere: ["This lane now streams from another tab.", "別のタブがこのレーンを送信しています。"],
  notice_forgotten: ["Forgotten: your lane, its history and its words are gone.", "消しました：レーン・履歴・言葉はもうありません。"],
  processing: ["This browser keeps on: {list}. The screen sees your sound altered.", "ブラウザが次の加工を続けています：{list}。画面には加工された音が届きます。"],
  untold: ["This browser does not say whether it alters the sound ({list}).", "音の加工の有無をブラウザが知らせません（{list}）。"],
  echoCancellation: ["echo cancellation", "エコー除去"],
  noiseSuppression: ["noise suppression", "ノイズ抑制"],
  autoGainControl: ["automatic gain", "自動音量調整"],
};

const LANGUAGES = ["en", "ja"];

/** The language in use: the chosen one, else what the browser prefers. */
export let language = LANGUAGES.find((known) => known === localStorage.getItem("seseragi.language"))
  ?? (navigator.languages ?? [navigator.language]).map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES.includes(tag)) ?? "en";

/** The text called `key`, with `{name}` filled in from `values`. */
export function text(key, values = {}) {
  const found = TEXTS[key]?.[LANGUAGES.indexOf(language)] ?? key;
  return found.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** Whether there is such a text. */
export const hasText = (key) => key in TEXTS;

/** Fills every element that names its text in `data-text`, or in `data-label` for those who do not see. */
export function translate(values = {}) {
  document.documentElement.lang = language;
  document.title = text("title");
  for (const element of document.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text, values);
  for (const element of document.querySelectorAll("[data-label]")) element.setAttribute("aria-label", text(element.dataset.label));
  for (const element of document.querySelectorAll("[data-hint]")) element.placeholder = text(element.dataset.hint);
}

/** Changes to the other language, and keeps it. */
export function switchLanguage() {
  language = language === "en" ? "ja" : "en";
  localStorage.setItem("seseragi.language", language);
}
