//! Capture devices: finding, opening, watching and closing them, each on a thread that may hang without harm.
//!
//! With a PulseAudio (or PipeWire) server the native protocol is used and ALSA is left alone: ALSA's way to such a server
//! hangs for ever when the server dies. The first error ends a device stream; the stream's owner opens a new one, and the
//! device is looked up afresh, because a server hands out new indices after a restart.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use cpal::{
    BufferSize, Data, Device, DeviceId, Host, InputCallbackInfo, SampleFormat, Stream, StreamConfig,
    SupportedStreamConfig,
    traits::{DeviceTrait, HostTrait, StreamTrait},
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde::Serialize;

use super::{
    callback::{CaptureInput, CaptureOutput, capture_link},
    host::{SystemKind, is_pulse, sound_system, system_of},
};
use crate::{Error, ErrorKind, Result, source::Format, task::spawn_thread};

/// The link from the callback holds this much sound ...
const LINK_SECS: f64 = 5.0;
/// ... in at most this many blocks: a server's blocks may be as short as 2 ms.
const LINK_BLOCKS: usize = 4096;
/// A stream that the server does not build within this time is given up.
const BUILD_LIMIT: Duration = Duration::from_secs(2);
/// How long a list of the devices may take.
const LIST_LIMIT: Duration = Duration::from_secs(4);
/// How often the server is asked whether the device is still there, and still the default.
const CHECK: Duration = Duration::from_millis(300);
/// More keepers than this are not started: they hang in a server that neither answers nor dies.
const MOST_KEEPERS: usize = 48;

/// A capture device, as `seseragi devices` lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// How it is reached: `pulseaudio`, `alsa`, `wasapi`, `coreaudio` ...
    pub host: String,
    /// Its stable id, for `mic:ID`.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Whether `mic` means this one.
    pub is_default: bool,
    /// Whether it records what is played, and no microphone.
    pub is_monitor: bool,
    /// Its own rate, channels and sample format, such as `48000 Hz, 2 channels, i16`.
    pub format: String,
}

/// What a keeper tells the source that it serves.
pub(super) enum Notice {
    /// The device is open; sound follows.
    Opened(Box<Opened>),
    /// The device could not be opened, or is gone.
    Failed(Error),
}

/// An open device stream.
pub(super) struct Opened {
    pub name: String,
    pub format: Format,
    pub link: CaptureOutput,
    /// The same moment on this machine's clock and on the device stream's, nanoseconds.
    pub anchor: (Instant, u64),
    pub xruns: Arc<AtomicU64>,
}

/// The source's hold on the thread that keeps its device open. Dropping it closes the device, without waiting.
pub(super) struct Keeper {
    /// Kind: all; the keeper says at most three things.
    pub notices: Receiver<Notice>,
    /// Never sent to: the keeper sees it go.
    _stop: Sender<()>,
}

static KEEPERS: AtomicUsize = AtomicUsize::new(0);

/// How many threads look after a microphone, those included that hang while they open or close one.
pub fn keeper_threads() -> usize {
    KEEPERS.load(Relaxed)
}

impl Keeper {
    pub fn start(id: Option<&str>) -> Result<Self> {
        if KEEPERS.fetch_add(1, Relaxed) >= MOST_KEEPERS {
            KEEPERS.fetch_sub(1, Relaxed);
            return Err(Error::busy(format!(
                "{MOST_KEEPERS} attempts to open or close a microphone hang in the sound server: restart the server"
            )));
        }
        let (notify, notices) = bounded(4);
        let (stop, stopped) = bounded(0);
        let id = id.map(str::to_owned);
        let thread = spawn_thread("microphone", move || {
            let _alive = Alive;
            if let Err(error) = keep(id.as_deref(), &notify, &stopped) {
                // Full or gone: the source has its failure already, or wants none.
                let _ = notify.try_send(Notice::Failed(error));
            }
        });
        match thread {
            Ok(_) => Ok(Self { notices, _stop: stop }),
            Err(error) => {
                KEEPERS.fetch_sub(1, Relaxed);
                Err(error)
            }
        }
    }
}

struct Alive;

