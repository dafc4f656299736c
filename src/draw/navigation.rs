//! Drag, wheel, pinch and keys: looking back over the history, zooming, returning to the present.

use bevy::prelude::*;
use bevy_egui::{
    EguiContext, PrimaryEguiContext,
    egui::{Context, Key, PointerButton},
};

use super::{
    lanes::{Lane, Lanes},
    view::View,
};
use crate::session::replay::{JumpTo, ReplayCommand, ReplayIntent};

/// Zoom of one point of wheel travel.
const ZOOM_A_POINT: f64 = 0.004;

/// What the user asked of the view in one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Wish {
    live: bool,
    back_secs: f64,
    only_lane: Option<Entity>,
    zoom: f64,
    anchor: f64,
    /// So many seconds further in the replay; its start or its end where it is infinite.
    replay_secs: f64,
    /// To the next or the previous landmark of the replay.
    jump: Option<(bool, JumpTo)>,
    /// Play or pause the replay.
    toggle: bool,
    /// Freeze the picture of live lanes, or let it run again.
    freeze: bool,
}

/// Turns what the user did over the lanes into the view.
pub(super) fn draw_navigation(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    lanes: Res<Lanes>,
    mut view: ResMut<View>,
    mut replay: MessageWriter<ReplayIntent>,
    mut looked: Local<f64>,
) {
    let context = context.get_mut();
    let wish = read(context, &lanes, view.span_secs);
    if wish.toggle {
        replay.write(ReplayIntent(ReplayCommand::Toggle));
    }
    if wish.replay_secs.is_infinite() {
        let end = if wish.replay_secs > 0.0 { f64::MAX } else { 0.0 };
        replay.write(ReplayIntent(ReplayCommand::Seek(end)));
    } else if wish.replay_secs != 0.0 {
        replay.write(ReplayIntent(ReplayCommand::Step(wish.replay_secs)));
    }
    if let Some((is_forward, to)) = wish.jump {
        replay.write(ReplayIntent(ReplayCommand::Jump { is_forward, to }));
    }
    if wish.freeze {
        view.freeze(wish.only_lane);
    }
    if wish.live {
        view.go_live();
    }
    if wish.zoom != 1.0 && wish.zoom > 0.0 {
        view.zoom(wish.zoom, wish.anchor);
    }
    if wish.back_secs != 0.0 {
        view.pan(wish.only_lane, wish.back_secs);
    }
    // Whoever reads the session must know how much of it is seen.
    let has_replay = lanes.lanes.iter().any(|lane| lane.cursor_secs.is_some());
    let seen = if has_replay { view.span_secs } else { 0.0 };
    if seen != *looked {
        *looked = seen;
        if has_replay {
            replay.write(ReplayIntent(ReplayCommand::Look(seen)));
        }
    }
}

