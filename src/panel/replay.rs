//! The bar below the picture while a session is open: where it plays, how fast, and all of it as a strip to click on. And the list of
//! sessions, and the box for the text of a label.

use bevy_egui::egui::{
    Align, Align2, ColorImage, Context, CornerRadius, Id, Key, Layout, Popup, Rect, Response, ScrollArea, Sense,
    Stroke, StrokeKind, TextEdit, TextureHandle, TextureOptions, Ui, WidgetInfo, WidgetType, Window, pos2, vec2,
};

use super::{
    format,
    labels::{self, Label},
    layout,
    state::{Intent, PanelState, Scene},
    widgets::{self, Weight, size},
};
use crate::{
    draw::{theme, view::Selection},
    session::{
        annotate::{self, Edit},
        export::{Format, Request},
        replay::{JumpTo, OpenSession, PlayClock, ReplayCommand, ReplayReport},
    },
};

/// Height of the bar, margins not counted.
pub const HEIGHT: f32 = 106.0;
/// Height of the strip.
const STRIP: f32 = 50.0;
/// The speeds that are offered.
const SPEEDS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];

fn ask(intents: &mut Vec<Intent>, command: ReplayCommand) {
    intents.push(Intent::Replay(command));
}

/// Draws the bar of an open session.
pub fn show(ui: &mut Ui, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let Some((report, session, clock)) = open(scene) else { return };
    let place = clock.at(scene.now);
    ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
    ui.allocate_ui_with_layout(vec2(ui.available_width(), 40.0), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_height(40.0);
        transport(ui, state, scene, report, clock, intents);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let language = state.language;
            if widgets::button(ui, labels::CLOSE_SESSION, language, Weight::Plain, 60.0).clicked() {
                ask(intents, ReplayCommand::Close);
            }
            let export = widgets::button(ui, labels::EXPORT, language, Weight::Plain, 66.0);
            export_menu(&export, state, session, intents);
            about(ui, report, session, place, clock);
        });
    });
    strip(ui, scene, report, session, clock, place, intents);
}

fn open<'a>(scene: &Scene<'a>) -> Option<(&'a ReplayReport, &'a OpenSession, &'a PlayClock)> {
    let report = scene.replay?;
    Some((report, report.session.as_deref()?, report.clock.as_ref()?))
}

/// Play, jump, speed, loop, hearing, undo.
fn transport(
    ui: &mut Ui,
    state: &PanelState,
    scene: &Scene,
    report: &ReplayReport,
    clock: &PlayClock,
    intents: &mut Vec<Intent>,
) {
    let language = state.language;
    let line = |label: Label| label.line(language).into_owned();
    if widgets::icon(ui, "◀", 30.0, line(labels::PREVIOUS)).clicked() {
        ask(intents, ReplayCommand::Jump { is_forward: false, to: JumpTo::Anything });
    }
    let (label, weight) = match clock.is_moving(scene.now) {
        true => (labels::PAUSE_REPLAY, Weight::Plain),
        false => (labels::PLAY, Weight::Primary),
    };
    if widgets::button(ui, label, language, weight, 74.0).clicked() {
        ask(intents, ReplayCommand::Toggle);
    }
    if widgets::icon(ui, "▶", 30.0, line(labels::NEXT)).clicked() {
        ask(intents, ReplayCommand::Jump { is_forward: true, to: JumpTo::Anything });
    }
    let speed = widgets::icon(ui, &format!("{}×", clock.speed()), 40.0, line(labels::PITCH_FOLLOWS));
    Popup::menu(&speed).gap(4.0).frame(layout::overlay()).show(|ui| {
        widgets::plain(ui, labels::PITCH_FOLLOWS.line(language), size::CAPTION, theme::MUTED);
        for choice in SPEEDS {
            if widgets::choice(ui, &format!("{choice}×"), choice == clock.speed()).clicked() {
                ask(intents, ReplayCommand::Speed(choice));
            }
        }
    });
    let is_looping = clock.repeats().is_some();
    let weight = if is_looping { Weight::Primary } else { Weight::Plain };
    if widgets::button(ui, labels::LOOP, language, weight, 56.0).clicked() {
        // The drawn box, else what is seen.
        let seen = || {
            let (half, place) = (scene.span_secs / 2.0, clock.at(scene.now));
            place - half..place + half
        };
        let part = scene.selection.map_or_else(seen, |selection| selection.secs.clone());
        ask(intents, ReplayCommand::Repeat((!is_looping).then_some(part)));
    }
    let weight = if report.is_audible { Weight::Primary } else { Weight::Plain };
    if widgets::button(ui, labels::LISTEN, language, weight, 56.0).clicked() {
        ask(intents, ReplayCommand::SetAudible(!report.is_audible));
    }
    let (can_undo, can_redo) = report.can_undo_redo;
    for (can, sign, label, edit) in
        [(can_undo, "↺", labels::UNDO, Edit::Undo), (can_redo, "↻", labels::REDO, Edit::Redo)]
    {
        ui.add_enabled_ui(can, |ui| {
            if widgets::icon(ui, sign, 30.0, line(label)).clicked() {
                ask(intents, ReplayCommand::Label(edit));
            }
        });
    }
}

