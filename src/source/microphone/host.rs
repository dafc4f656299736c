//! The machine's sound system: which one it is, and one connection to it that everybody here shares.
//!
//! It is shared because the client of the PulseAudio protocol does not always end with its last user: a connection for
//! each attempt to open an unplugged microphone would use up the server's places within minutes.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use cpal::{DeviceId, Host, HostId, traits::HostTrait};

use crate::{Error, Result};

/// A sound system that answers.
pub(crate) struct SoundSystem {
    /// cpal's way to it.
    pub host: Host,
    /// Which server or interface it is.
    pub kind: SystemKind,
}

/// What differs between sound systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemKind {
    /// The PulseAudio server.
    PulseAudio,
    /// PipeWire, which speaks PulseAudio's protocol.
    PipeWire,
    /// The system's own interface: ALSA, WASAPI, CoreAudio.
    Native,
}

static SHARED: Mutex<Option<Arc<SoundSystem>>> = Mutex::new(None);

/// The sound system of this machine: a server where there is one. May block while the server does.
///
/// # Errors
/// When there is none, or it does not answer.
pub(crate) fn sound_system() -> Result<Arc<SoundSystem>> {
    if let Some(pulse) = cpal::ALL_HOSTS.iter().copied().find(|&id| is_pulse(id))
        && has_pulse_server()
    {
        return shared(pulse);
    }
    if has_no_sound_card() {
        // Asked about it, ALSA would only print its complaints over the terminal.
        return Err(Error::unavailable(
            "there is no sound system: neither a server (PulseAudio or PipeWire) nor a sound card; start one or plug one in",
        ));
    }
    let host = cpal::default_host();
    let kind = if is_pulse(host.id()) { pulse_kind() } else { SystemKind::Native };
    Ok(Arc::new(SoundSystem { host, kind }))
}

/// The sound system that has the device `id`: the id itself may name one.
pub(super) fn system_of(id: &str) -> Result<Arc<SoundSystem>> {
    match id.parse::<DeviceId>() {
        Ok(id) if is_pulse(id.host()) => shared(id.host()),
        Ok(id) => Ok(Arc::new(SoundSystem { host: open(id.host())?, kind: SystemKind::Native })),
        Err(_) => sound_system(),
    }
}

/// Whether this is PulseAudio's protocol.
pub(super) fn is_pulse(id: HostId) -> bool {
    id.name() == "PulseAudio"
}

fn shared(id: HostId) -> Result<Arc<SoundSystem>> {
    let lock = || SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = lock().clone();
    // Asked outside the lock, because a frozen server does not answer; a dead connection says so.
    if let Some(known) = known
        && known.host.devices().is_ok()
    {
        return Ok(known);
    }
    let fresh = Arc::new(SoundSystem { host: open(id)?, kind: pulse_kind() });
    *lock() = Some(fresh.clone());
    Ok(fresh)
}

fn open(id: HostId) -> Result<Host> {
    cpal::host_from_id(id).map_err(|error| {
        let system = if is_pulse(id) { "the sound server (PulseAudio or PipeWire)" } else { "the sound system" };
        Error::unavailable(format!("{system} does not answer: {error}; once it runs, sound comes back by itself"))
    })
}

/// Which server answers to PulseAudio's protocol.
#[cfg(target_os = "linux")]
fn pulse_kind() -> SystemKind {
    let name = pulseaudio::Client::from_env(c"seseragi")
        .and_then(|client| futures_lite::future::block_on(client.server_info()))
        .ok()
        .and_then(|server| server.server_name);
    match name {
        Some(name) if name.to_string_lossy().contains("PipeWire") => SystemKind::PipeWire,
        _ => SystemKind::PulseAudio,
    }
}

#[cfg(not(target_os = "linux"))]
fn pulse_kind() -> SystemKind {
    SystemKind::PulseAudio
}

/// Whether a PulseAudio server runs here or is expected to: one that is dead for the moment must not send us to ALSA.
fn has_pulse_server() -> bool {
    let is_named = std::env::var_os("PULSE_SERVER").is_some_and(|server| !server.is_empty());
    is_named
        || ["PULSE_RUNTIME_PATH", "XDG_RUNTIME_DIR"]
            .iter()
            .filter_map(std::env::var_os)
            .any(|directory| Path::new(&directory).join("pulse/native").exists())
}

/// Whether this is a Linux without any sound card.
fn has_no_sound_card() -> bool {
    cfg!(target_os = "linux")
        && std::fs::read_to_string("/proc/asound/cards").map_or(true, |cards| cards.contains("no soundcards"))
}
