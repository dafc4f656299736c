//! What a drawn frame sends to the GPU, and what it costs the main thread without one.
//!
//! The app of the window with a made-up clock, 60 drawn frames a second, one lane of real speech that is pumped and recognised;
//! there is no renderer. Counted is the main thread's processor time in a frame: the
//! schedules of the main world, egui's pass with all panels, and its triangles. Once as the program runs it, where Bevy's
//! other threads take a share, and once with the main thread alone, so that nothing is done unseen.

#[path = "common/clock.rs"]
mod clock;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/sound.rs"]
mod sound;

use std::{path::Path, thread, time::Duration};

use bevy::{ecs::schedule::SingleThreadedExecutor, prelude::*, time::TimeUpdateStrategy};
use criterion::{Criterion, criterion_group, criterion_main};
use seseragi::{
    app::{core_plugin, draw_plugin, gpuless_app},
    config::Config,
    draw::plot::{PlotFrame, RingKind},
    engine::{Arrival, Engine, EngineTasks},
    link::{Kind, LinkRegistry, LinkSender},
    models::ModelStore,
    recognise::lanes::LaneMessage,
    source::SourceSpec,
    stream::{Spectrogram, StreamCommand, StreamKey},
    task::{Pool, pool},
};

use clock::{ThreadTime, criterion, spread, time_of};
use rig::{Rig, TICK};

const FRAME: Duration = Duration::from_nanos(16_666_667);
/// Frames that are measured.
const FRAMES: usize = 600;

/// An app with one lane, and the pump that feeds it when it is told to.
struct Stage {
    app: App,
    rig: Rig,
    sound: LinkSender<LaneMessage>,
    pumped: Duration,
    drawn: Duration,
}

/// What one frame sent.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sent {
    columns: u64,
    peaks: u64,
    bytes: u64,
}

impl Stage {
    /// A lane that has heard `secs` of speech. With `panels` the app is the window's, else it has only the lanes' draw list.
    /// `alone` the main thread does everything itself, where the program shares it with Bevy's other threads.
    fn new(secs: u64, panels: bool, alone: bool) -> Self {
        let mut config = Config::default();
        let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
        let (engine, tasks) = Engine::start(config.clone(), ModelStore::new(assets, "none"), std::time::Instant::now())
            .expect("an engine");
        config.window.fps = 60;
        let key: StreamKey = "main".parse().expect("a key");
        engine.add_stream(key.clone(), SourceSpec::Demo, 0.0).expect("a lane");
        let sound = engine.recogniser().sound();
        let first = [StreamCommand::Open, StreamCommand::StartRecognition];
        let mut rig = Rig::new(&config, &key, &sound::speech(48_000, 60), 48_000, sound.clone(), &first);
        // The stream is handed over as the engine would, but with the pump that stays here; the engine's own is never opened.
        let (arrivals, arrived) = LinkRegistry::default().bounded("new streams", Kind::All, 1);
        let batches = rig.batches.take().expect("nobody else took it");
        let task = pool(Pool::Stream).spawn(async {});
        let Arrival { key, task: unused, place, lane, .. } = tasks.arrived.try_recv().expect("the lane just added");
        unused.detach();
        let arrival = Arrival { key, task, place, batches, pump: rig.report.clone(), lane };
        arrivals.send(arrival).expect("an empty link");
        let tasks = EngineTasks { arrived, ..tasks };
        let mut app = if panels {
            gpuless_app(&config, engine, tasks)
        } else {
            let mut app = App::new();
            app.add_plugins(MinimalPlugins);
            core_plugin(&mut app, engine, tasks);
            draw_plugin(&mut app);
            seseragi::draw::plugin(&mut app, &config.window);
            app
        };
        app.insert_resource(TimeUpdateStrategy::ManualDuration(FRAME));
        if alone {
            for (_, schedule) in app.world_mut().resource_mut::<Schedules>().iter_mut() {
                schedule.set_executor(SingleThreadedExecutor::new());
            }
        }
        app.finish();
        app.cleanup();
        app.update();
        let mut stage = Self { app, rig, sound, pumped: Duration::ZERO, drawn: Duration::ZERO };
        for second in 0..secs {
            stage.drawn = Duration::from_secs(second + 1);
            stage.pump();
            stage.app.update();
        }
        stage
    }

