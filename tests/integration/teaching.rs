//! Words taught in the running program: taken from a lane's recent sound, kept, listed, and taught when it is the trainer's turn.

use std::time::{Duration, Instant};

use seseragi::train::trainer::TrainSpec;

use crate::{
    client::{get, post_json, request},
    program::{Program, project},
};

#[test]
fn words_are_taken_from_a_lane_listed_and_taught_in_turn() {
    let demo = project("assets/demo/demo.flac");
    let mut program = Program::start(&format!("fast:{}", demo.display()));
    let addr = program.server.addr();
    program.open_and_recognise();
    program.until("most of the demo", 60.0, Duration::from_secs(60), |program| {
        program.status().streams[0].samples_in > 48_000 * 40
    });
    let taken = post_json(addr, "/api/teach/take", r#"{"stream":"main","word":"brook","secs":30}"#);
    assert_eq!(taken.status, 200, "{taken:?}");
    let count = taken.json()["clips"].as_u64().unwrap();
    assert!((3..=60).contains(&count), "{taken:?}");
    let words = get(addr, "/api/teach").json();
    assert_eq!((&words[0]["word"], words[0]["clips"].as_array().unwrap().len() as u64), (&"brook".into(), count));
    assert!(words[0]["clips"][0]["secs"].as_f64().unwrap() > 0.1);
    let clip = format!("/api/teach/brook/{}", words[0]["clips"][0]["name"].as_str().unwrap());
    let delete = || request(addr, "DELETE", &clip, "Host: localhost\r\n", "").status;
    assert_eq!((delete(), delete()), (204, 404));

    let refused = post_json(addr, "/api/teach/take", r#"{"stream":"none","word":"brook"}"#);
    assert_eq!((refused.status, refused.detail().contains("no stream \"none\"")), (404, true));
    let refused = post_json(addr, "/api/teach", r#"{"word":"unheard"}"#);
    assert_eq!((refused.status, refused.detail().contains("give at least 3")), (422, true), "{refused:?}");

    // A run is under way: the lesson waits for its turn and says so.
    program.engine.start_training(TrainSpec { epochs: 1_000, ..TrainSpec::new("long", "demo") }).unwrap();
    let turn = post_json(addr, "/api/teach", r#"{"word":"brook"}"#);
    assert_eq!(turn.status, 202, "{turn:?}");
    let turn = turn.json();
    assert_eq!((&turn["run"], &turn["waits_for"]), (&"digits-taught".into(), &"long".into()));
    let told = program.engine.teacher().report().load();
    assert!(told.message.as_deref().unwrap().contains("waits for its turn: \"long\" is being trained"));
    program.engine.trainer().stop().unwrap();
    let limit = Instant::now() + Duration::from_secs(60);
    while &*program.engine.trainer().progress().run != "digits-taught" {
        assert!(Instant::now() < limit, "{:?}", program.engine.trainer().progress());
        program.frame();
    }
    program.engine.trainer().stop().unwrap();
}
