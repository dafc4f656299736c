//! The panels on a made-up scene, without a GPU: no text is cut, lies outside its place or on another, numbers do not make
//! anything jump, and buttons and keys ask for the right things.

pub mod fake;
mod look;

use bevy_egui::egui::{
    Context, Event, Key, Modifiers, PointerButton, Pos2, RawInput, Rect, Shape, epaint::ClippedShape, pos2, vec2,
};
use fake::Fake;

use super::{
    fonts, layout,
    state::{Intent, MonitorIntent, PanelState, WindowIntent},
};
use crate::{
    config::{Config, Language},
    draw::theme,
    recognise::service::ModelIntent,
    stream::{ConnectionState, StreamCommand},
    train::{
        progress::Phase,
        teach::{Lesson, handle::TeachIntent},
        trainer::TrainingIntent,
    },
};

/// A text on the screen.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    text: String,
    place: Rect,
    clip: Rect,
    is_cut: bool,
}

/// The panels with a pointer and a keyboard.
struct Stage {
    context: Context,
    state: PanelState,
    fake: Fake,
    size: (f32, f32),
    time: f64,
    asked: Vec<Intent>,
    room: Rect,
}

impl Stage {
    fn new(fake: Fake, language: Language, size: (f32, f32)) -> Self {
        let context = Context::default();
        theme::apply(&context);
        fonts::install(&context);
        context.options_mut(|options| options.warn_on_id_clash = true);
        let state = PanelState { language, ..PanelState::new(&Config::default()) };
        let mut stage = Self { context, state, fake, size, time: 0.0, asked: Vec::new(), room: Rect::NOTHING };
        // Fonts and sizes settle.
        stage.frame(Vec::new());
        stage.frame(Vec::new());
        fonts::warm(&stage.context);
        stage
    }

    fn english(fake: Fake) -> Self {
        Self::new(fake, Language::English, (1280.0, 720.0))
    }

    /// One frame with these events, and what it shows.
    fn frame(&mut self, events: Vec<Event>) -> Vec<Seen> {
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(self.size.0, self.size.1));
        self.time += 1.0 / 60.0;
        let input = RawInput { screen_rect: Some(screen), time: Some(self.time), events, ..RawInput::default() };
        let Self { context, state, fake, asked, room, .. } = self;
        let mut output = context.run_ui(input, |ui| fake.with(|scene| *room = layout::show(ui, state, scene, asked)));
        output.textures_delta.clear();
        let mut seen = Vec::new();
        for ClippedShape { clip_rect, shape } in &output.shapes {
            collect(shape, *clip_rect, &mut seen);
        }
        seen
    }

    fn find(&mut self, text: &str) -> Pos2 {
        let seen = self.frame(Vec::new());
        let found = seen.iter().find(|seen| seen.text == text);
        found.unwrap_or_else(|| panic!("{text:?} is not on the screen: {seen:#?}")).place.center()
    }

    fn click_at(&mut self, at: Pos2) {
        let button = |pressed| Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        self.frame(vec![Event::PointerMoved(at)]);
        self.frame(vec![button(true)]);
        self.frame(vec![button(false)]);
        self.frame(Vec::new());
    }

    fn click(&mut self, text: &str) -> Vec<Intent> {
        let at = self.find(text);
        self.asked.clear();
        self.click_at(at);
        std::mem::take(&mut self.asked)
    }

    fn press(&mut self, key: Key) -> Vec<Intent> {
        self.asked.clear();
        let event =
            |pressed| Event::Key { key, physical_key: None, pressed, repeat: false, modifiers: Modifiers::NONE };
        self.frame(vec![event(true)]);
        self.frame(vec![event(false)]);
        std::mem::take(&mut self.asked)
    }

    fn write(&mut self, text: &str) {
        self.frame(vec![Event::Text(text.to_owned())]);
    }
}

fn collect(shape: &Shape, clip: Rect, seen: &mut Vec<Seen>) {
    match shape {
        Shape::Vec(shapes) => shapes.iter().for_each(|shape| collect(shape, clip, seen)),
        Shape::Text(text) if !text.galley.text().trim().is_empty() => seen.push(Seen {
            text: text.galley.text().to_owned(),
            place: text.galley.rect.translate(text.pos.to_vec2()),
            clip,
            is_cut: text.galley.elided,
        }),
        _ => {}
    }
}

