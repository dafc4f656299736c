//! The pump against a source that follows a script, on a clock that the test turns.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use super::*;
use crate::{
    dsp::stft::StftConfig,
    event::EventHub,
    link::{Kind, Latest, LinkRegistry, LinkSender},
    recognise::lanes::LaneMessage,
    source::{PlayMode, SourceSpec},
    stream::StreamBatch,
};

/// What the scripted source does at one poll.
enum Act {
    /// 5 ms of sound at 1 kHz: each sample is its own number, so that nothing can be lost unseen.
    Sound,
    Nothing,
    Gap(u64),
    Fail,
    End,
}

const RATE: u32 = 8000;
const BLOCK: usize = 40;

#[derive(Clone, Default)]
struct Script {
    acts: Arc<Mutex<VecDeque<Act>>>,
    next: Arc<Mutex<i16>>,
    opened: Arc<Mutex<u32>>,
    refuses: Arc<Mutex<bool>>,
}

impl Source for Script {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        let format = Format { sample_rate_hz: RATE, channels: 1 };
        match self.acts.lock().unwrap().pop_front() {
            Some(Act::Sound) => intake.push_block(format, now, |samples| {
                let mut next = self.next.lock().unwrap();
                for _ in 0..BLOCK {
                    *next = next.wrapping_add(1);
                    samples.push(f32::from(*next) / 32768.0);
                }
            }),
            Some(Act::Gap(frames)) => intake.push_gap(frames, GapCause::Overrun),
            Some(Act::Fail) => return SourceState::Failed(Error::unavailable("unplugged")),
            Some(Act::End) => return SourceState::Ended,
            Some(Act::Nothing) | None => {}
        }
        SourceState::Flowing
    }
}

struct Bench {
    pump: Pump,
    script: Script,
    now: Instant,
    commands: LinkSender<StreamCommand>,
    sound: LinkReceiver<LaneMessage>,
    batches: LinkReceiver<StreamBatch>,
    report: Latest<PumpReport>,
    events: EventHub,
    links: LinkRegistry,
}

impl Bench {
    fn new() -> Self {
        let (now, links, events) = (Instant::now(), LinkRegistry::default(), EventHub::default());
        let (commands, orders) = links.bounded("commands", Kind::All, 16);
        let (sound_in, sound) = links.bounded("sound", Kind::All, 10_000);
        let (batches_in, batches) = links.bounded("columns", Kind::Recent, 1000);
        let settings = StreamSettings {
            key: "test".parse().unwrap(),
            name: "test".into(),
            source: SourceSpec::File { path: "script".into(), mode: PlayMode::RealTime },
            gain_db: 0.0,
            sample_rate_hz: RATE,
            bit_depth: 16,
            stft: StftConfig { fft_size: 256, hop: 64, ..StftConfig::default() },
            started: now,
        };
        let script = Script::default();
        let source = script.clone();
        let opener: Opener = Box::new(move |_, _| {
            *source.opened.lock().unwrap() += 1;
            match *source.refuses.lock().unwrap() {
                true => Err(Error::unavailable("no such device")),
                false => Ok(Box::new(source.clone())),
            }
        });
        let report = Latest::new(PumpReport::new(&settings));
        let (report_in, events_in) = (report.clone(), events.clone());
        let out = PumpOutputs {
            batches: batches_in,
            sound: sound_in,
            report: report_in,
            events: events_in,
            recorder: None,
            monitor: None,
        };
        let pump = Pump::new(settings, opener, orders, out).unwrap();
        Self { pump, script, now, commands, sound, batches, report, events, links }
    }

    fn act(&mut self, act: Act) {
        self.script.acts.lock().unwrap().push_back(act);
        self.now += TICK;
        self.pump.tick(self.now);
        // What a source would have done while it was not there is not done later.
        self.script.acts.lock().unwrap().clear();
    }

    fn sound(&mut self, blocks: usize) {
        (0..blocks).for_each(|_| self.act(Act::Sound));
    }

    fn idle(&mut self, secs: f64) {
        (0..(secs / TICK.as_secs_f64()).round() as usize).for_each(|_| self.act(Act::Nothing));
    }

    fn command(&mut self, command: StreamCommand) {
        assert!(self.commands.send(command).is_ok());
        self.pump.tick(self.now);
    }

    fn states(&self) -> Vec<ConnectionState> {
        self.report.load().connection.history().iter().map(|transition| transition.state).collect()
    }

