//! `GET /ws`: the protocol of the server that this program grew out of. Sound that comes in fills a stream like any other source;
//! words and the training's progress go out.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::{
    Shared,
    clients::{ClientLane, Visit},
    error::ApiError,
    protocol::{Conversation, Heard, Reply, Wish},
};
use crate::{
    Error,
    event::Event,
    source::{
        SourceSpec,
        push::{PushInput, push_link},
    },
    stream::{ConnectionState, MAX_STREAMS, StreamCommand, StreamKey},
};

/// The largest message of a client, bytes: a second of the fastest sound and some.
const MAX_MESSAGE: usize = 1 << 20;
/// Sound that may wait for the stream; a client that sends faster waits.
const HOLDS: Duration = Duration::from_secs(2);
/// How soon a client that has to wait is looked at again.
const WAIT: Duration = Duration::from_millis(10);
/// How often a silent connection is asked whether it is alive.
const PING: Duration = Duration::from_secs(20);
/// A client that takes nothing for this long is cut off.
const STUCK: Duration = Duration::from_secs(10);
/// How long the last words may take after the sound is over.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Events taken out of the ring at once.
const BATCH: usize = 64;

/// Opens the conversation.
pub(super) async fn open(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let upgrade = upgrade?.max_message_size(MAX_MESSAGE).max_frame_size(MAX_MESSAGE);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let after = shared.engine.events().last_id();
        Talk { shared, visit, socket, talk: Conversation::default(), heard: Heard::default(), lane: None, after }
            .run()
            .await;
    }))
}

/// One client.
struct Talk {
    shared: Shared,
    visit: Visit,
    socket: WebSocket,
    talk: Conversation,
    heard: Heard,
    lane: Option<Lane>,
    after: u64,
}

/// The stream that a client fills.
struct Lane {
    key: StreamKey,
    /// None once the sound is over.
    input: Option<PushInput>,
    _place: ClientLane,
}

/// The conversation is over.
type Flow = ControlFlow<()>;