fn read(context: &Context, lanes: &Lanes, span_secs: f64) -> Wish {
    let mut wish = Wish { zoom: 1.0, anchor: 1.0, ..Wish::default() };
    if !context.text_edit_focused() {
        wish.live = context.input(|input| input.key_pressed(Key::L) || input.key_pressed(Key::End));
    }
    let hovered =
        context.pointer_latest_pos().and_then(|at| lanes.lanes.iter().find(|lane| lane.places.frame.contains(at)));
    let has_replay = lanes.lanes.iter().any(|lane| lane.cursor_secs.is_some());
    let has_live = lanes.lanes.iter().any(|lane| lane.cursor_secs.is_none());
    // A focused slider or list has its own use for these.
    if !context.egui_wants_keyboard_input() {
        let is_pressed = |key: Key| context.input(|input| input.key_pressed(key));
        if is_pressed(Key::Space) {
            // It belongs to the lane under the pointer; else to the replay, if there is one.
            let is_live = hovered.map_or(!has_replay, |lane| lane.cursor_secs.is_none());
            (wish.toggle, wish.freeze) = (!is_live && has_replay, is_live && has_live);
            wish.only_lane = hovered.filter(|_| is_live && has_replay).map(|lane| lane.entity);
        }
        if has_replay {
            let to = if context.input(|input| input.modifiers.shift) { JumpTo::Label } else { JumpTo::Anything };
            for (key, is_forward) in [(Key::OpenBracket, false), (Key::CloseBracket, true)] {
                if is_pressed(key) {
                    wish.jump = Some((is_forward, to));
                }
            }
            for (key, end) in [(Key::Home, f64::NEG_INFINITY), (Key::End, f64::INFINITY)] {
                if is_pressed(key) {
                    wish.replay_secs = end;
                }
            }
        }
        context.input(|input| {
            let (back, forward) = (input.key_pressed(Key::ArrowLeft), input.key_pressed(Key::ArrowRight));
            let secs = span_secs * 0.2 * (f64::from(u8::from(back)) - f64::from(u8::from(forward)));
            // The keys go to the replay while there is one; the mouse reaches the live lanes.
            if !has_replay {
                wish.back_secs = secs;
                if input.key_pressed(Key::Home) {
                    wish.back_secs = f64::MAX / 4.0;
                }
            } else if wish.replay_secs == 0.0 {
                wish.replay_secs = -secs;
            }
            if input.key_pressed(Key::Plus) || input.key_pressed(Key::Equals) {
                wish.zoom = 0.8;
            }
            if input.key_pressed(Key::Minus) {
                wish.zoom = 1.25;
            }
        });
    }
    let Some(pointer) = context.pointer_latest_pos() else { return wish };
    // Who has no keyboard touches what says how far back the lane is.
    let is_chip = |lane: &&Lane| lane.places.live_chip().contains(pointer) && !lane.live;
    if lanes.lanes.iter().any(|lane| is_chip(&lane)) && context.input(|input| input.pointer.primary_clicked()) {
        wish.live = true;
        return wish;
    }
    // A drag belongs to where it began.
    let from = context.input(|input| input.pointer.press_origin()).unwrap_or(pointer);
    let Some(lane) = lanes.lanes.iter().find(|lane| lane.places.plot.contains(from)) else { return wish };
    if context.egui_wants_pointer_input() {
        return wish;
    }
    let plot = lane.places.plot;
    let secs_a_point = span_secs / f64::from(plot.width());
    context.input(|input| {
        let is_replay = lane.cursor_secs.is_some();
        if input.pointer.button_double_clicked(PointerButton::Primary) && !is_replay {
            wish.live = true;
            return;
        }
        let scroll = input.smooth_scroll_delta();
        // With Shift a replay's box is drawn instead.
        let drags = input.pointer.primary_down() && !(is_replay && input.modifiers.shift);
        let dragged = if drags { f64::from(input.pointer.delta().x) } else { 0.0 };
        let back_secs = (dragged + f64::from(scroll.x)) * secs_a_point;
        if is_replay {
            // The picture is dragged under the cursor, like tape under its head.
            if back_secs != 0.0 {
                wish.replay_secs = -back_secs;
            }
        } else {
            wish.back_secs += back_secs;
            wish.only_lane = input.modifiers.alt.then_some(lane.entity).or(wish.only_lane);
        }
        wish.zoom *= (-f64::from(scroll.y) * ZOOM_A_POINT).exp() / f64::from(input.zoom_delta());
        wish.anchor = f64::from((pointer.x - plot.left()) / plot.width()).clamp(0.0, 1.0);
    });
    wish
}

#[cfg(test)]
mod tests {
    use bevy_egui::egui::{Event, Modifiers, MouseWheelUnit, Pos2, RawInput, Rect, TouchPhase, pos2, vec2};

    use super::*;
    use crate::draw::lanes::stack;

    /// One lane of ten seconds in a window, and the events of each frame one after the other; returns every frame's wish.
    fn wishes(live: bool, frames: Vec<Vec<Event>>) -> Vec<Wish> {
        wishes_of(live, None, frames)
    }

    /// The same for a lane that may be a replay.
    fn wishes_of(live: bool, cursor_secs: Option<f64>, frames: Vec<Vec<Event>>) -> Vec<Wish> {
        let window = Rect::from_min_size(Pos2::ZERO, vec2(1280.0, 720.0));
        let lane = Lane {
            entity: Entity::PLACEHOLDER,
            name: "demo".into(),
            sample_rate_hz: 48_000,
            left_secs: 0.0,
            right_secs: 10.0,
            live,
            origin_secs: 0.0,
            cursor_secs,
            places: stack(window, 1)[0],
        };
        let lanes = Lanes { lanes: vec![lane], ..Lanes::default() };
        let context = Context::default();
        let read_frame = |(at, events): (usize, Vec<Event>)| {
            let time = Some(at as f64 / 60.0);
            let input = RawInput { screen_rect: Some(window), time, events, ..RawInput::default() };
            let mut wish = Wish::default();
            let _ = context.run_ui(input, |ui| wish = read(ui.ctx(), &lanes, 10.0));
            wish
        };
        frames.into_iter().enumerate().map(read_frame).collect()
    }

