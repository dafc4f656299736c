//! The monitor: a stream for the ears. It hears what everybody hears, the pump's own samples, through a bounded link that
//! never holds the pump up. Without an output device there is a notice and another attempt every few seconds.

pub mod mirror;
mod output;
mod sound;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use kira::{
    AudioManager, AudioManagerSettings, Capacities, Decibels, Easing, StartTime, Tween, track::MainTrackBuilder,
};
use output::Output;
use rtrb::{Producer, RingBuffer};
use sound::{LiveSound, Tap};

use crate::{Error, Result, task::spawn_thread};

/// The link to the loudspeaker holds this much sound; the loudspeaker keeps it near `sound::DELAY_SECS`.
const LINK_SECS: f64 = 0.5;
/// How often a lost device is noticed, and the first pause before it is tried again.
const CHECK: Duration = Duration::from_millis(250);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
/// Changes of volume are smoothed over this long, so that they do not click.
const SMOOTH: Duration = Duration::from_millis(30);

/// The volumes there are, dB: from silence to twice as loud.
pub const VOLUMES_DB: std::ops::RangeInclusive<f32> = -60.0..=6.0;

/// The listener's end: on, off and how loud. It is off until it is switched on.
pub struct Monitor {
    shared: Arc<Shared>,
    /// Kind: all; a full link means that the thread hangs in the sound system, where nothing is heard anyway.
    orders: Sender<Order>,
    volume_db: f32,
}

/// The pump's end. Kind: newest wins: what nobody fetches is left out.
pub struct MonitorInput {
    samples: Producer<i16>,
    shared: Arc<Shared>,
}

/// Where the pump's end waits for a stream. Kept by the engine; one stream at a time has it.
#[derive(Clone)]
pub struct MonitorSlot(Arc<Mutex<Option<MonitorInput>>>);

/// The pump's end, for as long as its stream lives.
pub struct MonitorLease {
    input: Option<MonitorInput>,
    slot: MonitorSlot,
}

impl MonitorSlot {
    /// A slot with the pump's end in it.
    pub fn new(input: MonitorInput) -> Self {
        Self(Arc::new(Mutex::new(Some(input))))
    }

    /// The pump's end, if no other stream has it.
    pub fn take(&self) -> Option<MonitorLease> {
        let input = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(MonitorLease { input: Some(input), slot: self.clone() })
    }
}

impl MonitorLease {
    /// Hands over samples at the stream's rate. Never blocks; costs nothing while the monitor is off.
    pub fn push(&mut self, samples: &[i16]) {
        if let Some(input) = &mut self.input {
            input.push(samples);
        }
    }
}

impl Drop for MonitorLease {
    fn drop(&mut self) {
        *self.slot.0.lock().unwrap_or_else(PoisonError::into_inner) = self.input.take();
    }
}

enum Order {
    On(bool),
    VolumeDb(f32),
}

#[derive(Default)]
struct Shared {
    is_on: AtomicBool,
    /// Why nothing is heard.
    notice: Mutex<Option<Error>>,
}

impl Monitor {
    /// The two ends of a monitor for a stream of `sample_rate_hz`, switched off.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn open(sample_rate_hz: u32, volume_db: f32) -> Result<(Self, MonitorInput)> {
        let (samples, waiting) = RingBuffer::new((f64::from(sample_rate_hz) * LINK_SECS).ceil() as usize);
        let shared = Arc::new(Shared::default());
        let (orders, obeyed) = bounded(64);
        let (tap, aside) = (Tap::new(waiting, sample_rate_hz), shared.clone());
        let volume_db = volume_db.clamp(*VOLUMES_DB.start(), *VOLUMES_DB.end());
        spawn_thread("monitor", move || run(tap, &obeyed, &aside, volume_db))?;
        Ok((Self { shared: shared.clone(), orders, volume_db }, MonitorInput { samples, shared }))
    }

    /// Switches it on or off. Off, no device is held.
    pub fn set_on(&mut self, is_on: bool) {
        self.shared.is_on.store(is_on, Relaxed);
        let _ = self.orders.try_send(Order::On(is_on));
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        self.shared.is_on.load(Relaxed)
    }

    /// How loud, within [`VOLUMES_DB`]; the lowest is silence.
    pub fn set_volume_db(&mut self, volume_db: f32) {
        self.volume_db = volume_db.clamp(*VOLUMES_DB.start(), *VOLUMES_DB.end());
        let _ = self.orders.try_send(Order::VolumeDb(self.volume_db));
    }

    /// How loud it is.
    pub fn volume_db(&self) -> f32 {
        self.volume_db
    }

    /// Why nothing is heard although it is on.
    pub fn notice(&self) -> Option<Error> {
        self.shared.notice.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl MonitorInput {
    /// Hands over samples at the stream's rate. Never blocks; costs nothing while the monitor is off.
    pub fn push(&mut self, samples: &[i16]) {
        if self.shared.is_on.load(Relaxed) {
            let fitting = samples.len().min(self.samples.slots());
            // It fits: this is the only writer, and it looked.
            let _ = self.samples.push_entire_slice(&samples[..fitting]);
        }
    }
}

impl Shared {
    fn notify(&self, notice: Option<Error>) {
        *self.notice.lock().unwrap_or_else(PoisonError::into_inner) = notice;
    }
}

/// The monitor's own thread: opening and closing a device may hang.
fn run(tap: Tap, orders: &Receiver<Order>, shared: &Shared, mut volume_db: f32) {
    let mut manager: Option<AudioManager<Output>> = None;
    let (mut is_on, mut pause, mut waited) = (false, CHECK, Duration::ZERO);
    loop {
        match orders.recv_timeout(CHECK) {
            Ok(Order::On(on)) => (is_on, pause, waited) = (on, CHECK, LONGEST_PAUSE),
            Ok(Order::VolumeDb(db)) => {
                volume_db = db;
                if let Some(manager) = &mut manager {
                    let tween = Tween { start_time: StartTime::Immediate, duration: SMOOTH, easing: Easing::Linear };
                    manager.main_track().set_volume(Decibels(volume_db), tween);
                }
            }
            Err(RecvTimeoutError::Timeout) => waited += CHECK,
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if !is_on {
            manager = None;
            shared.notify(None);
            continue;
        }
        if let Some(error) = manager.as_mut().and_then(|manager| manager.backend_mut().failure()) {
            (manager, waited) = (None, Duration::ZERO);
            shared.notify(Some(error));
        }
        if manager.is_none() && waited >= pause {
            waited = Duration::ZERO;
            match start(tap.clone(), volume_db) {
                Ok(started) => {
                    (manager, pause) = (Some(started), CHECK);
                    shared.notify(None);
                }
                Err(error) => {
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    shared.notify(Some(error));
                }
            }
        }
    }
}

fn start(tap: Tap, volume_db: f32) -> Result<AudioManager<Output>> {
    let mut manager = AudioManager::<Output>::new(AudioManagerSettings {
        capacities: Capacities::default(),
        main_track_builder: MainTrackBuilder::new().volume(Decibels(volume_db)),
        internal_buffer_size: 128,
        backend_settings: (),
    })?;
    manager.play(LiveSound::new(tap)).map_err(|error| Error::internal(format!("the monitor cannot play: {error}")))?;
    Ok(manager)
}
