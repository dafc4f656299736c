//! Words over the sound they came from, and the newest of them large above the lane.

use bevy::prelude::*;
use bevy_egui::{
    EguiContexts,
    egui::{
        Color32, CornerRadius, FontId, LayerId, Painter, Rect, Stroke, StrokeKind,
        epaint::text::{LayoutJob, TextFormat},
        pos2, vec2,
    },
};

use super::{
    lanes::{Detail, Lane, Lanes},
    theme,
    view::View,
};
use crate::{
    recognise::transcript::{Token, Transcript},
    stream::LaneTranscript,
};

/// Rows in which labels are stacked where they would touch.
const ROWS: usize = 3;
/// Seconds after which a word has faded from the caption.
const CAPTION_SECS: f64 = 9.0;

/// A word as it is drawn: it is final, or may still change.
#[derive(Clone, Copy, Debug)]
struct Word<'a> {
    token: &'a Token,
    last: bool,
}

fn words(transcript: &Transcript) -> impl DoubleEndedIterator<Item = Word<'_>> {
    let finals = transcript.segments().flat_map(|segment| &segment.tokens).map(|token| Word { token, last: true });
    finals.chain(transcript.partial().tokens.iter().map(|token| Word { token, last: false }))
}

/// Puts labels from left to right into the first row where they touch no other; `None` where all rows are full.
#[derive(Debug, Default)]
pub struct Rows {
    ends: [Option<f32>; ROWS],
}

impl Rows {
    /// The row for a label from `left` to `right`.
    pub fn place(&mut self, left: f32, right: f32) -> Option<usize> {
        let row = self.ends.iter().position(|end| end.is_none_or(|end| end <= left))?;
        self.ends[row] = Some(right);
        Some(row)
    }
}

/// How solid a word looks: as sure as the recogniser was of it, and never too faint to read.
pub fn opacity(score: f32) -> f32 {
    let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
    0.35 + 0.65 * score
}

/// Paints the words of all lanes.
pub(super) fn draw_transcript(
    mut contexts: EguiContexts,
    lanes: Res<Lanes>,
    view: Res<View>,
    transcripts: Query<&LaneTranscript>,
) -> Result<(), BevyError> {
    let context = contexts.ctx_mut()?;
    for lane in &lanes.lanes {
        let Ok(LaneTranscript(report)) = transcripts.get(lane.entity) else { continue };
        let transcript = &report.transcript;
        let over = context.layer_painter(LayerId::background());
        labels(&over.with_clip_rect(lane.places.plot), lane, transcript);
        if view.captions {
            caption(&over.with_clip_rect(lane.places.header), lane, transcript);
        }
    }
    Ok(())
}

