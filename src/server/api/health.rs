//! Whether all is well, for whoever has to be woken; and figures for Prometheus.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Write},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{Json, extract::State, http::header, response::IntoResponse};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{Text, server::Shared, status::Status, stream::ConnectionState};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(metrics))
}

/// How long a restart is a reason to worry.
const WORRY: Duration = Duration::from_secs(60);

/// Whether all is well.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct HealthReply {
    status: Health,
    /// Why it is not well.
    reasons: Vec<String>,
    uptime_secs: f64,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Health {
    Ok,
    /// It serves, but something is wrong.
    Degraded,
}

/// Remembers when tasks restarted.
#[derive(Debug, Default)]
pub(in crate::server) struct HealthWatch {
    seen: Mutex<BTreeMap<Text, (u64, Instant)>>,
}

impl HealthWatch {
    fn judge(&self, status: &Status, now: Instant) -> HealthReply {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reasons = Vec::new();
        seen.retain(|name, _| status.tasks.iter().any(|task| task.name == *name));
        for task in status.tasks.iter().filter(|task| task.restarts > 0) {
            let (count, since) = seen.entry(task.name.clone()).or_insert((task.restarts, now));
            if *count != task.restarts {
                (*count, *since) = (task.restarts, now);
            }
            if now.saturating_duration_since(*since) < WORRY {
                reasons.push(format!("the task \"{}\" restarted; in all {} times", task.name, task.restarts));
            }
        }
        for stream in &status.streams {
            if matches!(stream.connection, ConnectionState::Lost | ConnectionState::Stalled) {
                let why = stream.history.last().and_then(|entry| entry.reason.as_deref()).unwrap_or("no sound arrives");
                reasons.push(format!("the stream \"{}\" is {}: {why}", stream.key, stream.connection));
            }
        }
        if let Some(run) = status.training.as_ref().filter(|run| run.phase == crate::train::progress::Phase::Failed) {
            reasons.push(format!("the training \"{}\" failed", run.run));
        }
        let status_now = if reasons.is_empty() { Health::Ok } else { Health::Degraded };
        HealthReply { status: status_now, reasons, uptime_secs: status.uptime_secs }
    }
}

/// Whether all is well: degraded when a task restarted within the last minute, a stream is lost or a training failed.
#[utoipa::path(get, path = "/api/health", tag = "status", responses((status = 200, body = HealthReply)))]
async fn health(State(shared): State<Shared>) -> Json<HealthReply> {
    let now = Instant::now();
    Json(shared.health.judge(&shared.engine.status(now), now))
}

/// Figures in the text format of Prometheus.
#[utoipa::path(
    get, path = "/api/metrics", tag = "status",
    responses((status = 200, content_type = "text/plain", body = String))
)]
async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let text = figures(&shared.engine.status(Instant::now()), shared.engine.events().last_id());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

/// The page of figures.
#[derive(Default)]
struct Figures(String);

impl Figures {
    /// A figure with a row for each of `rows`: the values of its label, and its own.
    fn family<L: Display, V: Display>(
        &mut self,
        name: &str,
        kind: &str,
        help: &str,
        label: &str,
        rows: impl IntoIterator<Item = (L, V)>,
    ) {
        let write = || -> fmt::Result {
            let text = &mut self.0;
            writeln!(text, "# HELP seseragi_{name} {help}\n# TYPE seseragi_{name} {kind}")?;
            for (of, value) in rows {
                let of = of.to_string().replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                match label.is_empty() {
                    true => writeln!(text, "seseragi_{name} {value}")?,
                    false => writeln!(text, "seseragi_{name}{{{label}=\"{of}\"}} {value}")?,
                }
            }
            Ok(())
        };
        // A string takes everything.
        let _ = write();
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help, "", [("", value)]);
    }
}

