//! Which of its words a model takes a clip for, when it is told that one is said.

use std::sync::Arc;

use crate::Result;
use crate::dsp::mel::LogMel;
use crate::dsp::resample::resampled;
use crate::recognise::card::Model;
use crate::train::loss::item_loss;

/// Silence heard after the clip: a network that hears no future names a word shortly after it.
const TAIL_SECS: f32 = 0.3;

/// The word whose likelihood (CTC, over all ways to say it once) in `samples` is highest; none where the sound is too
/// short to say one.
pub fn likeliest(model: &Arc<Model>, samples: &[f32], sample_rate_hz: u32) -> Result<Option<String>> {
    let card = model.card();
    let mut sound = resampled(samples.to_vec(), sample_rate_hz, card.features.sample_rate_hz)?;
    sound.resize(sound.len() + (TAIL_SECS * card.features.sample_rate_hz as f32) as usize, 0.0);
    let frames = LogMel::whole(&card.features, &sound)?;
    let mut logits = Vec::new();
    model.network().step(&mut model.network().online_state(), &frames, &mut logits)?;
    let mut gradient = vec![0.0; logits.len()];
    let losses = card.tokens.iter().enumerate().filter_map(|(index, token)| {
        Some((token, item_loss(&logits, card.model.classes(), &[index + 1], &mut gradient)?))
    });
    Ok(losses.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(token, _)| token.clone()))
}