impl Talk {
    async fn run(mut self) {
        let mut changed = self.shared.engine.events().watch();
        let mut stop = self.shared.stop.clone();
        let mut ping = interval(PING);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let flow = tokio::select! {
                message = self.socket.recv() => match message {
                    Some(Ok(message)) => self.hear(message).await,
                    // It left, or broke the rules of WebSockets.
                    Some(Err(_)) | None => break,
                },
                changed = changed.changed() => match changed {
                    Ok(()) => self.tell().await,
                    Err(_) => break,
                },
                _ = ping.tick() => self.send(Message::Ping(Default::default())).await,
                _ = stop.changed() => {
                    let _ = self.say(Reply::status("stopped", "the server stops".to_owned())).await;
                    break;
                }
            };
            if flow.is_break() {
                break;
            }
        }
        self.leave();
    }

    /// Takes what the client says.
    async fn hear(&mut self, message: Message) -> Flow {
        match message {
            Message::Text(text) => match self.talk.text(text.as_str()) {
                Ok(Wish::Start { model_name, sample_rate_hz }) => match self.start(model_name, sample_rate_hz) {
                    Ok(()) => self.say(Reply::status("ready", None)).await,
                    Err(error) => {
                        self.talk.refused();
                        self.say(Reply::Error { message: error.message }).await
                    }
                },
                Ok(Wish::Stop) => self.stop().await,
                Err(message) => self.say(Reply::Error { message }).await,
            },
            Message::Binary(bytes) => self.take(&bytes).await,
            Message::Ping(_) | Message::Pong(_) => Flow::Continue(()),
            Message::Close(_) => Flow::Break(()),
        }
    }

    /// Opens a lane.
    fn start(&mut self, model_name: Option<String>, sample_rate_hz: u32) -> Result<(), Error> {
        self.leave();
        let engine = &self.shared.engine;
        if let Some(name) = &model_name {
            engine.recogniser().check_known(name)?;
        }
        let place =
            self.visit.lane(Instant::now()).ok_or_else(|| Error::busy("this client has as many lanes as it may"))?;
        let (input, outlet) = push_link("websocket", sample_rate_hz, HOLDS);
        let source = SourceSpec::Push(outlet);
        let keys = (1..=4 * MAX_STREAMS).map(|n| format!("ws-{n}").parse::<StreamKey>());
        let mut full = Error::busy("there is no room for another lane: remove one");
        for key in keys {
            let key = key?;
            if engine.has_stream(&key) {
                continue;
            }
            match engine.add_stream(key.clone(), source.clone(), 0.0) {
                Ok(()) => {
                    if let Some(name) = &model_name {
                        engine.recogniser().use_on(&key, name)?;
                    }
                    engine.command_stream(&key, StreamCommand::StartRecognition)?;
                    engine.command_stream(&key, StreamCommand::Open)?;
                    self.lane = Some(Lane { key, input: Some(input), _place: place });
                    return Ok(());
                }
                // Just ending, or taken meanwhile, or full.
                Err(error) => full = error,
            }
        }
        Err(full)
    }

    /// Hands sound to the stream; where it does not fit the client waits, and nothing is lost.
    async fn take(&mut self, bytes: &[u8]) -> Flow {
        let mut samples = Vec::with_capacity(bytes.len() / 2);
        if let Err(message) = self.talk.sound(bytes, &mut samples) {
            return self.say(Reply::Error { message }).await;
        }
        let (mut left, captured) = (&samples[..], Instant::now());
        while !left.is_empty() {
            let Some(input) = self.lane.as_ref().and_then(|lane| lane.input.as_ref()) else { break };
            let taken = input.push(left, captured);
            left = &left[taken..];
            if left.is_empty() {
                break;
            }
            // A lane that was closed or removed by hand takes nothing any more.
            if *self.shared.stop.borrow() || !self.is_sounding() {
                break;
            }
            tokio::time::sleep(WAIT).await;
            if self.tell().await.is_break() {
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }

    /// The sound is over: the last words are said, then the lane goes.
    async fn stop(&mut self) -> Flow {
        if let Some(lane) = &mut self.lane {
            lane.input = None;
        }
        let until = Instant::now() + LAST_WORDS;
        while Instant::now() < until && self.is_sounding() {
            tokio::time::sleep(WAIT).await;
            if self.tell().await.is_break() {
                return Flow::Break(());
            }
        }
        // Closed means that the recogniser was told to say what it has; it says so before it says that it stopped.
        if let Some(lane) = &self.lane {
            let _ = self.shared.engine.command_stream(&lane.key, StreamCommand::StopRecognition);
        }
        while Instant::now() < until && self.is_recognised() {
            tokio::time::sleep(WAIT).await;
            if self.tell().await.is_break() {
                return Flow::Break(());
            }
        }
        if self.tell().await.is_break() {
            return Flow::Break(());
        }
        self.leave();
        self.say(Reply::status("stopped", None)).await
    }

    fn is_sounding(&self) -> bool {
        self.with_status(|stream| stream.connection != ConnectionState::Closed)
    }

    fn is_recognised(&self) -> bool {
        self.with_status(|stream| stream.is_recognised)
    }

    fn with_status(&self, is_so: impl Fn(&crate::status::StreamStatus) -> bool) -> bool {
        let Some(lane) = &self.lane else { return false };
        let status = self.shared.engine.status(Instant::now());
        status.streams.iter().find(|stream| stream.key == lane.key).is_some_and(is_so)
    }

    /// Lets go of the lane.
    fn leave(&mut self) {
        if let Some(lane) = self.lane.take() {
            // It may have been removed by hand.
            let _ = self.shared.engine.remove_stream(&lane.key);
        }
    }

    /// Says what happened since it last did.
    async fn tell(&mut self) -> Flow {
        loop {
            let (records, missed) = self.shared.engine.events().read_after(self.after, BATCH);
            let Some(last) = records.last() else { return Flow::Continue(()) };
            self.after = last.id;
            let mut say = Vec::new();
            if missed > 0 {
                say.push(Reply::log("warning", format!("{missed} messages were missed: read faster")));
            }
            for record in &records {
                self.heard.tell(&record.event, &mut say);
                let own = self.lane.as_ref().map(|lane| &lane.key);
                match &record.event {
                    Event::Partial { stream, text, tokens, .. } if own == Some(stream) => {
                        say.push(Reply::Partial { text: text.clone(), tokens: tokens.clone() });
                    }
                    Event::Final { stream, segment, .. } if own == Some(stream) => {
                        say.push(Reply::Final { text: segment.text.clone(), tokens: segment.tokens.clone() });
                    }
                    _ => {}
                }
            }
            for reply in say {
                if self.say(reply).await.is_break() {
                    return Flow::Break(());
                }
            }
        }
    }

    async fn say(&mut self, reply: Reply) -> Flow {
        self.send(Message::text(reply.to_text())).await
    }

    async fn send(&mut self, message: Message) -> Flow {
        match timeout(STUCK, self.socket.send(message)).await {
            Ok(Ok(())) => Flow::Continue(()),
            _ => Flow::Break(()),
        }
    }
}
