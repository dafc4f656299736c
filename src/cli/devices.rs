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
    let mut rows = vec![["SOURCE", "NAME", ""].map(str::to_owned).to_vec()];
    rows.extend(devices.into_iter().map(|device| {
        let mark = if device.is_default { "the default, also as mic" } else { "" };
        vec![format!("mic:{}", device.id), device.name, mark.to_owned()]
    }));
    table(&rows).iter().try_for_each(|row| line(row))
}