fn stream(command: StreamCommand) -> Vec<Intent> {
    vec![Intent::Stream(crate::stream::StreamIntent { stream: "main".parse().unwrap(), command })]
}

fn training(intent: TrainingIntent) -> Vec<Intent> {
    vec![Intent::Training(intent)]
}

#[test]
fn the_two_switches_and_the_source_ask_for_what_they_say() {
    let mut stage = Stage::english(Fake::quiet());
    assert_eq!(stage.click("Open"), stream(StreamCommand::Open));
    assert_eq!(stage.click("Start recognition"), stream(StreamCommand::StartRecognition));
    let (open, start) = (stage.find("Open"), stage.find("Start recognition"));
    stage.fake = Fake::busy();
    assert_eq!(stage.click("Close"), stream(StreamCommand::Close));
    stage.asked.clear();
    stage.click_at(start);
    assert_eq!(stage.asked, [], "what already runs cannot be started");
    assert_eq!(stage.find("Close").distance(open), 0.0, "one place for one switch");
}

#[test]
fn another_source_is_chosen_from_the_menu_or_typed_as_a_path() {
    let mut stage = Stage::english(Fake::quiet());
    stage.click("Demo");
    assert_eq!(stage.click("Microphone"), stream(StreamCommand::SetSource("mic".parse().unwrap())));
    stage.click("Demo");
    stage.click("path of a sound file");
    stage.write("/tmp/a b.wav");
    let asked = stage.press(Key::Enter);
    assert_eq!(asked, stream(StreamCommand::SetSource("file:/tmp/a b.wav".parse().unwrap())));
}

#[test]
fn the_training_switches_follow_the_phase() {
    let mut stage = Stage::english(Fake::quiet());
    let asked = stage.click("Start");
    let [Intent::Training(TrainingIntent::Start(spec))] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((&*spec.model_name, &*spec.dataset_name, spec.epochs), ("my-words", "demo", 20));
    stage.fake = Fake::busy();
    assert_eq!(stage.click("Pause"), training(TrainingIntent::Pause));
    stage.fake.progress.phase = Phase::Paused;
    assert_eq!(stage.click("Resume"), training(TrainingIntent::Resume));
    stage.fake.progress.phase = Phase::Stopping;
    assert_eq!(stage.press(Key::P), [], "what stops cannot be paused");
    stage.fake.progress.phase = Phase::Running;
    assert_eq!(stage.press(Key::T), training(TrainingIntent::Stop));
}

#[test]
fn a_better_model_is_offered_and_taken() {
    let mut stage = Stage::english(Fake::busy());
    let use_it = vec![Intent::Model(ModelIntent::Use("my-words".into()))];
    assert_eq!(stage.click("Use it"), use_it);
    assert_eq!(stage.click("Use"), use_it, "the same from the list");
}

#[test]
fn keys_end_in_the_intents_of_the_buttons() {
    let mut stage = Stage::english(Fake::quiet());
    assert_eq!(stage.press(Key::O), stream(StreamCommand::Open));
    assert_eq!(stage.press(Key::R), stream(StreamCommand::StartRecognition));
    assert_eq!(stage.press(Key::M), [Intent::Monitor(MonitorIntent::SetOn(true))]);
    assert_eq!(stage.press(Key::F11), [Intent::Window(WindowIntent::ToggleFullscreen)]);
    stage.fake.lanes[0].source = "mic".to_owned();
    assert_eq!(stage.press(Key::M), [], "a microphone is not heard");
    stage.fake = Fake::busy();
    assert_eq!(stage.press(Key::R), stream(StreamCommand::StopRecognition));
    let shown = |state: &PanelState| [state.shows_lanes, state.shows_status, state.shows_invitation];
    for (key, expected) in
        [(Key::F2, [true, false, false]), (Key::F3, [false, true, false]), (Key::F4, [false, false, true])]
    {
        assert_eq!(stage.press(key), []);
        assert_eq!(shown(&stage.state), expected);
        assert_eq!(stage.press(Key::Escape), []);
        assert_eq!(shown(&stage.state), [false; 3]);
    }
}

