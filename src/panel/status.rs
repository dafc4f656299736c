//! The status over the picture: the same object as `--status-json` and `GET /api/status`, for those who look for a fault.

use bevy_egui::egui::{Align, Align2, Color32, Context, Layout, ScrollArea, Ui, Window, vec2};

use super::{
    controls::state_color,
    format,
    labels::{self, Label},
    layout,
    state::PanelState,
    widgets::{self, size},
};
use crate::{
    config::Language,
    draw::theme,
    link::LinkStatus,
    status::{Status, StreamStatus, TrainingStatus},
    stream::GapCause,
    task::TaskStatus,
};

const WIDTH: f32 = 860.0;
const ROW: f32 = 18.0;
/// Rows of the newest states and gaps of a stream.
const NEWEST: usize = 6;

/// Draws the window, if it is asked for.
pub fn show(ctx: &Context, state: &mut PanelState, status: Option<&Status>) {
    let language = state.language;
    let mut is_open = state.shows_status;
    let room = ctx.content_rect().size();
    Window::new(labels::STATUS.line(language))
        .open(&mut is_open)
        .frame(layout::overlay())
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 12.0))
        .fixed_size(vec2(WIDTH.min(room.x - 60.0), (room.y - 130.0).min(720.0)))
        .collapsible(false)
        .show(ctx, |ui| match status {
            None => widgets::empty(ui, labels::NO_STATUS, language, 120.0),
            Some(status) => {
                overview(ui, language, status);
                ui.add_space(4.0);
                ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
                    ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
                    for stream in &status.streams {
                        widgets::card(ui, |ui| one_stream(ui, language, stream));
                    }
                    if let Some(training) = &status.training {
                        widgets::card(ui, |ui| of_training(ui, language, training));
                    }
                    ui.columns(2, |columns| {
                        widgets::card(&mut columns[0], |ui| links(ui, language, &status.links));
                        widgets::card(&mut columns[1], |ui| tasks(ui, language, &status.tasks));
                    });
                });
            }
        });
    state.shows_status = is_open;
}

fn fields<const N: usize>(ui: &mut Ui, language: Language, cells: [(Label, String); N]) {
    let gap = ui.spacing().item_spacing.x;
    let width = ((ui.available_width() - gap * (N - 1) as f32) / N as f32).floor();
    ui.horizontal(|ui| {
        for (caption, value) in cells {
            widgets::field(ui, caption, language, value, width);
        }
    });
}

fn overview(ui: &mut Ui, language: Language, status: &Status) {
    let truth = |is_true: bool| (if is_true { labels::YES } else { labels::NO }).line(language).into_owned();
    let frames = &status.frames;
    ui.horizontal(|ui| {
        flag(ui, "is_training", status.is_training, &truth(status.is_training));
        flag(ui, "realtime_running", status.realtime_running, &truth(status.realtime_running));
        let version = format!("Seseragi {}", status.version);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            widgets::plain(ui, version, size::SMALL, theme::MUTED)
        });
    });
    fields(
        ui,
        language,
        [
            (labels::UPTIME, format::clock(status.uptime_secs)),
            (labels::FPS, format!("{:.1} fps", frames.fps)),
            (labels::FRAME_P99, format!("{:.1} ms", frames.p99_millis)),
            (labels::FRAMES, format::count(frames.drawn)),
            (labels::UPLOADED, format::bytes(frames.uploaded_bytes)),
        ],
    );
}

/// A name from the status as programs know it, and whether it is so.
fn flag(ui: &mut Ui, name: &str, is_true: bool, value: &str) {
    let color = if is_true { theme::TEAL } else { theme::MUTED };
    widgets::chip(ui, color, &format!("{name}: {value}"), 220.0);
}

fn one_stream(ui: &mut Ui, language: Language, stream: &StreamStatus) {
    ui.horizontal(|ui| {
        widgets::plain(ui, stream.key.as_str(), size::TITLE, theme::FOAM);
        widgets::chip(ui, state_color(stream.connection), &labels::state(stream.connection).line(language), 190.0);
        let rest = ui.available_width();
        widgets::text(ui, stream.source.as_str(), size::SMALL, theme::MUTED, rest, Align::Max);
    });
    fields(
        ui,
        language,
        [
            (labels::CONNECTED_FOR, format::clock(stream.connected_secs)),
            (labels::SAMPLE_RATE, format!("{} Hz", format::count(u64::from(stream.sample_rate_hz)))),
            (labels::SAMPLES_IN, format::count(stream.samples_in)),
            (labels::SAMPLES_LOST, format::count(stream.samples_lost)),
            (labels::XRUNS, format::count(stream.xruns)),
            (labels::COLUMNS, format::count(stream.columns)),
            (labels::LEVEL, format::dbfs(stream.level_dbfs)),
        ],
    );
    ui.columns(2, |columns| {
        history(&mut columns[0], language, stream);
        gaps(&mut columns[1], language, stream);
    });
}

fn history(ui: &mut Ui, language: Language, stream: &StreamStatus) {
    caption(ui, labels::HISTORY, language);
    for transition in stream.history.iter().rev().take(NEWEST) {
        row(ui, |ui| {
            let color = state_color(transition.state);
            widgets::text(ui, format::moment(transition.at_secs), size::SMALL, theme::MUTED, 70.0, Align::Max);
            widgets::chip(ui, color, &labels::state(transition.state).line(language), 150.0);
            let rest = ui.available_width();
            let reason = transition.reason.as_deref().unwrap_or_default();
            widgets::text(ui, reason, size::SMALL, theme::MUTED, rest, Align::Min);
        });
    }
}

