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
}

/// Turns what the user did over the lanes into the view.
pub(super) fn draw_navigation(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    lanes: Res<Lanes>,
    mut view: ResMut<View>,
) {
    let context = context.get_mut();
    let wish = read(context, &lanes, view.span_secs);
    if wish.live {
        view.go_live();
    }
    if wish.zoom != 1.0 && wish.zoom > 0.0 {
        view.zoom(wish.zoom, wish.anchor);
    }
    if wish.back_secs != 0.0 {
        view.pan(wish.only_lane, wish.back_secs);
    }
}

fn read(context: &Context, lanes: &Lanes, span_secs: f64) -> Wish {
    let mut wish = Wish { zoom: 1.0, anchor: 1.0, ..Wish::default() };
    if !context.text_edit_focused() {
        wish.live = context.input(|input| input.key_pressed(Key::L) || input.key_pressed(Key::End));
    }
    // A focused slider or list has its own use for these.
    if !context.egui_wants_keyboard_input() {
        context.input(|input| {
            let (back, forward) = (input.key_pressed(Key::ArrowLeft), input.key_pressed(Key::ArrowRight));
            wish.back_secs = span_secs * 0.2 * (f64::from(u8::from(back)) - f64::from(u8::from(forward)));
            if input.key_pressed(Key::Home) {
                wish.back_secs = f64::MAX / 4.0;
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
        if input.pointer.button_double_clicked(PointerButton::Primary) {
            wish.live = true;
            return;
        }
        let scroll = input.smooth_scroll_delta();
        let dragged = if input.pointer.primary_down() { f64::from(input.pointer.delta().x) } else { 0.0 };
        wish.back_secs += (dragged + f64::from(scroll.x)) * secs_a_point;
        wish.only_lane = input.modifiers.alt.then_some(lane.entity);
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
        let window = Rect::from_min_size(Pos2::ZERO, vec2(1280.0, 720.0));
        let lane = Lane {
            entity: Entity::PLACEHOLDER,
            name: "demo".into(),
            sample_rate_hz: 48_000,
            left_secs: 0.0,
            right_secs: 10.0,
            live,
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
}