#[test]
fn no_key_acts_while_somebody_writes() {
    let mut stage = Stage::english(Fake::quiet());
    stage.click("my-words");
    for key in [Key::O, Key::R, Key::T, Key::P, Key::M, Key::F11, Key::Num1] {
        assert_eq!(stage.press(key), [], "{key:?}");
    }
    assert!(stage.state.is_shown && !stage.state.shows_keys);
    stage.write("-2");
    assert!(stage.state.save_as.contains("-2"), "{}", stage.state.save_as);
}

#[test]
fn a_key_held_down_acts_once_and_one_with_control_is_not_ours() {
    let mut stage = Stage::english(Fake::quiet());
    let event = |pressed, modifiers| Event::Key { key: Key::R, physical_key: None, pressed, repeat: false, modifiers };
    for _ in 0..5 {
        stage.frame(vec![event(true, Modifiers::NONE)]);
    }
    assert_eq!(stage.asked, stream(StreamCommand::StartRecognition));
    stage.asked.clear();
    stage.frame(vec![event(false, Modifiers::NONE)]);
    stage.frame(vec![event(true, Modifiers::CTRL)]);
    assert_eq!(stage.asked, []);
}

#[test]
fn hiding_the_panels_leaves_the_whole_window_to_the_picture() {
    let mut stage = Stage::english(Fake::busy());
    let room = stage.room;
    assert!(room.width() > 850.0 && room.height() > 640.0, "{room}");
    stage.press(Key::Tab);
    assert_eq!(stage.room, Rect::from_min_size(Pos2::ZERO, vec2(1280.0, 720.0)));
    assert_eq!(stage.frame(Vec::new()), []);
    stage.press(Key::Tab);
    assert_eq!(stage.room, room);
}

#[test]
fn progress_is_alive_unless_held_and_refreshed_on_demand() {
    let mut stage = Stage::english(Fake::busy());
    let step = |stage: &mut Stage, loss: f32| {
        stage.fake.progress.updates += 1;
        stage.fake.progress.loss = loss;
        stage.frame(Vec::new()).iter().any(|seen| seen.text == format!("{loss:.4}"))
    };
    assert!(step(&mut stage, 0.5), "an update is on the very next frame");
    stage.click("Hold the display");
    assert!(stage.state.holds_progress);
    assert!(!step(&mut stage, 0.25));
    stage.click("Refresh progress");
    assert!(stage.frame(Vec::new()).iter().any(|seen| seen.text == "0.2500"));
    assert!(!step(&mut stage, 0.125), "still held");
    stage.press(Key::F5);
    assert!(stage.frame(Vec::new()).iter().any(|seen| seen.text == "0.1250"));
    stage.click("Hold the display");
    assert!(step(&mut stage, 0.0625), "alive again");
}

#[test]
fn with_many_streams_a_digit_chooses_and_the_controls_steer_that_one() {
    let mut fake = Fake::quiet();
    fake.lanes.push(Fake::quiet().lanes.remove(0));
    (fake.lanes[1].key, fake.lanes[1].name) = ("second".parse().unwrap(), "second");
    fake.lanes[1].connection = ConnectionState::Connected;
    let mut stage = Stage::english(fake);
    stage.press(Key::Num2);
    let asked = stage.click("Close");
    let [Intent::Stream(intent)] = &asked[..] else { panic!("{asked:?}") };
    assert_eq!((intent.stream.as_str(), &intent.command), ("second", &StreamCommand::Close));
    assert!(stage.frame(Vec::new()).iter().any(|seen| seen.text == "Source · second"));
    stage.fake.lanes.clear();
    let seen = stage.frame(Vec::new());
    assert!(seen.iter().any(|seen| seen.text.contains("There is no stream")), "{seen:?}");
}