/// The place, and what was done last or could not be.
fn about(ui: &mut Ui, report: &ReplayReport, session: &OpenSession, place: f64, clock: &PlayClock) {
    ui.add_space(6.0);
    let text = format!("{} / {}", format::moment(place), format::moment(clock.len_secs()));
    widgets::text(ui, text, size::BODY, theme::FOAM, 148.0, Align::Max);
    let name = session.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (said, color) = match &report.notice {
        Some(Ok(done)) => (done.to_string(), theme::TEAL),
        Some(Err(error)) => (error.message.clone(), theme::CORAL),
        None => (name, theme::MUTED),
    };
    let room = (ui.available_width() - 12.0).max(0.0);
    widgets::text(ui, said, size::SMALL, color, room, Align::Max);
}

/// The whole session: a click or a drag goes there.
fn strip(
    ui: &mut Ui,
    scene: &Scene,
    report: &ReplayReport,
    session: &OpenSession,
    clock: &PlayClock,
    place: f64,
    intents: &mut Vec<Intent>,
) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::click_and_drag());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Slider, true, labels::OVERVIEW.en));
    let len = clock.len_secs().max(1e-9);
    let x_of = |secs: f64| rect.left() + (secs / len).clamp(0.0, 1.0) as f32 * rect.width();
    let over = ui.painter().with_clip_rect(rect.expand(1.0));
    over.rect_filled(rect, 6.0, theme::NIGHT);
    let height = rect.height() / session.overviews.len().max(1) as f32;
    let pictures = textures(ui.ctx(), session);
    for (lane, picture) in pictures.iter().enumerate() {
        let top = rect.top() + lane as f32 * height;
        let place = Rect::from_min_size(pos2(rect.left(), top), vec2(rect.width(), height - 1.0));
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        over.image(picture.id(), place, whole, theme::WHOLE);
    }
    let span = |from: f64, to: f64| {
        let (left, right) = (x_of(from), x_of(to));
        Rect::from_x_y_ranges(left..=right.max(left + 1.5), rect.y_range())
    };
    for (gaps, (lane, offset)) in session.gaps.iter().zip(session.lanes.iter().zip(&session.offsets_secs)) {
        let rate = f64::from(lane.record.sample_rate_hz);
        for gap in gaps.iter() {
            let from = gap.at_sample as f64 / rate - offset;
            over.rect_filled(span(from, from + gap.len_samples as f64 / rate), 0.0, theme::faded(theme::CORAL, 0.55));
        }
    }
    for label in report.labels.iter() {
        let mut mark = span(label.start_secs, label.end_secs);
        mark.set_top(mark.bottom() - 5.0);
        over.rect_filled(mark, 1.0, theme::AMBER);
    }
    if let Some(part) = clock.repeats() {
        over.rect(
            span(part.start, part.end),
            2.0,
            theme::faded(theme::TEAL, 0.18),
            Stroke::new(1.0, theme::TEAL),
            StrokeKind::Inside,
        );
    }
    // What is seen above.
    let seen = span(place - scene.span_secs / 2.0, place + scene.span_secs / 2.0);
    over.rect(
        seen,
        2.0,
        theme::faded(theme::FOAM, 0.10),
        Stroke::new(1.0, theme::faded(theme::FOAM, 0.55)),
        StrokeKind::Inside,
    );
    let x = x_of(place);
    over.vline(x, rect.y_range(), Stroke::new(4.0, theme::faded(theme::NIGHT, 0.7)));
    over.vline(x, rect.y_range(), Stroke::new(1.5, theme::FOAM));
    over.rect_stroke(rect, 6.0, Stroke::new(1.0, theme::LINE), StrokeKind::Inside);
    let secs_at = |x: f32| f64::from((x - rect.left()) / rect.width()).clamp(0.0, 1.0) * len;
    if let Some(at) = response.hover_pos() {
        over.vline(at.x, rect.y_range(), Stroke::new(1.0, theme::faded(theme::TEAL, 0.8)));
        let text = format::moment(secs_at(at.x));
        response.clone().on_hover_text_at_pointer(text);
    }
    // The press itself goes there, and so does every move with the button down.
    let is_pressed = response.is_pointer_button_down_on()
        && ui.input(|input| input.pointer.is_moving() || input.pointer.primary_pressed());
    if (is_pressed || response.clicked())
        && let Some(at) = response.interact_pointer_pos()
    {
        ask(intents, ReplayCommand::Seek(secs_at(at.x)));
    }
}