fn gaps(ui: &mut Ui, language: Language, stream: &StreamStatus) {
    caption(ui, labels::GAPS, language);
    if stream.gaps.is_empty() {
        row(ui, |ui| {
            widgets::plain(ui, labels::NO_GAPS.line(language), size::SMALL, theme::MUTED);
        });
    }
    let secs = |samples: u64| samples as f64 / f64::from(stream.sample_rate_hz.max(1));
    for gap in stream.gaps.iter().rev().take(NEWEST) {
        row(ui, |ui| {
            widgets::text(ui, format::moment(secs(gap.at_sample)), size::SMALL, theme::MUTED, 70.0, Align::Max);
            widgets::text(ui, format!("{:.3} s", secs(gap.len_samples)), size::SMALL, theme::CORAL, 90.0, Align::Max);
            let rest = ui.available_width();
            widgets::text(ui, cause(gap.cause).line(language), size::SMALL, theme::TEXT, rest, Align::Min);
        });
    }
}

fn cause(cause: GapCause) -> Label {
    match cause {
        GapCause::Overrun => labels::CAUSE_OVERRUN,
        GapCause::Stall => labels::CAUSE_STALL,
        GapCause::Lost => labels::CAUSE_LOST,
        GapCause::Switch => labels::CAUSE_SWITCH,
        GapCause::Muted => labels::CAUSE_MUTED,
        GapCause::Network => labels::CAUSE_NETWORK,
    }
}

fn of_training(ui: &mut Ui, language: Language, training: &TrainingStatus) {
    ui.horizontal(|ui| {
        widgets::label(ui, labels::TRAINING, language, size::TITLE, theme::FOAM);
        let (label, color) = super::training::phase(training.phase);
        widgets::chip(ui, color, &label.line(language), 190.0);
        let rest = ui.available_width();
        // The run, its threads, and the share of their time that they work.
        let throttle = training.throttle;
        let run = format!("{} · {} × {:.0} %", training.run, throttle.threads, 100.0 * throttle.duty);
        widgets::text(ui, run, size::SMALL, theme::MUTED, rest, Align::Max);
    });
    fields(
        ui,
        language,
        [
            (labels::EPOCH, format!("{} / {}", training.epoch, training.epochs)),
            (labels::STEP, format!("{} / {}", training.step, training.steps)),
            (labels::LOSS, format::loss(training.loss)),
            (labels::SPEED, format!("{:.1} /s", training.examples_per_sec)),
            (labels::UPDATES, format::count(training.updates)),
            (labels::LONGEST_PAUSE, format!("{:.2} s", training.longest_pause_secs)),
        ],
    );
}

fn links(ui: &mut Ui, language: Language, links: &[LinkStatus]) {
    caption(ui, labels::LINKS, language);
    for link in links {
        row(ui, |ui| {
            let name = ui.available_width() - 56.0 - 74.0 - 66.0 - 24.0;
            widgets::text(ui, &*link.name, size::SMALL, theme::TEXT, name, Align::Min);
            let share = link.len as f32 / link.capacity.max(1) as f32;
            widgets::bar(ui, share, vec2(56.0, 6.0), fill_color(share));
            widgets::text(ui, format!("{} / {}", link.len, link.capacity), size::SMALL, theme::MUTED, 74.0, Align::Max);
            let dropped = format!("{} {}", labels::DROPPED.pair(language).0, format::count(link.dropped));
            let color = if link.dropped > 0 { theme::CORAL } else { theme::MUTED };
            widgets::text(ui, dropped, size::SMALL, color, 66.0, Align::Max);
        });
    }
}

fn fill_color(share: f32) -> Color32 {
    match share {
        share if share > 0.9 => theme::CORAL,
        share if share > 0.5 => theme::AMBER,
        _ => theme::TEAL,
    }
}

fn tasks(ui: &mut Ui, language: Language, tasks: &[TaskStatus]) {
    caption(ui, labels::TASKS, language);
    for task in tasks {
        row(ui, |ui| {
            let name = ui.available_width() - 100.0 - 150.0 - 16.0;
            widgets::text(ui, &*task.name, size::SMALL, theme::TEXT, name, Align::Min);
            let color = if task.restarts > 0 { theme::CORAL } else { theme::MUTED };
            let restarts = format!("{} {}", labels::RESTARTS.pair(language).0, task.restarts);
            widgets::text(ui, restarts, size::SMALL, color, 100.0, Align::Max);
            let late = format!("{} {:.1} ms", labels::LATENESS.pair(language).0, task.lateness_p99_millis);
            widgets::text(ui, late, size::SMALL, theme::MUTED, 150.0, Align::Max);
        });
    }
}

fn caption(ui: &mut Ui, label: Label, language: Language) {
    widgets::label(ui, label, language, size::BODY, theme::FOAM);
}

fn row(ui: &mut Ui, contents: impl FnOnce(&mut Ui)) {
    let size = vec2(ui.available_width(), ROW);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_height(ROW);
        contents(ui);
    });
}
