//! The loudspeaker: kira's way out, on the same sound system that the microphone uses.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use kira::backend::{
    Backend, Renderer,
    cpal::cpal::{
        BufferSize, Device, ErrorKind, OutputCallbackInfo, Stream, StreamConfig,
        traits::{DeviceTrait, HostTrait, StreamTrait},
    },
};

use crate::{Error, Result, source::microphone::sound_system};

/// Blocks of this length: the server's own default is two seconds.
const BLOCK_SECS: f64 = 0.03;

/// When the sound that is being made will be heard, by the device's own account.
pub struct Due {
    zero: Instant,
    callbacks: AtomicU64,
    nanos: AtomicU64,
}

impl Default for Due {
    fn default() -> Self {
        Self { zero: Instant::now(), callbacks: AtomicU64::new(0), nanos: AtomicU64::new(0) }
    }
}

impl Due {
    /// The number of the callback that is running, and when its first frame will be heard. Read inside of the callback only.
    pub fn load(&self) -> (u64, Instant) {
        (self.callbacks.load(Relaxed), self.zero + Duration::from_nanos(self.nanos.load(Relaxed)))
    }

    fn store(&self, latency: Duration) {
        let due = Instant::now().saturating_duration_since(self.zero) + latency;
        self.nanos.store(due.as_nanos() as u64, Relaxed);
        self.callbacks.fetch_add(1, Relaxed);
    }
}

/// The default playback device.
pub struct Output {
    device: Device,
    config: StreamConfig,
    due: Arc<Due>,
    stream: Option<Stream>,
    failure: Arc<Mutex<Option<Error>>>,
}

impl Output {
    /// Why it plays no more.
    pub fn failure(&self) -> Option<Error> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Backend for Output {
    type Settings = Arc<Due>;
    type Error = Error;

    fn setup(due: Arc<Due>, _internal_buffer_size: usize) -> Result<(Self, u32)> {
        let device = sound_system()?
            .host
            .default_output_device()
            .ok_or_else(|| Error::not_found("there is no loudspeaker: plug one in, or switch the monitor off"))?;
        let mut config = device
            .default_output_config()
            .map_err(|error| Error::unavailable(format!("cannot ask the loudspeaker for its format: {error}")))?
            .config();
        config.buffer_size = BufferSize::Fixed((f64::from(config.sample_rate) * BLOCK_SECS) as u32);
        let rate_hz = config.sample_rate;
        Ok((Self { device, config, due, stream: None, failure: Arc::default() }, rate_hz))
    }

    fn start(&mut self, mut renderer: Renderer) -> Result<()> {
        let channels = self.config.channels;
        let failure = self.failure.clone();
        let due = self.due.clone();
        let play = move |out: &mut [f32], info: &OutputCallbackInfo| {
            let timestamp = info.timestamp();
            due.store(timestamp.playback.duration_since(timestamp.callback));
            renderer.on_start_processing();
            renderer.process(out, channels);
        };
        let fail = move |error: kira::backend::cpal::cpal::Error| {
            if !matches!(error.kind(), ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged) {
                let error = Error::unavailable(format!("the loudspeaker is gone: {error}"));
                failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
            }
        };
        let say = |error| Error::unavailable(format!("cannot play on the loudspeaker: {error}"));
        let stream = self.device.build_output_stream(self.config, play, fail, None).map_err(say)?;
        stream.play().map_err(say)?;
        self.stream = Some(stream);
        Ok(())
    }
}
