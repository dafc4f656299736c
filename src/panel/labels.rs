//! Every text of the panels in English and Japanese: one table.

use std::borrow::Cow;

use crate::{config::Language, stream::ConnectionState};

/// A text in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// English.
    pub en: &'static str,
    /// 日本語.
    pub ja: &'static str,
}

/// Builds the table and a list of all its rows, so that tests miss none.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident: $ja:literal, $en:literal;)*) => {
        $($(#[$doc])* pub const $name: Label = Label { en: $en, ja: $ja };)*
        /// All of the table.
        pub const ALL: &[Label] = &[$($name),*];
    };
}

labels! {
    /// The program.
    NAME: "せせらぎ", "Seseragi";
    /// What fills a lane.
    SOURCE: "音源", "Source";
    /// The shipped demo.
    DEMO: "デモ", "Demo";
    /// A capture device.
    MICROPHONE: "マイク", "Microphone";
    /// A page that publishes its microphone.
    BROWSER: "ブラウザ", "Browser";
    /// A sound file.
    FILE: "ファイル", "File";
    /// Hint of the file box.
    FILE_HINT: "音声ファイルのパス", "path of a sound file";
    /// Takes the file in the box.
    PLAY_FILE: "再生", "Play";
    /// Opens the source.
    OPEN: "接続", "Open";
    /// Closes the source.
    CLOSE: "切断", "Close";
    /// Begins recognition.
    START_RECOGNITION: "リアルタイム開始", "Start recognition";
    /// Ends recognition.
    STOP_RECOGNITION: "停止", "Stop";
    /// Hearing a file or the demo.
    LISTEN: "試聴", "Listen";
    /// Begins recording.
    RECORD: "録音", "Record";
    /// Recording is on.
    RECORDING: "録音中", "REC";
    /// Recording failed.
    NOT_RECORDING: "録音失敗", "Failed";
    /// What the key of recording does.
    KEY_RECORD: "録音の開始・終了", "Start or stop recording";
    /// What the key of keeping does.
    KEY_KEEP: "直前の1分を保存", "Keep the last minute";
    /// The picture shows the present.
    LIVE: "ライブ", "Live";
    /// The picture shows the past.
    LOOKING_BACK: "過去を表示中", "Looking back";
    /// Exact zeros for three seconds.
    MUTED: "無音です。ミュート？", "Silent. Muted?";
    /// No stream exists.
    NO_LANE: "ストリームがありません。設定の lanes を確認してください", "There is no stream: see lanes in the settings";
    /// Recognition.
    RECOGNITION: "認識", "Recognition";
    /// Recognition is on.
    RUNNING: "認識中", "running";
    /// Recognition is on but no sound arrives.
    WAITING: "音声待ち", "waiting for sound";
    /// Recognition is off.
    STOPPED: "停止中", "stopped";
    /// The model in use.
    MODEL: "モデル", "Model";
    /// No model is loaded.
    NO_MODEL: "なし", "none";
    /// Recognition is on but there is nothing to recognise with.
    NEEDS_MODEL: "モデル待ち", "waiting for a model";
    /// Recognition is on but there is nothing to recognise with: what to do.
    CHOOSE_MODEL: "モデルを選ぶか学習してください", "Choose a model, or train one";
    /// Recognition is off: what to do.
    RECOGNITION_IS_OFF: "「リアルタイム開始」で言葉が現れます", "Start recognition to see words";
    /// Recognition is on, nothing was said yet.
    SAY_SOMETHING: "話しかけてください", "Say something";
    /// No word yet.
    NO_WORDS: "認識した言葉がここに並びます", "Words will be listed here";
    /// A better model exists.
    BETTER_MODEL: "新着", "New model";
    /// Takes it.
    USE_IT: "使う", "Use it";
    /// Training.
    TRAINING: "学習", "Training";
    /// What is learnt from.
    DATASET: "データセット", "Dataset";
    /// Hint of the dataset box.
    DATASET_HINT: "demo またはフォルダ", "demo, or a folder";
    /// Name of what is saved.
    SAVE_AS: "保存名", "Save as";
    /// Passes over the dataset.
    EPOCHS: "回数", "Epochs";
    /// Begins a run.
    START_TRAINING: "学習開始", "Start";
    /// Holds a run.
    PAUSE: "一時停止", "Pause";
    /// Goes on with a run.
    RESUME: "再開", "Resume";
    /// Ends a run.
    STOP_TRAINING: "停止", "Stop";
    /// A pass over the dataset.
    EPOCH: "エポック", "epoch";
    /// One update of the parameters.
    STEP: "ステップ", "step";
    /// What is made small.
    LOSS: "損失", "loss";
    /// Accuracy on what was not learnt from.
    VALIDATION: "検証", "validation";
    /// Step size.
    LEARNING_RATE: "学習率", "rate";
    /// Items a second.
    SPEED: "速度", "speed";
    /// Time to go.
    ETA: "残り", "to go";
    /// Progress updates so far.
    UPDATES: "更新", "updates";
    /// The loss curve before its first point.
    NO_CURVE: "学習を始めると損失の曲線が現れます", "The loss curve appears when training starts";
    /// Takes the newest progress into the held display.
    REFRESH: "進捗を更新", "Refresh progress";
    /// Holds the display of progress.
    HOLD_PROGRESS: "進捗表示を止める", "Hold the display";
    /// Recorded sessions.
    SESSIONS: "セッション", "Sessions";
    /// No session is in the folder.
    NO_SESSIONS: "録音されたセッションはありません", "No session has been recorded yet";
    /// Hint of the box for a session.
    SESSION_HINT: "セッションのパス (.mcap)", "path of a session (.mcap)";
    /// Opens a session.
    OPEN_SESSION: "開く", "Open";
    /// Closes a session.
    CLOSE_SESSION: "閉じる", "Close";
    /// Plays a session.
    PLAY: "再生", "Play";
    /// Pauses it.
    PAUSE_REPLAY: "一時停止", "Pause";
    /// To the landmark before.
    PREVIOUS: "前の言葉・ラベル・欠落へ", "To the previous word, label or gap";
    /// To the landmark behind.
    NEXT: "次の言葉・ラベル・欠落へ", "To the next word, label or gap";
    /// What speed does to pitch.
    PITCH_FOLLOWS: "速度（音の高さも変わる）", "Speed; pitch changes with it";
    /// Plays a part over and over.
    LOOP: "反復", "Loop";
    /// A whole session on a strip.
    OVERVIEW: "全体", "Overview of the session";
    /// Takes a change of labels back.
    UNDO: "元に戻す", "Undo";
    /// Takes that back.
    REDO: "やり直す", "Redo";
    /// Writes a session to files.
    EXPORT: "書き出し", "Export";
    /// Labelled sound as a dataset.
    TO_DATASET: "ラベルを学習データへ", "Labels to a dataset";
    /// A box with a text.
    LABEL: "ラベル", "Label";
    /// Hint of the box for its text.
    LABEL_HINT: "ラベルの名前", "text of the label";
    /// Keeps it.
    KEEP: "保存", "Keep";
    /// The longest key.
    SPACE: "スペース", "Space";
    /// What the keys do.
    KEY_SESSIONS: "セッション一覧", "Sessions";
    /// What the keys do.
    KEY_SPACE: "再生／画面の静止", "Play, or freeze the picture";
    /// What the keys do.
    KEY_JUMP: "前・次の言葉など", "Previous, next word or label";
    /// What the keys do.
    KEY_BOX: "再生中の音に枠を描く", "Draw a box over a replay";
    /// Nothing was trained yet.
    IDLE: "待機中", "idle";
    /// The dataset is being read.
    PREPARING: "準備中", "preparing";
    /// Training.
    IS_TRAINING: "学習中", "training";
    /// Held.
    IS_PAUSED: "一時停止中", "paused";
    /// Being ended.
    STOPPING: "停止処理中", "stopping";
    /// All epochs done.
    IS_DONE: "完了", "done";
    /// Ended by an error.
    HAS_FAILED: "失敗", "failed";
    /// All streams on the screen.
    LANES: "レーン", "Lanes";
    /// Gives nobody what a lane hears.
    MUTE: "ミュート", "Mute";
    /// Gives it to everybody again.
    UNMUTE: "ミュート解除", "Unmute";
    /// Nobody gets what the lane hears.
    IS_MUTED: "ミュート中", "muted";
    /// One place towards the top.
    MOVE_UP: "上へ", "move up";
    /// One place towards the bottom.
    MOVE_DOWN: "下へ", "move down";
    /// Ends a lane with its history.
    REMOVE: "取り除く", "Remove";
    /// The second press that it takes.
    REALLY_REMOVE: "本当に取り除く", "Really remove";
    /// The code that a phone scans.
    INVITATION: "電話で参加", "Join with a phone";
    /// What the code does.
    SCAN: "同じネットワークの電話で読み取ると、そのマイクがレーンになります", "Scan it with a phone in the same network: its microphone becomes a lane";
    /// There is no code: why, and what to do.
    ONLY_HERE: "今はこの機械だけに公開しています。電話を招くには、こう起動します", "Served to this machine only. To invite phones, start it like this";
    /// The window in which a word is taught.
    TEACHING: "言葉を教える", "Teach a word";
    /// What to do there.
    TEACH_HOW: "言葉を書き、間を空けて5回ほど話し、取り込みます", "Name it, say it about five times with pauses, take the clips";
    /// Hint of the box for the word.
    WORD_HINT: "新しい言葉", "the new word";
    /// Takes clips from a lane's last seconds.
    TAKE_CLIPS: "直前15秒から取る", "Take the last 15 s";
    /// There is no clip of the word.
    NO_CLIPS: "この言葉の音声はまだありません", "No clip of this word yet";
    /// Recordings of the word.
    CLIPS: "音声", "clips";
    /// Begins the lesson.
    TEACH: "教える", "Teach";
    /// Models.
    MODELS: "モデル一覧", "Models";
    /// No model on disk.
    NO_MODELS: "モデルがありません。学習すると現れます", "No models yet: training makes one";
    /// The model is in use.
    IN_USE: "使用中", "in use";
    /// Better than the one in use.
    BETTER: "新着", "new";
    /// Looks again at what models there are.
    LOOK_AGAIN: "読み直す", "look again";
    /// Takes a model.
    USE: "使う", "Use";
    /// Status.
    STATUS: "状態", "Status";
    /// Time since the start.
    UPTIME: "稼働時間", "uptime";
    /// States so far.
    HISTORY: "接続の履歴", "Connection history";
    /// Samples that arrived.
    SAMPLES_IN: "受信", "samples in";
    /// Samples that are missing.
    SAMPLES_LOST: "欠落", "samples lost";
    /// Times the device lost sound.
    XRUNS: "途切れ", "xruns";
    /// Missing stretches.
    GAPS: "欠落", "Gaps";
    /// No missing stretch.
    NO_GAPS: "欠落はありません", "no gap so far";
    /// Columns made.
    COLUMNS: "スペクトル列", "columns";
    /// Loudness.
    LEVEL: "音量", "level";
    /// Rate.
    SAMPLE_RATE: "周波数", "sample rate";
    /// Time since sound began to arrive.
    CONNECTED_FOR: "接続", "connected";
    /// Links between tasks.
    LINKS: "リンク", "Links";
    /// Items dropped or refused.
    DROPPED: "破棄", "dropped";
    /// Long jobs.
    TASKS: "タスク", "Tasks";
    /// Restarts after a failure.
    RESTARTS: "再起動", "restarts";
    /// How late a job ran.
    LATENESS: "遅れ p99", "late p99";
    /// Drawn frames.
    FRAMES: "描画フレーム", "frames drawn";
    /// Drawn frames a second.
    FPS: "フレームレート", "frame rate";
    /// 99th percentile of the time between drawn frames.
    FRAME_P99: "フレーム p99", "frame p99";
    /// Bytes sent to the GPU.
    UPLOADED: "GPU 転送", "GPU upload";
    /// Longest time between two progress updates.
    LONGEST_PAUSE: "最長間隔", "max pause";
    /// No status yet.
    NO_STATUS: "状態を待っています", "waiting for the status";
    /// Yes.
    YES: "はい", "yes";
    /// No.
    NO: "いいえ", "no";
    /// Keys.
    KEYS: "キー操作", "Keys";
    /// Hide the panels.
    KEY_PANELS: "パネルの表示・非表示", "show or hide all panels";
    /// Help.
    KEY_HELP: "このヘルプ", "this help";
    /// Status.
    KEY_STATUS: "状態の表示", "status";
    /// Fullscreen.
    KEY_FULLSCREEN: "全画面", "full screen";
    /// Live.
    KEY_LIVE: "ライブに戻る", "back to live";
    /// Open or close.
    KEY_OPEN: "音源の接続・切断", "open or close the source";
    /// Recognition.
    KEY_RECOGNITION: "認識の開始・停止", "start or stop recognition";
    /// Training.
    KEY_TRAINING: "学習の開始・停止", "start or stop training";
    /// Pause.
    KEY_PAUSE: "学習の一時停止・再開", "pause or resume training";
    /// Refresh.
    KEY_REFRESH: "進捗を更新", "refresh progress";
    /// Listen.
    KEY_LISTEN: "試聴の切り替え", "listen on or off";
    /// Lanes.
    KEY_LANES: "レーンの管理", "name, mute, move, remove lanes";
    /// Invitation.
    KEY_INVITATION: "参加用コード", "the code for phones";
    /// Choose a lane.
    KEY_LANE: "ストリームを選ぶ", "choose a stream";
    /// Close what is open.
    KEY_ESCAPE: "閉じる", "close the window on top";
    /// Looking back.
    KEY_BACK: "過去を見る", "look back";
    /// Zoom.
    KEY_ZOOM: "拡大・縮小", "zoom";
    /// The mouse.
    DRAG: "ドラッグ", "drag";
    /// The mouse.
    WHEEL: "ホイール", "wheel";
    /// The ring was full.
    CAUSE_OVERRUN: "取りこぼし", "overrun";
    /// No sound arrived.
    CAUSE_STALL: "音声の途絶", "stall";
    /// The source was gone.
    CAUSE_LOST: "音源の喪失", "source lost";
    /// Another source was chosen.
    CAUSE_SWITCH: "音源の切り替え", "source switched";
    /// The lane was muted.
    CAUSE_MUTED: "ミュート", "muted";
    /// Packets were lost.
    CAUSE_NETWORK: "通信の欠落", "lost on the way";
    /// State.
    STATE_IDLE: "未接続", "idle";
    /// State.
    STATE_OPENING: "接続中…", "opening";
    /// State.
    STATE_CONNECTED: "接続済み", "connected";
    /// State.
    STATE_STALLED: "音声が途絶", "stalled";
    /// State.
    STATE_LOST: "再接続中", "retrying";
    /// State.
    STATE_CLOSED: "切断済み", "closed";
}

impl Label {
    /// The text for one line: in both languages, Japanese first.
    pub fn line(self, language: Language) -> Cow<'static, str> {
        match language {
            Language::English => self.en.into(),
            Language::Japanese => self.ja.into(),
            Language::Both if self.en == self.ja => self.en.into(),
            Language::Both => format!("{} {}", self.ja, self.en).into(),
        }
    }

    /// The main text, and the same in the other language where both are shown.
    pub fn pair(self, language: Language) -> (&'static str, Option<&'static str>) {
        match language {
            Language::English => (self.en, None),
            Language::Japanese => (self.ja, None),
            Language::Both => (self.ja, (self.en != self.ja).then_some(self.en)),
        }
    }
}

/// The name of a connection state.
pub fn state(state: ConnectionState) -> Label {
    match state {
        ConnectionState::Idle => STATE_IDLE,
        ConnectionState::Opening => STATE_OPENING,
        ConnectionState::Connected => STATE_CONNECTED,
        ConnectionState::Stalled => STATE_STALLED,
        ConnectionState::Lost => STATE_LOST,
        ConnectionState::Closed => STATE_CLOSED,
    }
}

#[cfg(test)]
#[path = "labels_tests.rs"]
mod tests;