impl Drop for Alive {
    fn drop(&mut self) {
        KEEPERS.fetch_sub(1, Relaxed);
    }
}

/// Opens the device and keeps it open until it fails or its source is dropped.
fn keep(id: Option<&str>, notify: &Sender<Notice>, stopped: &Receiver<()>) -> Result<()> {
    let system = id.map_or_else(sound_system, system_of)?;
    let host = &system.host;
    let device = device(host, id)?;
    let supported =
        device.default_input_config().map_err(|error| said("cannot ask the microphone for its format", error))?;
    let format = Format { sample_rate_hz: supported.sample_rate(), channels: supported.channels() };
    let xruns = Arc::new(AtomicU64::new(0));
    let (input, link) = capture_link(format, LINK_SECS, LINK_BLOCKS);
    let streams = build(system.kind, &device, &supported, input, notify, &xruns)?;
    let stream = &streams.recording;
    let anchor = (Instant::now(), stream.now().as_nanos() as u64);
    let opened = Opened { name: device.to_string(), format, link, anchor, xruns };
    let _ = notify.try_send(Notice::Opened(Box::new(opened)));
    // Returns with the first sound, which a suspended device never gives; the thread then waits for as long as that lasts.
    stream.play().map_err(|error| said("cannot start the microphone", error))?;
    let own_id = device.id().map_err(|error| said("cannot ask the microphone for its id", error))?;
    loop {
        match stopped.recv_timeout(CHECK) {
            Err(RecvTimeoutError::Timeout) => check(host, &own_id, id.is_none())?,
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

/// Whether the stream should still be where it is. A server moves the streams of a device that was pulled out to another,
/// without a word; and nobody tells that the default changed.
fn check(host: &Host, own_id: &DeviceId, is_default: bool) -> Result<()> {
    if is_default {
        return match host.default_input_device() {
            Some(other) if other.id().is_ok_and(|id| id != *own_id) => {
                Err(Error::unavailable(format!("the default microphone is now {other}: changing over")))
            }
            _ => Ok(()),
        };
    }
    // A server that cannot be asked is noticed by the stream itself.
    let Ok(mut devices) = host.input_devices() else { return Ok(()) };
    if devices.any(|device| device.id().is_ok_and(|id| id == *own_id)) {
        return Ok(());
    }
    Err(Error::not_found(format!("the microphone {own_id} is gone: is it plugged in?")))
}

/// The streams behind a microphone. Dropping them may hang.
struct Streams {
    recording: Stream,
    /// Built and never started.
    _latency: Option<Stream>,
}

/// Builds the stream, stopped.
///
/// The device chooses its blocks, which loses the least; but a sound server left to itself hands over lumps of up to two
/// seconds, so it is asked for short ones. Both servers make their buffer from the same setting of cpal. PipeWire keeps
/// four blocks: of 20 ms, so that 80 ms of a busy machine lose nothing. PulseAudio keeps one, and drops whatever comes in
/// larger lumps, without a word (a third of the sound of a monitor was measured). There the recording stream keeps the
/// largest buffer, and a second stream that is never started asks for 10 ms: that server runs a device at the lowest
/// latency that any of its clients wants.
fn build(
    system: SystemKind,
    device: &Device,
    supported: &SupportedStreamConfig,
    input: CaptureInput,
    notify: &Sender<Notice>,
    xruns: &Arc<AtomicU64>,
) -> Result<Streams> {
    let sample_format = supported.sample_format();
    let whole = supported.config();
    let blocks_of = |millis: u32| {
        let frames = (whole.sample_rate * millis / 1000).max(1);
        StreamConfig { buffer_size: BufferSize::Fixed(frames), ..whole }
    };
    let config = if system == SystemKind::PipeWire { blocks_of(20) } else { whole };
    let mut latency = None;
    if system == SystemKind::PulseAudio {
        let ignore = |_: &Data, _: &InputCallbackInfo| ();
        let stream = device.build_input_stream_raw(blocks_of(10), sample_format, ignore, |_| (), Some(BUILD_LIMIT));
        latency = Some(stream.map_err(|error| said("cannot ask the microphone for a low latency", error))?);
    }
    let recording = build_recording(device, config, sample_format, input, notify, xruns)
        .map_err(|error| said("cannot open the microphone", error))?;
    Ok(Streams { recording, _latency: latency })
}

fn build_recording(
    device: &Device,
    config: StreamConfig,
    sample_format: SampleFormat,
    mut input: CaptureInput,
    notify: &Sender<Notice>,
    xruns: &Arc<AtomicU64>,
) -> Result<Stream, cpal::Error> {
    let mut first_error = Some(notify.clone());
    let xruns = xruns.clone();
    device.build_input_stream_raw(
        config,
        sample_format,
        move |data: &Data, info: &InputCallbackInfo| input.write_data(data, info),
        move |error| match error.kind() {
            cpal::ErrorKind::Xrun => {
                xruns.fetch_add(1, Relaxed);
            }
            cpal::ErrorKind::RealtimeDenied | cpal::ErrorKind::DeviceChanged => {}
            // A broken ALSA stream says so a million times a second: only the first is passed on.
            _ => {
                if let Some(notify) = first_error.take() {
                    let _ = notify.try_send(Notice::Failed(said("the microphone is gone", error)));
                }
            }
        },
        Some(BUILD_LIMIT),
    )
}

/// The device `id` as it is now, or the default one.
fn device(host: &Host, id: Option<&str>) -> Result<Device> {
    let Some(id) = id else {
        return host.default_input_device().ok_or_else(|| {
            Error::not_found("there is no microphone: plug one in, or name one of those that `seseragi devices` lists")
        });
    };
    let mut devices = host.input_devices().map_err(|error| said("cannot list the microphones", error))?;
    devices.find(|device| device.id().is_ok_and(|own| own.to_string() == id || own.id() == id)).ok_or_else(|| {
        Error::not_found(format!("there is no microphone \"{id}\" now; `seseragi devices` lists those that there are"))
    })
}

/// The devices that can be recorded from, the default first.
///
/// # Errors
/// When there is no sound system, or it does not answer.
pub fn devices() -> Result<Vec<DeviceInfo>> {
    let (answer, list) = bounded(1);
    spawn_thread("devices", move || drop(answer.send(list_devices())))?;
    list.recv_timeout(LIST_LIMIT)
        .unwrap_or_else(|_| Err(Error::unavailable("the sound server does not answer; restart it")))
}

fn list_devices() -> Result<Vec<DeviceInfo>> {
    let system = sound_system()?;
    let host = &system.host;
    let default = host.default_input_device().and_then(|device| device.id().ok());
    let devices = host.input_devices().map_err(|error| said("cannot list the microphones", error))?;
    let mut list: Vec<_> = devices
        .filter_map(|device| {
            let id = device.id().ok()?;
            let config = device.default_input_config().ok()?;
            Some(DeviceInfo {
                host: id.host().to_string(),
                is_default: default.as_ref() == Some(&id),
                is_monitor: is_pulse(id.host()) && id.id().ends_with(".monitor"),
                id: id.to_string(),
                name: device.to_string(),
                format: format!(
                    "{} Hz, {} channel{}, {}",
                    config.sample_rate(),
                    config.channels(),
                    if config.channels() == 1 { "" } else { "s" },
                    config.sample_format()
                ),
            })
        })
        .collect();
    list.sort_by_key(|device| (!device.is_default, device.is_monitor));
    Ok(list)
}

/// What cpal said, as an error of ours.
fn said(doing: &str, error: cpal::Error) -> Error {
    use cpal::ErrorKind as Cpal;
    let (kind, help) = match error.kind() {
        Cpal::DeviceBusy => (ErrorKind::Busy, ": close the program that uses it"),
        Cpal::PermissionDenied => (ErrorKind::Permission, ": allow this program to record"),
        Cpal::UnsupportedConfig | Cpal::InvalidInput | Cpal::UnsupportedOperation => (ErrorKind::Invalid, ""),
        Cpal::DeviceNotAvailable => (ErrorKind::NotFound, ": is it plugged in?"),
        _ => (ErrorKind::Unavailable, ""),
    };
    Error::new(kind, format!("{doing} ({error}){help}"))
}
