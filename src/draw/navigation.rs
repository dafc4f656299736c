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