    fn button(pos: Pos2, pressed: bool) -> Event {
        Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE }
    }

    fn key(key: Key) -> Event {
        Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::NONE }
    }

    #[test]
    fn dragging_to_the_right_looks_back_by_what_was_dragged_over() {
        let (from, to) = (pos2(400.0, 300.0), pos2(600.0, 310.0));
        let frames = vec![
            vec![Event::PointerMoved(from)],
            vec![button(from, true)],
            vec![Event::PointerMoved(to)],
            vec![button(to, false)],
        ];
        let wishes = wishes(true, frames);
        let width = f64::from(stack(Rect::from_min_size(Pos2::ZERO, vec2(1280.0, 720.0)), 1)[0].plot.width());
        let back: f64 = wishes.iter().map(|wish| wish.back_secs).sum();
        assert!((back - 200.0 * 10.0 / width).abs() < 1e-6, "{wishes:?}");
        assert!(wishes.iter().all(|wish| wish.zoom == 1.0 && !wish.live));
    }

    #[test]
    fn a_drag_that_began_outside_the_lanes_is_not_ours() {
        let (from, to) = (pos2(400.0, 4.0), pos2(600.0, 310.0));
        let frames = vec![vec![Event::PointerMoved(from)], vec![button(from, true)], vec![Event::PointerMoved(to)]];
        assert!(wishes(true, frames).iter().all(|wish| wish.back_secs == 0.0));
    }

    #[test]
    fn the_wheel_zooms_around_the_pointer() {
        let wheel = |lines: f32| Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta: vec2(0.0, lines),
            phase: TouchPhase::Move,
            modifiers: Modifiers::NONE,
        };
        let at = pos2(631.0, 400.0);
        for (points, closer) in [(50.0, true), (-50.0, false)] {
            let frames = vec![vec![Event::PointerMoved(at)], vec![wheel(points)], vec![], vec![]];
            let wishes = wishes(true, frames);
            let zoom: f64 = wishes.iter().map(|wish| wish.zoom).product();
            assert_eq!(zoom < 1.0, closer, "{wishes:?}");
            assert!((wishes[1].anchor - 0.5).abs() < 0.01, "{wishes:?}");
        }
    }

    #[test]
    fn keys_and_a_touch_return_to_the_present() {
        assert!(wishes(false, vec![vec![key(Key::L)]])[0].live);
        assert!(wishes(false, vec![vec![key(Key::End)]])[0].live);
        assert!(wishes(false, vec![vec![key(Key::ArrowLeft)]])[0].back_secs > 0.0);
        let chip = stack(Rect::from_min_size(Pos2::ZERO, vec2(1280.0, 720.0)), 1)[0].live_chip().center();
        let touch = || vec![vec![Event::PointerMoved(chip)], vec![button(chip, true)], vec![button(chip, false)]];
        assert!(wishes(false, touch()).last().expect("three frames").live);
        assert!(!wishes(true, touch()).iter().any(|wish| wish.live), "nothing to return from");
    }

    #[test]
    fn keys_and_drags_over_a_replay_move_it_and_no_live_lane() {
        let wish = |events: Vec<Event>| wishes_of(false, Some(5.0), vec![events])[0];
        assert!(wish(vec![key(Key::Space)]).toggle && !wish(vec![key(Key::Space)]).freeze);
        assert!(wishes(true, vec![vec![key(Key::Space)]])[0].freeze, "a live picture is frozen by the same key");
        assert_eq!(wish(vec![key(Key::ArrowRight)]).replay_secs, 2.0);
        assert_eq!(wish(vec![key(Key::Home)]).replay_secs, f64::NEG_INFINITY);
        assert_eq!(wish(vec![key(Key::CloseBracket)]).jump, Some((true, JumpTo::Anything)));
        let (from, to) = (pos2(400.0, 300.0), pos2(500.0, 300.0));
        let drag = vec![vec![Event::PointerMoved(from)], vec![button(from, true)], vec![Event::PointerMoved(to)]];
        let wishes = wishes_of(false, Some(5.0), drag);
        assert!(wishes[2].replay_secs < 0.0 && wishes.iter().all(|wish| wish.back_secs == 0.0), "{wishes:?}");
    }
}
