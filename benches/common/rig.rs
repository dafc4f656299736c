//! A real pump on a source that gives what is due, on a clock that the bench turns.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use seseragi::{
    config::Config,
    event::EventHub,
    link::{Kind, Latest, LinkReceiver, LinkRegistry, LinkSender},
    recognise::lanes::LaneMessage,
    source::{Format, Intake, Source, SourceSpec, SourceState},
    stream::{Pump, PumpOutputs, PumpReport, StreamBatch, StreamCommand, StreamKey, StreamSettings},
    task::Job,
};

/// The pump's own tick.
pub const TICK: Duration = Duration::from_millis(5);

/// Plays its sound over and over in real time, mono, as a device hands it over: each poll gives what is due.
struct Player {
    sound: Arc<[f32]>,
    rate_hz: u32,
    started: Option<Instant>,
    played: u64,
}

impl Source for Player {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        let started = *self.started.get_or_insert(now);
        let due = ((now - started).as_nanos() * u128::from(self.rate_hz) / 1_000_000_000) as u64;
        let at = (self.played % self.sound.len() as u64) as usize;
        let block = ((due - self.played) as usize).min(self.sound.len() - at);
        self.played += block as u64;
        let format = Format { sample_rate_hz: self.rate_hz, channels: 1 };
        intake.push_block(format, now, |out| out.extend_from_slice(&self.sound[at..at + block]));
        SourceState::Flowing
    }
}

/// A pump, its clock and its outputs.
pub struct Rig {
    /// The pump.
    pub pump: Pump,
    /// Columns and sound for the screen; taken by whoever draws.
    pub batches: Option<LinkReceiver<StreamBatch>>,
    /// How the pump stands.
    pub report: Latest<PumpReport>,
    now: Instant,
}

impl Rig {
    /// A pump on `sound` of `rate_hz` that begins with the commands `first`; the recogniser's share goes to `recogniser`.
    pub fn new(
        config: &Config,
        key: &StreamKey,
        sound: &[i16],
        rate_hz: u32,
        recogniser: LinkSender<LaneMessage>,
        first: &[StreamCommand],
    ) -> Self {
        let (links, now) = (LinkRegistry::default(), Instant::now());
        let sound: Arc<[f32]> = sound.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let settings = StreamSettings::new(config, key.clone(), SourceSpec::Demo, 0.0, now);
        let (commands, orders) = links.bounded("commands", Kind::All, 8);
        let (sender, batches) = links.bounded("columns", Kind::Recent, 1024);
        let report = Latest::new(PumpReport::new(&settings));
        let outputs = PumpOutputs {
            batches: sender,
            sound: recogniser,
            recorder: None,
            report: report.clone(),
            events: EventHub::default(),
            monitor: None,
        };
        let open = move |_: &SourceSpec, _| {
            Ok(Box::new(Player { sound: sound.clone(), rate_hz, started: None, played: 0 }) as Box<dyn Source>)
        };
        let pump = Pump::new(settings, Box::new(open), orders, outputs).expect("usual settings");
        for command in first {
            commands.send(command.clone()).expect("room for it");
        }
        Self { pump, batches: Some(batches), report, now }
    }

    /// The pump's next turn, 5 ms after the last.
    pub fn tick(&mut self) {
        self.now += TICK;
        self.pump.tick(self.now);
    }
}