fn labels(over: &Painter, lane: &Lane, transcript: &Transcript) {
    let plot = lane.places.spectrogram;
    let detail = lane.places.detail();
    let (size, padding) = if detail >= Detail::Medium { (14.0, vec2(8.0, 3.0)) } else { (11.0, vec2(4.0, 1.0)) };
    let row_height = size + 2.0 * padding.y + 8.0;
    let most_rows = (((plot.height() - 10.0) * 0.6 / row_height) as usize).clamp(1, ROWS);
    let mut rows = Rows::default();
    let seen = words(transcript)
        .filter(|word| word.token.end_secs >= lane.left_secs - 2.0 && word.token.start_secs <= lane.right_secs);
    for word in seen {
        let Token { token, start_secs, end_secs, score } = word.token;
        let (from, to) = (lane.x_of(*start_secs), lane.x_of(end_secs.max(*start_secs)).max(lane.x_of(*start_secs) + 2.0));
        let solid = opacity(*score);
        let ink = if word.last { theme::FOAM } else { theme::MIST };
        let edge = theme::faded(if word.last { theme::TEAL } else { theme::MIST }, solid);

        // The sound it came from, in both parts of the lane.
        let reach = Rect::from_min_max(pos2(from, lane.places.plot.top()), pos2(to, lane.places.plot.bottom()));
        over.rect_filled(reach, 0.0, theme::faded(edge, 0.07));

        let label = over.layout_no_wrap(token.to_string(), FontId::proportional(size), theme::faded(ink, solid));
        let width = label.size().x + 2.0 * padding.x;
        let left = (from + to) / 2.0 - width / 2.0;
        let row = rows.place(left, left + width + 4.0).filter(|&row| row < most_rows);
        let top = plot.top() + 8.0 + row.unwrap_or(0) as f32 * row_height;
        if row.is_some() {
            let pill = Rect::from_min_size(pos2(left, top), vec2(width, label.size().y + 2.0 * padding.y));
            let radius = CornerRadius::same((pill.height() / 2.0) as u8);
            let fill = theme::faded(theme::NIGHT, 0.55 + 0.3 * solid);
            let stroke = Stroke::new(1.0, theme::faded(edge, 0.8));
            over.rect(pill, radius, fill, stroke, StrokeKind::Inside);
            over.galley(pill.min + padding, label, ink);
            bracket(over, from, to, pill.bottom() + 3.0, edge);
        } else {
            bracket(over, from, to, top + size + 2.0 * padding.y + 3.0, edge);
        }
    }
}

/// A thin bracket from `left` to `right`, open below.
fn bracket(over: &Painter, left: f32, right: f32, y: f32, color: Color32) {
    let stroke = Stroke::new(1.5, color);
    over.line(vec![pos2(left, y + 5.0), pos2(left, y), pos2(right, y), pos2(right, y + 5.0)], stroke);
}

/// The newest words at the lane's right edge, older ones fading to the left.
fn caption(over: &Painter, lane: &Lane, transcript: &Transcript) {
    let places = &lane.places;
    let header = places.header;
    let size = match places.detail() {
        Detail::Large => 34.0,
        Detail::Medium => 15.0,
        Detail::Small => return,
    };
    let mut right = places.plot.right();
    let leftmost = header.left() + 190.0;
    let baseline = header.bottom() - if size > 20.0 { 12.0 } else { 3.0 };
    let heard = words(transcript).rev().filter(|word| word.token.start_secs <= lane.right_secs);
    for (age, word) in heard.enumerate() {
        let since = (lane.right_secs - word.token.end_secs).max(0.0);
        let fresh = (1.0 - (since - 0.6 * CAPTION_SECS) / (0.4 * CAPTION_SECS)).clamp(0.0, 1.0) as f32;
        if fresh <= 0.0 {
            break;
        }
        let dim = fresh * 0.86f32.powi(age as i32).max(0.3);
        let ink = if word.last { theme::FOAM } else { theme::MIST };
        let format = TextFormat::simple(FontId::proportional(size), theme::faded(ink, dim));
        let galley = over.layout_job(LayoutJob::single_section(word.token.token.to_string(), format));
        let left = right - galley.size().x;
        if left < leftmost {
            break;
        }
        let height = galley.size().y;
        over.galley(pos2(left, baseline - height), galley, ink);
        right = left - size * 0.36;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_would_touch_go_to_the_next_row() {
        let mut rows = Rows::default();
        let placed: Vec<_> =
            [(0.0, 40.0), (30.0, 70.0), (45.0, 60.0), (50.0, 90.0), (55.0, 80.0)].map(|(l, r)| rows.place(l, r)).into();
        assert_eq!(placed, [Some(0), Some(1), Some(0), Some(2), None]);
        assert_eq!(rows.place(-100.0, -90.0), None, "labels come from left to right");
    }

    #[test]
    fn a_word_is_as_solid_as_it_is_sure_and_always_readable() {
        assert_eq!(opacity(1.0), 1.0);
        assert!(opacity(0.0) >= 0.35 && opacity(0.5) < opacity(0.9));
        assert_eq!(opacity(f32::NAN), opacity(0.0));
    }
}