#[test]
fn the_host_names_mutes_moves_and_removes_a_lane() {
    let mut fake = Fake::quiet();
    fake.lanes.push(Fake::quiet().lanes.remove(0));
    (fake.lanes[1].key, fake.lanes[1].name) = ("second".parse().unwrap(), "Aki");
    let mut stage = Stage::english(fake);
    stage.press(Key::F2);
    (0..30).for_each(|_| drop(stage.frame(Vec::new())));
    let of_second =
        |command| vec![Intent::Stream(crate::stream::StreamIntent { stream: "second".parse().unwrap(), command })];
    let last = |stage: &mut Stage, text: &str| {
        let seen = stage.frame(Vec::new());
        seen.iter().rev().find(|seen| seen.text == text).unwrap_or_else(|| panic!("{text} in {seen:#?}")).place.center()
    };
    let click = |stage: &mut Stage, text: &str| {
        let at = last(stage, text);
        stage.asked.clear();
        stage.click_at(at);
        std::mem::take(&mut stage.asked)
    };
    assert_eq!(click(&mut stage, "Mute"), of_second(StreamCommand::SetMuted(true)));
    stage.fake.lanes[1].is_muted = true;
    assert_eq!(click(&mut stage, "Unmute"), of_second(StreamCommand::SetMuted(false)));
    assert_eq!(click(&mut stage, "\u{2191}"), of_second(StreamCommand::MoveTo(0)));
    assert_eq!(click(&mut stage, "\u{2193}"), [], "the last one is at the bottom");
    assert_eq!(click(&mut stage, "Remove"), [], "one press is no answer");
    assert_eq!(click(&mut stage, "Really remove"), of_second(StreamCommand::Remove));
    assert_eq!(click(&mut stage, "Aki"), []);
    stage.press(Key::End);
    stage.write(" san");
    let mut named = stage.press(Key::Enter);
    stage.frame(Vec::new());
    named.append(&mut stage.asked);
    assert_eq!(named, of_second(StreamCommand::SetName("Aki san".into())));
}

#[test]
fn a_word_is_named_its_clips_are_taken_seen_and_taught() {
    let mut stage = Stage::english(Fake::busy());
    let teach = |intent| vec![Intent::Teach(intent)];
    assert_eq!(stage.click("Teach a word"), teach(TeachIntent::List));
    (0..30).for_each(|_| drop(stage.frame(Vec::new())));
    assert_eq!(stage.click("Teach"), [], "nothing to teach yet");
    stage.click("the new word");
    stage.write("jarvis");
    stage.press(Key::Enter);
    let take = TeachIntent::Take { stream: "main".parse().unwrap(), word: "jarvis".into(), secs: 15 };
    assert_eq!(stage.click("Take the last 15 s"), teach(take));
    let seen = stage.frame(Vec::new());
    assert_eq!(seen.iter().filter(|seen| seen.text == "0.60 s").count(), 5, "{seen:#?}");
    assert_eq!(stage.click("Teach"), teach(TeachIntent::Teach(Lesson::new("jarvis", "digits"))));
    let remove = TeachIntent::Remove { word: "jarvis".into(), clip: "001.wav".into() };
    assert_eq!(stage.click("×"), teach(remove));
    stage.press(Key::Escape);
    assert!(!stage.state.shows_teaching);
}

#[test]
fn a_screen_that_phones_can_reach_shows_them_where_and_another_says_what_to_do() {
    let mut stage = Stage::english(Fake::busy());
    stage.press(Key::F4);
    let texts = |stage: &mut Stage| -> Vec<String> {
        (0..30).for_each(|_| drop(stage.frame(Vec::new())));
        stage.frame(Vec::new()).into_iter().map(|seen| seen.text).collect()
    };
    let shown = texts(&mut stage);
    assert!(shown.iter().any(|text| text == "https://192.168.100.200:8751/"), "{shown:?}");
    assert!(!shown.iter().any(|text| text.contains("token")), "the token is for the camera only: {shown:?}");
    stage.fake.invitation = None;
    let shown = texts(&mut stage);
    assert!(shown.iter().any(|text| text == "seseragi run --lan"), "{shown:?}");
}

#[test]
fn looking_back_offers_the_way_back() {
    let mut fake = Fake::quiet();
    fake.is_live = false;
    let mut stage = Stage::english(fake);
    assert_eq!(stage.click("Looking back"), [Intent::GoLive]);
    stage.fake.is_live = true;
    assert_eq!(stage.click("Live"), []);
}

#[test]
fn nothing_to_click_hides_at_the_edge() {
    let mut stage = Stage::english(Fake::busy());
    stage.click_at(pos2(2.0, 2.0));
    assert_eq!(stage.asked, []);
}
