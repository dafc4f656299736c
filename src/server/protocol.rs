//! The messages of `GET /ws`, as `/protocol` documents them. No socket here: what comes in is text and bytes, what goes out is a
//! record.

use serde::{Deserialize, Serialize};

use crate::{
    Text,
    event::{Event, WIRE_VERSION},
    recognise::transcript::Token,
    train::progress::{Phase, Progress},
};

/// Rates that a client may send, Hz.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;

/// What a client says in text.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Start { model_name: Option<String>, sample_rate: u32, format: SampleFormat },
    Stop,
}

/// How a sample is written; little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SampleFormat {
    /// 16-bit integers.
    I16,
    /// 32-bit floating point numbers, full scale ±1.
    F32,
}

/// What a client wants to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Wish {
    /// Open a lane for sound of this rate.
    Start { model_name: Option<String>, sample_rate_hz: u32 },
    /// The sound is over.
    Stop,
}

/// A conversation, as far as the client's side of it goes.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    format: Option<SampleFormat>,
    /// The bytes of a sample that is not there whole yet.
    rest: Vec<u8>,
}

impl Conversation {
    /// Understands a text, or says what is wrong with it.
    pub(super) fn text(&mut self, text: &str) -> Result<Wish, String> {
        let said: Said = serde_json::from_str(text).map_err(|error| {
            format!("not understood ({error}); a message is {{\"type\":\"start\",\"sample_rate\":16000,\"format\":\"i16\"}} or {{\"type\":\"stop\"}}")
        })?;
        match said {
            Said::Start { .. } if self.format.is_some() => Err("it was started already: stop first".to_owned()),
            Said::Start { sample_rate, .. } if !RATES_HZ.contains(&sample_rate) => {
                let (least, most) = (RATES_HZ.start(), RATES_HZ.end());
                Err(format!("sample_rate is {sample_rate}; allowed is {least} to {most} Hz"))
            }
            Said::Start { model_name, sample_rate, format } => {
                self.format = Some(format);
                self.rest.clear();
                Ok(Wish::Start { model_name, sample_rate_hz: sample_rate })
            }
            Said::Stop if self.format.is_none() => Err("it was not started".to_owned()),
            Said::Stop => {
                self.format = None;
                Ok(Wish::Stop)
            }
        }
    }

    /// The start could not be granted.
    pub(super) fn refused(&mut self) {
        self.format = None;
    }

    /// Appends the samples of `bytes` to `out`. A sample may be cut anywhere by the messages that carry it.
    pub(super) fn sound(&mut self, bytes: &[u8], out: &mut Vec<f32>) -> Result<(), String> {
        let Some(format) = self.format else {
            return Err("sound before {\"type\":\"start\"}: it says what the bytes are".to_owned());
        };
        self.rest.extend_from_slice(bytes);
        let whole = match format {
            SampleFormat::I16 => {
                let (samples, rest) = self.rest.as_chunks::<2>();
                out.extend(samples.iter().map(|bytes| f32::from(i16::from_le_bytes(*bytes)) / 32_768.0));
                self.rest.len() - rest.len()
            }
            SampleFormat::F32 => {
                let (samples, rest) = self.rest.as_chunks::<4>();
                // What is behind here relies on finite numbers.
                let finite = |sample: f32| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
                out.extend(samples.iter().map(|bytes| finite(f32::from_le_bytes(*bytes))));
                self.rest.len() - rest.len()
            }
        };
        self.rest.drain(..whole);
        Ok(())
    }
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
pub(super) enum Reply {
    /// How the conversation stands.
    Status {
        status: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Words being heard; may still change.
    Partial { text: String, tokens: Vec<Token> },
    /// Words heard; will not change.
    Final { text: String, tokens: Vec<Token> },
    /// The training moved.
    Progress { epoch: u32, total_epochs: u32, step: u64, total_steps: u64, loss: f32, learning_rate: f64 },
    /// An epoch was validated.
    ValidationResult { epoch: u32, val_loss: f32, val_accuracy: Option<f64> },
    /// Something to know.
    Log { level: &'static str, message: String },
    /// Something that was asked cannot be.
    Error { message: String },
}

/// A reply with its version, as it goes over the wire.
#[derive(Serialize)]
struct Versioned<'a> {
    v: u32,
    #[serde(flatten)]
    reply: &'a Reply,
}

impl Reply {
    /// The reply as text.
    pub(super) fn to_text(&self) -> String {
        // Plain data; were it not writable, the client would be told that much.
        serde_json::to_string(&Versioned { v: WIRE_VERSION, reply: self }).unwrap_or_else(|_| {
            r#"{"v":1,"type":"error","payload":{"message":"a message could not be written"}}"#.to_owned()
        })
    }

