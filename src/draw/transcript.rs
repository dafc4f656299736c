//! Words over the sound they came from, and the newest of them large above the lane.

use bevy::prelude::*;
use bevy_egui::{
    EguiContext, PrimaryEguiContext,
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

/// Puts labels, given from left to right, into the first row where they touch no other. Fed with every word there is and not only
/// the visible ones, so that no label changes its row while it scrolls.
#[derive(Debug, Default)]
pub struct Rows {
    ends: [Option<f64>; ROWS],
}

impl Rows {
    /// The row for a label from `left` to `right`, or `None` where all of `most` rows are taken.
    pub fn place(&mut self, left: f64, right: f64, most: usize) -> Option<usize> {
        let row = self.ends.iter().take(most).position(|end| end.is_none_or(|end| end <= left))?;
        self.ends[row] = Some(right);
        Some(row)
    }
}

/// About how wide `text` will be, in units of the font size.
fn width_of(text: &str) -> f32 {
    text.chars().map(|c| if c.is_ascii() { 0.55 } else { 1.0 }).sum()
}

/// How solid a word looks: as sure as the recogniser was of it, and never too faint to read.
pub fn opacity(score: f32) -> f32 {
    let score = if score.is_finite() { score.clamp(0.0, 1.0) } else { 0.0 };
    0.35 + 0.65 * score
}

/// Paints the words of all lanes.
pub(super) fn draw_transcript(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    lanes: Res<Lanes>,
    view: Res<View>,
    transcripts: Query<&LaneTranscript>,
) {
    let context = context.get_mut();
    for lane in &lanes.lanes {
        let Ok(LaneTranscript(report)) = transcripts.get(lane.entity) else { continue };
        let transcript = &report.transcript;
        let over = context.layer_painter(LayerId::background());
        labels(&over.with_clip_rect(lane.places.plot), lane, transcript);
        if view.captions {
            caption(&over.with_clip_rect(lane.places.header), lane, transcript);
        }
    }
}

fn labels(over: &Painter, lane: &Lane, transcript: &Transcript) {
    let (plot, strip) = (lane.places.spectrogram, lane.places.waveform);
    let detail = lane.places.detail();
    let (size, padding) = if detail >= Detail::Medium { (14.0, vec2(8.0, 3.0)) } else { (11.0, vec2(5.0, 1.0)) };
    let row_height = size + 2.0 * padding.y + 9.0;
    let most_rows = (((plot.height() - 10.0) * 0.5 / row_height) as usize).clamp(1, ROWS);
    let secs_a_point = (lane.right_secs - lane.left_secs) / f64::from(plot.width());
    let mut rows = Rows::default();
    for word in words(transcript) {
        let Token { token, start_secs, end_secs, score } = word.token;
        let (start, end) = (*start_secs, end_secs.max(*start_secs));
        let half = f64::from(0.5 * width_of(token) * size + padding.x + 2.0) * secs_a_point;
        let row = rows.place(0.5 * (start + end) - half, 0.5 * (start + end) + half, most_rows);
        if end < lane.left_secs || start > lane.right_secs {
            continue;
        }
        let (from, to) = (lane.x_of(start), lane.x_of(end).max(lane.x_of(start) + 2.0));
        let label = over.layout_no_wrap(token.to_string(), FontId::proportional(size), theme::FOAM);
        let pill = label.size() + 2.0 * padding;
        // A label that comes or goes fades at the edge instead of being cut.
        let left = 0.5 * (from + to - pill.x);
        let beyond = (plot.left() - left).max(left + pill.x - plot.right()).max(0.0);
        let solid = opacity(*score) * (1.0 - beyond / (0.6 * pill.x)).clamp(0.0, 1.0);
        let ink = theme::faded(if word.last { theme::FOAM } else { theme::MIST }, solid);
        let edge = theme::faded(if word.last { theme::TEAL } else { theme::MIST }, solid);

        // The sound it came from.
        let reach = Rect::from_x_y_ranges(from..=to, strip.top()..=plot.top());
        over.rect_filled(reach, 0.0, theme::faded(edge, 0.10));

        let top = plot.top() + if detail >= Detail::Medium { 8.0 } else { 3.0 } + row.unwrap_or(0) as f32 * row_height;
        if row.is_some() && pill.x < plot.width() - 4.0 {
            let left = left.clamp(plot.left() + 2.0, plot.right() - 2.0 - pill.x);
            let pill = Rect::from_min_size(pos2(left, top), pill);
            let radius = CornerRadius::same((pill.height() / 2.0) as u8);
            let fill = theme::faded(theme::NIGHT, 0.85 * solid.sqrt());
            let stroke = Stroke::new(1.0, theme::faded(edge, 0.8));
            over.rect(pill, radius, fill, stroke, StrokeKind::Inside);
            over.galley_with_override_text_color(pill.min + padding, label, ink);
        }
        if detail >= Detail::Medium {
            bracket(over, from, to, top + pill.y + 3.0, edge);
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
        Detail::Small => 13.0,
    };
    let mut right = places.plot.right();
    let leftmost = places.plot.left() + places.title_width() + 16.0;
    let baseline = header.bottom() - if size > 20.0 { 12.0 } else { 3.0 };
    let heard = words(transcript).rev().filter(|word| word.token.start_secs <= lane.right_secs);
    for (age, word) in heard.enumerate() {
        let since = (lane.right_secs - word.token.end_secs).max(0.0);
        let fresh = (1.0 - (since - 0.6 * CAPTION_SECS) / (0.4 * CAPTION_SECS)).clamp(0.0, 1.0) as f32;
        if fresh <= 0.0 {
            break;
        }
        let dim = fresh * 0.8f32.powi(age as i32).max(0.25);
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
        let labels = [(0.0, 40.0), (30.0, 70.0), (45.0, 60.0), (50.0, 90.0), (55.0, 80.0), (65.0, 66.0)];
        let placed: Vec<_> = labels.iter().map(|&(left, right)| rows.place(left, right, ROWS)).collect();
        assert_eq!(placed, [Some(0), Some(1), Some(0), Some(2), None, Some(0)]);
        assert_eq!(
            Rows { ends: [Some(9.0), None, None] }.place(0.0, 5.0, 1),
            None,
            "only as many rows as there is room for"
        );
    }

    #[test]
    fn a_word_is_as_solid_as_it_is_sure_and_always_readable() {
        assert_eq!(opacity(1.0), 1.0);
        assert!(opacity(0.0) >= 0.35 && opacity(0.5) < opacity(0.9));
        assert_eq!(opacity(f32::NAN), opacity(0.0));
    }
}
