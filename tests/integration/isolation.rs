//! A drawn frame may read connection state and send intents, nothing else: every system of the draw schedules is asked what it
//! wants, before it has run once.

use std::{any::type_name, path::PathBuf, time::Duration};

use bevy::{
    ecs::{component::ComponentId, schedule::ScheduleLabel, system::System},
    prelude::*,
    render::{ExtractSchedule, MainWorld, RenderApp},
};
use bevy_egui::EguiPrimaryContextPass;
use seseragi::{
    app::{Draw, FrameClock, RunOptions, Screenshot, StatusMirror, offscreen_app, start_engine},
    config::Config,
    draw::{
        lanes::Lanes,
        plot::{PlotFrame, UploadStats},
        view::{PlotArea, View},
    },
    engine::Engine,
    models::ModelStore,
    panel::{MonitorIntent, PanelState, WindowIntent},
    recognise::service::ModelIntent,
    session::{SessionIntent, replay::ReplayIntent},
    stream::{Connection, LaneTranscript, Spectrogram, StreamIntent, StreamStats},
    train::{mirror::RunProgress, teach::handle::TeachIntent, trainer::TrainingIntent},
};

/// All that a drawn frame may write: what it is drawn with, what the user did to the panels, and intents.
fn may_be_written() -> Vec<&'static str> {
    vec![
        type_name::<Messages<StreamIntent>>(),
        type_name::<Messages<TrainingIntent>>(),
        type_name::<Messages<ModelIntent>>(),
        type_name::<FrameClock>(),
        type_name::<PanelState>(),
        type_name::<PlotArea>(),
        type_name::<View>(),
        type_name::<Lanes>(),
        type_name::<PlotFrame>(),
        type_name::<UploadStats>(),
        type_name::<bevy_egui::EguiContext>(),
        type_name::<bevy_egui::EguiUserTextures>(),
        type_name::<Messages<MonitorIntent>>(),
        type_name::<Messages<ReplayIntent>>(),
        type_name::<Messages<WindowIntent>>(),
        type_name::<Messages<SessionIntent>>(),
        type_name::<Messages<TeachIntent>>(),
    ]
}

/// What is wrong with a system of a draw schedule, given the names it may write and what it may not even read.
fn faults(system: &mut dyn System<In = (), Out = ()>, world: &mut World, allowed: &[&str]) -> Vec<String> {
    let name = system.name().to_string();
    let access = system.initialize(world);
    let access = access.combined_access();
    let mut faults = Vec::new();
    let name_of =
        |world: &World, id: ComponentId| world.components().get_name(id).map(|n| n.to_string()).unwrap_or_default();
    match access.try_writes() {
        Err(_) => faults.push(format!("{name} may write everything")),
        Ok(writes) => {
            let written = writes.iter().map(|id| name_of(world, id)).filter(|n| !allowed.contains(&n.as_str()));
            faults.extend(written.map(|component| format!("{name} writes {component}")));
        }
    }
    if system.is_exclusive() {
        faults.push(format!("{name} is exclusive"));
    }
    if system.has_deferred() {
        faults.push(format!("{name} defers commands"));
    }
    // The engine has senders inside: reading it would be a way around everything above.
    if let Some(engine) = world.component_id::<Engine>()
        && access.has_read(engine)
    {
        faults.push(format!("{name} reads the engine"));
    }
    faults
}

fn schedule_faults(world: &mut World, label: impl ScheduleLabel, allowed: &[&str]) -> (usize, Vec<String>) {
    let mut schedule = world.resource_mut::<Schedules>().remove(label.intern()).expect("the schedule is there");
    let keys: Vec<_> = schedule.graph().systems.iter().map(|(key, ..)| key).collect();
    let mut found = Vec::new();
    for key in &keys {
        let system = schedule.graph_mut().systems.get_mut(*key).expect("the key came from the graph");
        found.extend(faults(system, world, allowed));
    }
    (keys.len(), found)
}

fn app() -> (App, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let config = Config::default();
    let store = ModelStore::new(crate::program::project("assets/models"), home.path().join("models"));
    let (engine, tasks) = start_engine(config.clone(), store).unwrap();
    let options = RunOptions {
        config,
        is_headless: true,
        screenshot: Some(Screenshot { path: PathBuf::from("unused.png"), after: Duration::from_secs(3600) }),
        exit_after: None,
        status_json: None,
        train: None,
        replay: Vec::new(),
    };
    (offscreen_app(&options, engine, tasks), home)
}

#[test]
fn what_is_drawn_reads_and_sends_intents_and_nothing_else() {
    let (mut app, _home) = app();
    let allowed = may_be_written();
    let (drawing, mut found) = schedule_faults(app.world_mut(), Draw, &allowed);
    let (panels, more) = schedule_faults(app.world_mut(), EguiPrimaryContextPass, &allowed);
    found.extend(more);
    assert!(drawing >= 3 && panels >= 4, "the test looked at {drawing} and {panels} systems");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn extraction_does_not_touch_the_main_world() {
    let (mut app, _home) = app();
    let render = app.sub_app_mut(RenderApp).world_mut();
    render.init_resource::<MainWorld>();
    let mut schedule = render.resource_mut::<Schedules>().remove(ExtractSchedule).expect("the schedule is there");
    let keys: Vec<_> = schedule.graph().systems.iter().map(|(key, ..)| key).collect();
    let main_world = render.component_id::<MainWorld>().expect("just made");
    let mut ours = 0;
    for key in keys {
        let system = schedule.graph_mut().systems.get_mut(key).expect("the key came from the graph");
        let name = system.name().to_string();
        let access = system.initialize(render);
        if name.contains("seseragi") {
            ours += 1;
            assert!(!access.combined_access().has_write(main_world), "{name} may write the main world");
        }
    }
    assert!(ours >= 1, "the test looked at none of our systems");
}

#[test]
fn the_access_test_catches_what_it_is_for() {
    fn wants_connection(_: Query<&mut StreamStats>) {}
    fn wants_option(_: Query<Option<&mut Spectrogram>>) {}
    fn wants_either(_: ParamSet<(Query<&mut LaneTranscript>, Query<&Connection>)>) {}
    fn wants_entities(_: Query<EntityMut>) {}
    fn wants_commands(_: Commands) {}
    fn wants_world(_: &mut World) {}
    fn wants_resource(_: ResMut<StatusMirror>) {}
    fn wants_engine(_: Res<Engine>) {}
    fn reads(_: Query<(&Connection, &RunProgress)>, _: MessageWriter<StreamIntent>) {}

    let (mut app, _home) = app();
    let world = app.world_mut();
    let allowed = may_be_written();
    fn boxed<M>(system: impl IntoSystem<(), (), M> + 'static) -> Box<dyn System<In = (), Out = ()>> {
        Box::new(IntoSystem::into_system(system))
    }
    let bad = [
        boxed(wants_connection),
        boxed(wants_option),
        boxed(wants_either),
        boxed(wants_entities),
        boxed(wants_commands),
        boxed(wants_world),
        boxed(wants_resource),
        boxed(wants_engine),
    ];
    for mut system in bad {
        let found = faults(system.as_mut(), world, &allowed);
        assert!(!found.is_empty(), "{} was not caught", system.name());
        println!("caught: {}", found.join(", "));
    }
    assert_eq!(faults(boxed(reads).as_mut(), world, &allowed), Vec::<String>::new());
}