fn figures(status: &Status, events: u64) -> String {
    let mut page = Figures::default();
    page.one("uptime_seconds", "gauge", "Since the program started.", status.uptime_secs);
    page.one("events_total", "counter", "Events published.", events);
    page.one("drawn_frames_total", "counter", "Drawn frames.", status.frames.drawn);
    page.one("training_active", "gauge", "Whether a training run is under way.", u8::from(status.is_training));
    if let Some(run) = &status.training {
        page.one("training_step", "gauge", "Steps done.", run.step);
        page.one("training_steps", "gauge", "Steps of the whole run.", run.steps);
        page.one("training_epoch", "gauge", "The epoch under way.", run.epoch);
        page.one("training_loss", "gauge", "Loss of the newest step.", run.loss);
        page.one("training_examples_per_second", "gauge", "Scenes a second.", run.examples_per_sec);
    }
    let streams = || status.streams.iter().map(|stream| (&stream.key, stream));
    let connected = |stream: &crate::status::StreamStatus| u8::from(stream.connection == ConnectionState::Connected);
    page.family(
        "stream_connected",
        "gauge",
        "Whether sound arrives.",
        "stream",
        streams().map(|(key, s)| (key, connected(s))),
    );
    page.family(
        "stream_recognised",
        "gauge",
        "Whether it is recognised.",
        "stream",
        streams().map(|(key, s)| (key, u8::from(s.is_recognised))),
    );
    page.family(
        "stream_samples_total",
        "counter",
        "Samples that arrived.",
        "stream",
        streams().map(|(key, s)| (key, s.samples_in)),
    );
    page.family(
        "stream_samples_lost_total",
        "counter",
        "Samples that are missing.",
        "stream",
        streams().map(|(key, s)| (key, s.samples_lost)),
    );
    page.family(
        "stream_xruns_total",
        "counter",
        "Times that the source lost sound.",
        "stream",
        streams().map(|(key, s)| (key, s.xruns)),
    );
    page.family(
        "stream_level_dbfs",
        "gauge",
        "Level of the last 100 ms.",
        "stream",
        streams().map(|(key, s)| (key, s.level_dbfs)),
    );
    let tasks = || status.tasks.iter();
    page.family(
        "task_restarts_total",
        "counter",
        "Restarts after a panic.",
        "task",
        tasks().map(|t| (&t.name, t.restarts)),
    );
    let late = |millis: f64| millis * 1e-3;
    page.family(
        "task_lateness_p99_seconds",
        "gauge",
        "How late it runs.",
        "task",
        tasks().map(|t| (&t.name, late(t.lateness_p99_millis))),
    );
    let links = || status.links.iter();
    page.family("link_items", "gauge", "Items in a link.", "link", links().map(|l| (&l.name, l.len)));
    page.family(
        "link_dropped_total",
        "counter",
        "Items dropped or refused.",
        "link",
        links().map(|l| (&l.name, l.dropped)),
    );
    page.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{status::FrameStatus, task::TaskStatus};

    fn status(restarts: u64) -> Status {
        Status {
            version: "0",
            recording: crate::session::RecordingReport::default(),
            uptime_secs: 1.0,
            is_training: false,
            realtime_running: false,
            streams: Vec::new(),
            training: None,
            frames: FrameStatus::default(),
            tasks: vec![TaskStatus { name: "a \"task\"".into(), restarts, lateness_p99_millis: 2.0 }],
            links: Vec::new(),
        }
    }

    #[test]
    fn a_restart_worries_for_a_minute() {
        let (watch, now) = (HealthWatch::default(), Instant::now());
        let is_ok =
            |restarts, secs| watch.judge(&status(restarts), now + Duration::from_secs(secs)).status == Health::Ok;
        assert!(is_ok(0, 0));
        assert!(!is_ok(1, 1) && !is_ok(1, 60));
        assert!(is_ok(1, 62));
        assert!(!is_ok(2, 63), "again");
        assert!(is_ok(2, 130));
    }

    #[test]
    fn figures_are_in_the_form_of_prometheus() {
        let page = figures(&status(3), 7);
        assert!(page.contains("# TYPE seseragi_events_total counter\nseseragi_events_total 7\n"), "{page}");
        assert!(page.contains(r#"seseragi_task_restarts_total{task="a \"task\""} 3"#), "{page}");
        assert!(!page.contains("training_loss"), "there is no run");
        assert!(page.lines().all(|line| line.starts_with("# ") || line.starts_with("seseragi_")), "{page}");
    }
}