    /// What the recogniser was told of the sound, one after the other.
    fn heard(&mut self) -> Vec<i16> {
        self.pump.send_sound(true);
        let mut heard: Vec<i16> = Vec::new();
        while let Some(message) = self.sound.try_recv() {
            if let LaneMessageKind::Sound { first_sample, samples } = message.kind {
                assert_eq!(first_sample, heard.len() as u64, "sound is told in order and without a hole");
                heard.extend_from_slice(&samples);
            }
        }
        heard
    }

    fn gaps(&self) -> Vec<(u64, u64, GapCause)> {
        self.report.load().gaps.iter().map(|gap| (gap.at_sample, gap.len_samples, gap.cause)).collect()
    }
}

use ConnectionState::{Closed, Connected, Idle, Lost, Opening, Stalled};

#[test]
fn sound_passes_bit_for_bit_and_the_connection_is_made_once() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(500);
    bench.command(StreamCommand::StartRecognition);
    bench.sound(500);
    assert_eq!(bench.states(), [Idle, Opening, Connected]);
    let heard = bench.heard();
    let played: Vec<i16> = (1..=heard.len()).map(|i| i as i16).collect();
    assert_eq!((heard.len(), heard), (1000 * BLOCK, played));
    let report = bench.report.load();
    assert_eq!((report.stats.samples_in, report.stats.samples_lost), (1000 * BLOCK as u64, 0));
    assert_eq!(report.stats.columns, (1000 * BLOCK as u64 - 256) / 64 + 1);
    assert!(bench.links.status().iter().all(|link| link.dropped == 0));
    let mut columns: usize =
        std::iter::from_fn(|| bench.batches.try_recv()).map(|batch| batch.columns.len() / 129).sum();
    bench.pump.tick(bench.now);
    columns += bench.batches.try_recv().map_or(0, |batch| batch.columns.len() / 129);
    assert_eq!(columns as u64, report.stats.columns, "nobody looked all the while, and nothing is missing");
}

#[test]
fn a_lost_source_is_retried_and_the_clock_goes_on() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(100);
    let before = bench.report.load().stats.samples_in;
    *bench.script.refuses.lock().unwrap() = true;
    bench.act(Act::Fail);
    bench.idle(10.0);
    assert_eq!(bench.states()[2..4], [Connected, Lost]);
    let attempts = *bench.script.opened.lock().unwrap();
    assert!((11..=14).contains(&attempts), "{attempts} attempts: back-off from 0.1 s, capped at 1 s");
    let clock = bench.pump.analysis.samples();
    assert!(clock > before + 9 * u64::from(RATE), "the clock goes on while the source is away: {clock}");
    *bench.script.refuses.lock().unwrap() = false;
    bench.idle(1.0);
    bench.sound(100);
    assert_eq!(bench.report.load().connection.state(), Connected);
    let heard = bench.heard();
    let missing: u64 = bench.gaps().iter().map(|gap| gap.1).sum();
    // 11 s and one tick were without sound: the gap is right to the sample.
    assert_eq!(missing, (11.0 * f64::from(RATE)) as u64 + BLOCK as u64);
    assert_eq!(bench.gaps(), [(before, missing, GapCause::Lost)]);
    assert_eq!(heard.iter().filter(|&&sample| sample == 0).count() as u64, missing);
    assert_eq!(heard.len() as u64, bench.report.load().stats.samples_in + missing);
}

#[test]
fn a_silent_stall_is_seen_and_a_source_that_wakes_up_goes_on() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(100);
    bench.idle(1.0);
    assert_eq!(bench.states(), [Idle, Opening, Connected, Stalled]);
    let stalled_after = bench.report.load().connection.history()[3].at_secs - 0.5;
    assert!((0.49..0.52).contains(&stalled_after), "{stalled_after}");
    bench.sound(100);
    assert_eq!(bench.states(), [Idle, Opening, Connected, Stalled, Connected]);
    assert_eq!(bench.gaps(), [(100 * BLOCK as u64, u64::from(RATE), GapCause::Stall)]);
    bench.idle(3.0);
    assert_eq!(bench.states()[5..], [Stalled, Lost], "a stall that lasts is treated like a loss");
    assert_eq!(*bench.script.opened.lock().unwrap(), 2, "and the source is opened anew");
}

#[test]
fn an_overrun_is_a_gap_in_its_place() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(10);
    bench.act(Act::Gap(7));
    bench.sound(10);
    assert_eq!(bench.gaps(), [(400, 7, GapCause::Overrun)]);
    let heard = bench.heard();
    assert_eq!((heard[399], &heard[400..407], heard[407]), (400, &[0; 7][..], 401));
    assert_eq!(bench.report.load().stats.xruns, 1);
}

