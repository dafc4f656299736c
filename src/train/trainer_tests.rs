use super::*;
use crate::ErrorKind;
use crate::train::progress::CurveCursor;
use crate::train::test_data::{places, write_tones};

struct Bench {
    folder: tempfile::TempDir,
    handle: TrainerHandle,
    job: Trainer,
    events: EventHub,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_tones(&folder.path().join("datasets/tones"), &["low", "high"], 12);
        let events = EventHub::default();
        let links = LinkRegistry::default();
        let (handle, job) = trainer(places(folder.path()), 1, events.clone(), &links).unwrap();
        Self { folder, handle, job, events, now: Instant::now() }
    }

    fn spec(&self) -> TrainSpec {
        TrainSpec { epochs: 40, batch_size: 1, ..TrainSpec::new("tones", "tones") }
    }

    /// Ticks, 10 ms a tick by the job's clock, until `until` holds.
    fn tick_until(&mut self, until: impl Fn(&Progress) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !until(&self.handle.progress()) {
            self.now += Duration::from_millis(10);
            self.job.tick(self.now);
            assert!(Instant::now() < deadline, "{:?}", self.handle.progress());
        }
    }
}

#[test]
fn one_run_at_a_time_and_orders_without_a_run_are_refused() {
    let mut bench = Bench::new();
    assert_eq!(bench.handle.progress().phase, Phase::Idle);
    for order in [TrainerHandle::pause, TrainerHandle::resume, TrainerHandle::stop] {
        assert_eq!(order(&bench.handle).unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(&*bench.handle.start(bench.spec()).unwrap(), "tones");
    assert_eq!(bench.handle.progress().phase, Phase::Preparing, "seen before the first tick");
    let error = bench.handle.start(bench.spec()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("\"tones\" is under way"));
    let bad = TrainSpec { epochs: 0, ..bench.spec() };
    assert_eq!(bench.handle.start(bad).unwrap_err().kind, ErrorKind::Invalid);
    bench.handle.stop().unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Done);
    bench.handle.start(bench.spec()).unwrap();
}

#[test]
fn a_run_is_paused_resumed_and_stopped_between_two_steps() {
    let mut bench = Bench::new();
    bench.handle.start(bench.spec()).unwrap();
    bench.tick_until(|progress| progress.step >= 3);
    bench.handle.pause().unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Paused);
    let paused_at = bench.handle.progress().step;
    for _ in 0..5 {
        bench.now += Duration::from_secs(10);
        assert_eq!(bench.job.tick(bench.now), Next::Sleep(IDLE));
    }
    assert_eq!(bench.handle.progress().step, paused_at);
    bench.handle.resume().unwrap();
    bench.tick_until(|progress| progress.step > paused_at + 2);
    let progress = bench.handle.progress();
    assert_eq!(progress.phase, Phase::Running);
    assert!(progress.longest_pause_secs < 1.0, "{progress:?}");
    assert!(progress.examples_per_sec > 0.0 && progress.eta_secs > 0.0 && progress.steps == 1_000);
    bench.handle.stop().unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Done);
    let stopped_at = bench.handle.progress().step;
    assert!(bench.folder.path().join("runs/tones/checkpoint.safetensors").is_file());

    let resumed = TrainSpec { resume_from_checkpoint: true, ..bench.spec() };
    bench.handle.start(resumed).unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Running);
    assert_eq!(bench.handle.progress().step, stopped_at);
}

#[test]
fn every_step_is_in_the_curve_and_every_update_is_an_event() {
    let mut bench = Bench::new();
    bench.handle.start(TrainSpec { epochs: 1, ..bench.spec() }).unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Done);
    let mut points = Vec::new();
    bench.handle.loss_curve().read(&mut CurveCursor::default(), &mut points);
    let steps: Vec<u64> =
        points.iter().filter(|point| point.validation_loss.is_none()).map(|point| point.step).collect();
    assert_eq!(steps, (1..=25).collect::<Vec<_>>());
    let (records, missed) = bench.events.read_after(0, usize::MAX);
    let updates = records.iter().filter(|record| matches!(record.event, Event::Progress(_))).count() as u64;
    assert_eq!((updates, missed), (bench.handle.progress().updates, 0));
    assert!(
        records.iter().any(
            |record| matches!(&record.event, Event::ModelSaved { model, takes_over: false } if &**model == "tones")
        )
    );
}

