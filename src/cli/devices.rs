//! `seseragi devices`.

use super::output::{Stop, line, table};
use crate::{Error, source::microphone};

/// Lists the microphones, as `--source mic:ID` takes them.
pub(super) fn list() -> Result<(), Stop> {
    let devices = microphone::devices()?;
    if devices.is_empty() {
        return Err(Error::not_found(
            "there is no microphone: plug one in, or start the sound server (PulseAudio or PipeWire), and look again",
        )
        .into());
    }
    let mut rows = vec![["SOURCE", "NAME", "FORMAT", "NOTE"].map(str::to_owned).to_vec()];
    rows.extend(devices.into_iter().map(|device| {
        let note = match (device.is_default, device.is_monitor) {
            (true, _) => "the default: mic alone means it too",
            (false, true) => "no microphone, but what is played",
            (false, false) => "",
        };
        vec![format!("mic:{}", device.id), device.name, device.format, note.to_owned()]
    }));
    table(&rows).iter().try_for_each(|row| line(row))
}