#[test]
fn the_end_of_a_file_and_closing_by_hand_are_no_faults() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(10);
    bench.act(Act::End);
    bench.idle(2.0);
    bench.command(StreamCommand::Open);
    bench.sound(10);
    bench.command(StreamCommand::Close);
    bench.idle(2.0);
    assert_eq!(bench.states(), [Idle, Opening, Connected, Closed, Opening, Connected, Closed]);
    assert_eq!(bench.gaps(), []);
    assert_eq!(bench.heard().len(), 20 * BLOCK);
}

#[test]
fn another_source_fills_the_same_stream() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(10);
    bench.command(StreamCommand::SetSource(SourceSpec::Demo));
    bench.idle(0.1);
    bench.sound(10);
    assert_eq!(bench.states(), [Idle, Opening, Connected, Opening, Connected]);
    assert_eq!(bench.gaps(), [(400, 800, GapCause::Switch)]);
    assert_eq!(bench.report.load().source, SourceSpec::Demo);
}

#[test]
fn a_panicking_source_costs_a_gap_and_no_stream() {
    struct Broken;
    impl Source for Broken {
        fn poll(&mut self, _now: Instant, _intake: &mut Intake) -> SourceState {
            panic!("a defect in a driver");
        }
    }
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(10);
    bench.pump.source = Some(Box::new(Broken));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| bench.pump.tick(bench.now)));
    assert!(panicked.is_err());
    bench.pump.recover(bench.now, Error::internal("a defect in a driver"));
    bench.idle(0.2);
    bench.sound(10);
    assert_eq!(bench.report.load().connection.state(), Connected);
    assert!(bench.report.load().failure.is_some());
    assert_eq!(bench.gaps().len(), 1);
    let told = bench.events.read_after(0, usize::MAX).0;
    assert!(told.iter().any(|record| matches!(record.event, Event::Failure { .. })));
}

#[test]
fn when_the_recogniser_is_behind_its_sound_waits_in_order() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    // More than the link holds: 10,000 messages of 20 ms.
    let blocks = 4 * 10_100;
    bench.sound(blocks);
    let dropped = bench.links.status().iter().find(|link| &*link.name == "sound").map(|link| link.dropped);
    assert!(dropped > Some(0), "the link said that it was full");
    let mut heard = bench.heard();
    bench.pump.tick(bench.now);
    bench.pump.send_sound(true);
    while let Some(message) = bench.sound.try_recv() {
        if let LaneMessageKind::Sound { first_sample, samples } = message.kind {
            assert_eq!(first_sample, heard.len() as u64);
            heard.extend_from_slice(&samples);
        }
    }
    assert_eq!(heard.len(), blocks * BLOCK);
}

#[test]
fn a_muted_lane_gives_nobody_its_sound_and_the_gap_says_so() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(10);
    bench.command(StreamCommand::SetMuted(true));
    bench.sound(20);
    assert!(bench.report.load().is_muted);
    bench.command(StreamCommand::SetMuted(false));
    bench.sound(10);
    let block = BLOCK as u64;
    assert_eq!(bench.gaps(), [(10 * block, 20 * block, GapCause::Muted)]);
    let (heard, len) = (bench.heard(), BLOCK as i16);
    let expected = (1..=40 * len).map(|i| if (10 * len + 1..=30 * len).contains(&i) { 0 } else { i });
    assert_eq!(heard, expected.collect::<Vec<_>>());
    let (records, _) = bench.events.read_after(0, usize::MAX);
    let told = records.iter().filter(|record| matches!(record.event, Event::Gap { .. })).count();
    assert_eq!((told, bench.states()), (1, vec![Idle, Opening, Connected]), "muting is no matter of the source");
    bench.command(StreamCommand::SetName("花子".into()));
    assert_eq!(&*bench.report.load().name, "花子");
}

#[test]
fn a_pump_that_ends_hands_over_its_last_sound_and_then_says_so() {
    let mut bench = Bench::new();
    bench.command(StreamCommand::Open);
    bench.sound(1);
    assert!(bench.commands.send(StreamCommand::Remove).is_ok());
    assert_eq!(bench.pump.tick(bench.now), Next::Done);
    let Bench { pump, sound, .. } = bench;
    drop(pump);
    let told: Vec<_> = std::iter::from_fn(|| sound.try_recv()).map(|message| message.kind).collect();
    assert!(matches!(&told[..], [LaneMessageKind::Sound { .. }, LaneMessageKind::Closed]), "{told:?}");
}