/// The overviews as textures; egui keeps them until another session is open.
fn textures(ctx: &Context, session: &OpenSession) -> Vec<TextureHandle> {
    type Kept = (usize, Vec<TextureHandle>);
    let id = Id::new("overview of the session");
    // The address tells one open session from the next: it is kept for as long as the session is.
    let key = std::ptr::from_ref(session).addr();
    if let Some((kept, textures)) = ctx.data(|data| data.get_temp::<Kept>(id))
        && kept == key
    {
        return textures;
    }
    let load = |(lane, overview): (usize, &std::sync::Arc<crate::session::replay::Overview>)| {
        ctx.load_texture(
            format!("overview {lane}"),
            ColorImage::from_rgb(overview.size, &overview.rgb),
            TextureOptions::LINEAR,
        )
    };
    let textures: Vec<_> = session.overviews.iter().enumerate().map(load).collect();
    ctx.data_mut(|data| data.insert_temp(id, (key, textures.clone())));
    textures
}

/// The formats; they go into a folder beside the session.
fn export_menu(response: &Response, state: &PanelState, session: &OpenSession, intents: &mut Vec<Intent>) {
    let language = state.language;
    Popup::menu(response).gap(4.0).frame(layout::overlay()).show(|ui| {
        ui.set_width(190.0);
        let out_dir = session.path.with_extension("export");
        for format in Format::ALL {
            if widgets::choice(ui, format.name(), false).clicked() {
                let request = Request { formats: vec![format], out_dir: out_dir.clone(), ..Request::default() };
                ask(intents, ReplayCommand::Export(request));
                ui.close();
            }
        }
        ui.separator();
        if widgets::choice(ui, &labels::TO_DATASET.line(language), false).clicked() {
            ask(intents, ReplayCommand::SendToDataset(session.path.with_extension("dataset")));
            ui.close();
        }
    });
}

/// The box that was drawn, or the label that was touched: its text, and what can be done with it.
pub fn show_selection(ctx: &Context, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let (Some((report, session, _)), Some(selection)) = (open(scene), scene.selection) else {
        state.edited = None;
        return;
    };
    if selection.is_drawn {
        return;
    }
    let language = state.language;
    let of = (selection.label, selection.secs.start.to_bits());
    let is_new = state.edited != Some(of);
    if is_new {
        state.edited = Some(of);
        let label = report.labels.iter().find(|label| Some(label.id) == selection.label);
        state.label_text = label.map(|label| label.text.to_string()).unwrap_or_default();
    }
    let mut lets_go = ctx.input(|input| input.key_pressed(Key::Escape));
    Window::new(labels::LABEL.line(language))
        .id(Id::new("label"))
        .anchor(Align2::CENTER_BOTTOM, vec2(-190.0, -HEIGHT - 40.0))
        .frame(layout::overlay())
        .title_bar(false)
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.spacing_mut().item_spacing = vec2(8.0, 8.0);
            let secs = &selection.secs;
            let band = selection.band_hz.map(|[low, high]| format!("  ·  {low:.0}–{high:.0} Hz")).unwrap_or_default();
            let length = secs.end - secs.start;
            let text = format!("{}  ·  {length:.2} s{band}", format::moment(secs.start));
            widgets::plain(ui, text, size::SMALL, theme::MUTED);
            ui.horizontal(|ui| {
                let hint = labels::LABEL_HINT.pair(language).0;
                let edit = TextEdit::singleline(&mut state.label_text).hint_text(hint).vertical_align(Align::Center);
                let edit = ui.add_sized(vec2(190.0, 28.0), edit);
                if is_new {
                    edit.request_focus();
                }
                let enters = edit.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
                if widgets::button(ui, labels::KEEP, language, Weight::Primary, 60.0).clicked() || enters {
                    keep(session, selection, &state.label_text, intents);
                    lets_go = true;
                }
                if let Some(id) = selection.label
                    && widgets::button(ui, labels::REMOVE, language, Weight::Ending, 60.0).clicked()
                {
                    ask(intents, ReplayCommand::Label(Edit::Remove(id)));
                    lets_go = true;
                }
                if widgets::button(ui, labels::LOOP, language, Weight::Plain, 56.0).clicked() {
                    ask(intents, ReplayCommand::Repeat(Some(secs.clone())));
                }
            });
        });
    if lets_go {
        state.edited = None;
        intents.push(Intent::Deselect);
    }
}