#[test]
fn a_failed_run_says_why_and_frees_the_trainer() {
    let mut bench = Bench::new();
    std::fs::write(bench.folder.path().join("runs"), b"a file in the way").unwrap();
    bench.handle.start(TrainSpec { epochs: 1, ..bench.spec() }).unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Failed);
    let message = bench.handle.progress().message.clone().unwrap();
    assert!(message.contains("cannot write the log"), "{message}");
    let failures = bench.events.read_after(0, usize::MAX).0;
    assert!(failures.iter().any(|record| matches!(&record.event, Event::Failure { owner, .. } if &**owner == "train")));
    bench.handle.start(bench.spec()).unwrap();
    bench.job.recover(bench.now, Error::internal("train: boom"));
    bench.job.tick(bench.now);
    bench.job.recover(bench.now, Error::internal("train: boom"));
    assert_eq!(bench.handle.progress().phase, Phase::Failed);
    bench.handle.start(bench.spec()).unwrap();
}

#[test]
fn a_throttle_slows_a_run_changes_its_threads_and_no_bit_of_its_losses() {
    let losses = |is_throttled: bool| {
        let mut bench = Bench::new();
        bench.handle.start(TrainSpec { epochs: 1, ..bench.spec() }).unwrap();
        if is_throttled {
            let asked = Throttle { threads: 2, duty: 0.5 };
            assert_eq!(bench.handle.throttle(asked).unwrap(), asked);
        }
        let begun = bench.now;
        bench.tick_until(|progress| progress.phase == Phase::Done);
        let throttle = bench.handle.progress().throttle;
        assert_eq!(
            (throttle.threads, bench.job.pool.current_num_threads()),
            if is_throttled { (2, 2) } else { (1, 1) }
        );
        let mut points = Vec::new();
        bench.handle.loss_curve().read(&mut CurveCursor::default(), &mut points);
        (points.iter().map(|point| point.loss.to_bits()).collect::<Vec<_>>(), bench.now - begun)
    };
    let ((full, full_time), (throttled, throttled_time)) = (losses(false), losses(true));
    assert_eq!(full, throttled);
    // A tick of work takes 10 ms by the job's clock, and so does one of rest.
    assert!(throttled_time > full_time.mul_f32(1.7), "{full_time:?} and {throttled_time:?}");
}

#[test]
fn a_throttle_is_kept_for_the_next_run_and_a_run_at_the_floor_moves_on() {
    let mut bench = Bench::new();
    let raised = bench.handle.throttle(Throttle { threads: 1, duty: 0.0 }).unwrap();
    assert_eq!(raised.duty, crate::train::throttle::LEAST_DUTY);
    bench.handle.start(bench.spec()).unwrap();
    bench.tick_until(|progress| progress.step >= 2);
    assert_eq!(bench.handle.progress().throttle, raised);
    bench.handle.throttle(Throttle::full(1)).unwrap();
    bench.tick_until(|progress| progress.step >= 4 && progress.throttle.duty == 1.0);
    bench.handle.stop().unwrap();
    bench.tick_until(|progress| progress.phase == Phase::Done);
    assert_eq!(bench.handle.throttle(Throttle { threads: 0, duty: 1.0 }).unwrap_err().kind, ErrorKind::Invalid);
}

#[test]
fn a_run_that_waits_says_for_whom_and_begins_by_itself() {
    let mut bench = Bench::new();
    let named = |name: &str| TrainSpec { epochs: 1, ..TrainSpec::new(name, "tones") };
    bench.handle.start(TrainSpec { epochs: 40, ..named("first") }).unwrap();
    bench.tick_until(|progress| progress.step >= 1);
    let turn = bench.handle.start_in_turn(TrainSpec { takes_over: true, ..named("second") }).unwrap();
    assert_eq!((&*turn.run, turn.waits_for.as_deref()), ("second", Some("first")));
    bench.handle.start_in_turn(named("third")).unwrap();
    bench.tick_until(|progress| progress.waiting == 2);
    assert_eq!(&*bench.handle.progress().run, "first");
    (0..6).for_each(|_| drop(bench.handle.start_in_turn(named("more")).unwrap()));
    let error = bench.handle.start_in_turn(named("many")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("8 runs wait"), "{error}");

    bench.handle.stop().unwrap();
    bench.tick_until(|progress| &*progress.run == "second" && progress.step > 0);
    assert_eq!(bench.handle.progress().waiting, 7);
    bench.tick_until(|progress| &*progress.run == "third");
    let records = bench.events.read_after(0, usize::MAX).0;
    let saved = records.iter().filter_map(|record| match &record.event {
        Event::ModelSaved { model, takes_over } => Some((model.to_string(), *takes_over)),
        _ => None,
    });
    let saved: Vec<(String, bool)> = saved.collect();
    assert_eq!(saved.last(), Some(&("second".to_owned(), true)), "{saved:?}");
    assert!(saved.iter().all(|(model, takes_over)| (model == "second") == *takes_over), "{saved:?}");
}
