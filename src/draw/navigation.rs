//! Drag, wheel, pinch and keys: looking back over the history, zooming, returning to the present.

use bevy::prelude::*;
use bevy_egui::{
    EguiContexts,
    egui::{Context, Key, PointerButton},
};

use super::{lanes::Lanes, view::View};

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
pub(super) fn draw_navigation(mut contexts: EguiContexts, lanes: Res<Lanes>, mut view: ResMut<View>) {
    let Ok(context) = contexts.ctx_mut() else { return };
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
    if !context.egui_wants_keyboard_input() {
        context.input(|input| {
            wish.live = input.key_pressed(Key::L) || input.key_pressed(Key::End);
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