fn keep(session: &OpenSession, selection: &Selection, text: &str, intents: &mut Vec<Intent>) {
    let Some(lane) = session.lanes.get(selection.lane) else { return };
    let label = annotate::Label {
        id: selection.label.unwrap_or_default(),
        lane: lane.record.key.clone(),
        start_secs: selection.secs.start,
        end_secs: selection.secs.end,
        band_hz: selection.band_hz,
        text: text.trim().into(),
    };
    let edit = if selection.label.is_some() { Edit::Change(label) } else { Edit::Add(label) };
    ask(intents, ReplayCommand::Label(edit));
}

/// The sessions there are, in a window over the picture.
pub fn show_sessions(ctx: &Context, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let (Some(report), true) = (scene.replay, state.shows_sessions) else {
        state.listed = false;
        return;
    };
    if !std::mem::replace(&mut state.listed, true) {
        ask(intents, ReplayCommand::List);
    }
    let language = state.language;
    let (mut is_open, mut is_done) = (true, false);
    Window::new(labels::SESSIONS.line(language))
        .id(Id::new("sessions"))
        .open(&mut is_open)
        .anchor(Align2::CENTER_CENTER, vec2(-190.0, 0.0))
        .frame(layout::overlay())
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.set_width(460.0);
            ui.horizontal(|ui| {
                let hint = labels::SESSION_HINT.pair(language).0;
                let edit = TextEdit::singleline(&mut state.session_path).hint_text(hint).vertical_align(Align::Center);
                ui.add_sized(vec2(370.0, 28.0), edit);
                let path = state.session_path.trim().to_owned();
                ui.add_enabled_ui(!path.is_empty(), |ui| {
                    if widgets::button(ui, labels::OPEN_SESSION, language, Weight::Plain, 66.0).clicked() {
                        ask(intents, ReplayCommand::Open(path.into()));
                        is_done = true;
                    }
                });
            });
            if let Some(error) = report.failure() {
                ui.colored_label(theme::CORAL, &error.message);
            }
            if report.sessions.is_empty() {
                widgets::empty(ui, labels::NO_SESSIONS, language, 80.0);
            }
            ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
                for entry in report.sessions.iter() {
                    let name = entry.path.file_stem().unwrap_or_default().to_string_lossy();
                    let is_this = report.session.as_ref().is_some_and(|session| session.path == entry.path);
                    let row = format!("{name}    {:.1} MB", entry.bytes as f64 / 1e6);
                    if widgets::choice(ui, &row, is_this).clicked() {
                        ask(intents, ReplayCommand::Open(entry.path.clone()));
                        is_done = true;
                    }
                }
            });
        });
    state.shows_sessions = is_open && !is_done;
}

/// The bar's own frame.
pub fn frame() -> bevy_egui::egui::Frame {
    bevy_egui::egui::Frame::new()
        .fill(theme::DEEP)
        .corner_radius(CornerRadius::ZERO)
        .inner_margin(bevy_egui::egui::Margin { left: 14, right: 14, top: 8, bottom: 10 })
}