    /// The status `status`.
    pub(super) fn status(status: &'static str, message: impl Into<Option<String>>) -> Self {
        Self::Status { status, message: message.into() }
    }

    /// A line for the client's log.
    pub(super) fn log(level: &'static str, message: impl Into<String>) -> Self {
        Self::Log { level, message: message.into() }
    }
}

/// What a listener has heard of the training, so that it is told of each change once.
#[derive(Debug, Default)]
pub(super) struct Heard {
    run: Option<Text>,
    phase: Phase,
    validation_loss: Option<f32>,
}

impl Heard {
    /// What `event` says to everybody, whatever they send.
    pub(super) fn tell(&mut self, event: &Event, say: &mut Vec<Reply>) {
        match event {
            Event::Progress(progress) => self.progress(progress, say),
            Event::ModelSaved { model, .. } => say.push(Reply::log("info", format!("the model \"{model}\" was saved"))),
            Event::Failure { owner, message } => say.push(Reply::log("error", format!("{owner}: {message}"))),
            _ => {}
        }
    }

    fn progress(&mut self, progress: &Progress, say: &mut Vec<Reply>) {
        if self.run.as_ref() != Some(&progress.run) {
            *self = Self { run: Some(progress.run.clone()), ..Self::default() };
        }
        if let Some(val_loss) = progress.validation_loss.filter(|_| self.validation_loss != progress.validation_loss) {
            let val_accuracy = progress.validation_accuracy;
            say.push(Reply::ValidationResult { epoch: progress.epoch, val_loss, val_accuracy });
        }
        if progress.phase == Phase::Running {
            say.push(Reply::Progress {
                epoch: progress.epoch,
                total_epochs: progress.epochs,
                step: progress.step,
                total_steps: progress.steps,
                loss: progress.loss,
                learning_rate: progress.learning_rate,
            });
        }
        if progress.phase != self.phase {
            let of_run = |what: &str| format!("the training \"{}\" {what}", progress.run);
            match progress.phase {
                Phase::Preparing => say.push(Reply::log("info", of_run("reads its dataset"))),
                Phase::Done if progress.step < progress.steps => {
                    say.push(Reply::status("stopped", of_run("was stopped")));
                }
                Phase::Done => say.push(Reply::status("completed", of_run("is done"))),
                Phase::Failed => {
                    let message = progress.message.as_deref().unwrap_or("failed");
                    say.push(Reply::Error { message: of_run(&format!("failed: {message}")) });
                }
                Phase::Paused => say.push(Reply::log("info", of_run("is paused"))),
                Phase::Idle | Phase::Running | Phase::Stopping => {}
            }
        }
        (self.phase, self.validation_loss) = (progress.phase, progress.validation_loss);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const START: &str = r#"{"type":"start","sample_rate":16000,"format":"i16"}"#;

    #[test]
    fn the_original_s_messages_are_understood() {
        let mut talk = Conversation::default();
        let start = r#"{"type":"start","model_name":"digits","sample_rate":16000,"format":"f32"}"#;
        let wish = Wish::Start { model_name: Some("digits".into()), sample_rate_hz: 16_000 };
        assert_eq!(talk.text(start), Ok(wish));
        let mut samples = Vec::new();
        let bytes = [0.5_f32.to_le_bytes(), f32::NAN.to_le_bytes(), 7.0_f32.to_le_bytes()].concat();
        talk.sound(&bytes, &mut samples).unwrap();
        assert_eq!(samples, [0.5, 0.0, 1.0]);
        assert!(talk.text(start).unwrap_err().contains("stop first"));
        assert_eq!(talk.text(r#"{"type":"stop"}"#), Ok(Wish::Stop));
        assert!(talk.text(r#"{"type":"stop"}"#).is_err());
        assert!(talk.sound(&bytes, &mut samples).unwrap_err().contains("start"));
        for (bad, says) in [
            ("", "not understood"),
            (r#"{"type":"dance"}"#, "dance"),
            (r#"{"type":"start"}"#, "sample_rate"),
            (r#"{"type":"start","sample_rate":16000,"format":"u8"}"#, "u8"),
            (r#"{"type":"start","sample_rate":1,"format":"i16"}"#, "4000 to 192000"),
        ] {
            let error = talk.text(bad).unwrap_err();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }

    #[test]
    fn replies_have_the_form_of_the_original_and_a_version() {
        let reply = Reply::Final { text: "two".into(), tokens: vec![] }.to_text();
        let value: serde_json::Value = serde_json::from_str(&reply).unwrap();
        assert_eq!(value, json!({"v": 1, "type": "final", "payload": {"text": "two", "tokens": []}}));
        let ready = serde_json::from_str::<serde_json::Value>(&Reply::status("ready", None).to_text()).unwrap();
        assert_eq!(ready, json!({"v": 1, "type": "status", "payload": {"status": "ready"}}));
    }

    #[test]
    fn every_epoch_is_validated_once_and_the_end_is_told() {
        let (mut heard, mut say) = (Heard::default(), Vec::new());
        let mut progress = Progress { phase: Phase::Running, steps: 4, ..Progress::new("run".into()) };
        for (step, validation_loss) in [(1, None), (2, None), (2, Some(0.5)), (3, Some(0.5)), (4, Some(0.25))] {
            (progress.step, progress.validation_loss) = (step, validation_loss);
            heard.tell(&Event::Progress(progress.clone()), &mut say);
        }
        progress.phase = Phase::Done;
        heard.tell(&Event::Progress(progress.clone()), &mut say);
        heard.tell(&Event::Progress(progress), &mut say);
        let losses = say.iter().filter_map(|reply| match reply {
            Reply::ValidationResult { val_loss, .. } => Some(*val_loss),
            _ => None,
        });
        assert_eq!(losses.collect::<Vec<_>>(), [0.5, 0.25]);
        let ends = say.iter().filter(|reply| matches!(reply, Reply::Status { status: "completed", .. })).count();
        assert_eq!((ends, say.len()), (1, 5 + 2 + 1));
    }

    #[derive(Clone, Debug)]
    enum Message {
        Text(String),
        Sound(Vec<u8>),
    }

    fn message() -> impl Strategy<Value = Message> {
        let text = prop_oneof![
            Just(START.to_owned()),
            Just(r#"{"type":"stop"}"#.to_owned()),
            any::<String>(),
            (any::<u64>(), "[a-z0-9]{0,4}").prop_map(|(rate, format)| {
                format!(r#"{{"type":"start","sample_rate":{rate},"format":"{format}"}}"#)
            }),
        ];
        prop_oneof![text.prop_map(Message::Text), prop::collection::vec(any::<u8>(), 0..64).prop_map(Message::Sound)]
    }

    proptest! {
        #[test]
        fn whatever_is_sent_nothing_panics_and_little_is_held(messages in prop::collection::vec(message(), 0..64)) {
            let mut talk = Conversation::default();
            for message in messages {
                match message {
                    Message::Text(text) => {
                        let _ = talk.text(&text);
                    }
                    Message::Sound(bytes) => {
                        let mut samples = Vec::new();
                        let taken = talk.sound(&bytes, &mut samples);
                        prop_assert!(samples.len() <= bytes.len().div_ceil(2) + 1);
                        prop_assert!(samples.iter().all(|sample| sample.abs() <= 1.0));
                        prop_assert_eq!(taken.is_ok(), talk.format.is_some());
                    }
                }
                prop_assert!(talk.rest.len() < 4);
            }
        }

        #[test]
        fn how_sound_is_cut_into_messages_does_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..200), cuts in prop::collection::vec(0usize..9, 0..80)) {
            let hear = |pieces: Vec<&[u8]>| {
                let (mut talk, mut samples) = (Conversation::default(), Vec::new());
                talk.text(START).unwrap();
                pieces.iter().for_each(|piece| talk.sound(piece, &mut samples).unwrap());
                samples
            };
            let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
            for cut in cuts {
                let (piece, more) = rest.split_at(cut.min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            pieces.push(rest);
            prop_assert_eq!(hear(pieces), hear(vec![&bytes]));
        }
    }
}