    /// Pumps what is due.
    fn pump(&mut self) {
        while self.pumped + TICK <= self.drawn {
            // The clock here runs faster than the recogniser can: it gets the time that it needs.
            while self.sound.len() > 500 {
                thread::sleep(Duration::from_millis(1));
            }
            self.rig.tick();
            self.pumped += TICK;
        }
    }

    /// The next frame: what it sent and what the main thread took for it.
    fn frame(&mut self) -> (Sent, Duration) {
        self.drawn += FRAME;
        self.pump();
        let time = time_of(|| self.app.update());
        let mut sent = Sent::default();
        for upload in &self.app.world().resource::<PlotFrame>().uploads {
            let entries = upload.bytes.len() as u64 / u64::from(upload.kind.entry_bytes());
            match upload.kind {
                RingKind::Columns { .. } => sent.columns += entries,
                RingKind::Peaks => sent.peaks += entries,
            }
            sent.bytes += upload.bytes.len() as u64;
        }
        (sent, time)
    }

    /// Draws until the view has come to rest behind the newest sound.
    fn rest(&mut self) {
        for _ in 0..300 {
            self.frame();
        }
    }

    /// The columns there are.
    fn columns(&mut self) -> u64 {
        let world = self.app.world_mut();
        let spectrogram = world.query::<&Spectrogram>().single(world).expect("one stream");
        spectrogram.history().range(0).end
    }
}

/// What each frame sends after `secs` of history.
fn sent_after(secs: u64) -> Vec<Sent> {
    let mut stage = Stage::new(secs, false, true);
    stage.rest();
    let columns = stage.columns();
    let sent: Vec<_> = (0..FRAMES).map(|_| stage.frame().0).collect();
    let came = stage.columns() - columns;
    let [columns, peaks, bytes] =
        [|s: &Sent| s.columns, |s: &Sent| s.peaks, |s: &Sent| s.bytes].map(|part| sent.iter().map(part).sum::<u64>());
    println!("  after {} min: {columns} columns, {peaks} peaks, {bytes} bytes; {came} columns came", secs / 60);
    assert!(columns.abs_diff(came) <= 2, "{columns} columns were sent while {came} came");
    assert_eq!(bytes, columns * 1025 * 2 + peaks * 4);
    sent
}

fn draw(criterion: &mut Criterion<ThreadTime>) {
    println!("sent to the GPU in {FRAMES} drawn frames, {} s, of one live lane:", FRAMES / 60);
    let (young, old) = (sent_after(60), sent_after(600));
    let bytes = |sent: &[Sent]| spread(sent.iter().map(|sent| sent.bytes as f64).collect());
    let (median, least, most) = bytes(&old);
    println!("  a frame: {median} bytes ({least} to {most})");
    assert_eq!(young, old, "what a frame sends depends on the length of the history");
    println!("  frame by frame the same after one minute and after ten");

    let kinds = [
        (true, false, "with panels and egui's pass, as the program runs it"),
        (true, true, "with panels and egui's pass, the main thread alone"),
        (false, true, "streams and draw list only, the main thread alone"),
    ];
    for (panels, alone, what) in kinds {
        let mut stage = Stage::new(60, panels, alone);
        stage.rest();
        let mut millis: Vec<_> = (0..FRAMES).map(|_| stage.frame().1.as_secs_f64() * 1e3).collect();
        millis.sort_unstable_by(f64::total_cmp);
        let (median, p99) = (millis[FRAMES / 2], millis[FRAMES * 99 / 100]);
        println!("main thread a drawn frame, {what}: median {median:.3} ms, p99 {p99:.3} ms; the bar is 2 ms");
        if panels {
            criterion.bench_function(&format!("a drawn frame {what}"), |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| stage.frame().1).sum())
            });
        }
    }
}

criterion_group! { name = benches; config = criterion(); targets = draw }
criterion_main!(benches);
