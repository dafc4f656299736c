//! How everything stands.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::{Json, extract::State};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Text,
    server::Shared,
    status::{Status, TrainingStatus},
    train::trainer::TrainSpec,
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(progress))
        .routes(routes!(config))
        .routes(routes!(datasets))
        .routes(routes!(checkpoints))
}

/// How everything stands.
#[utoipa::path(get, path = "/api/status", tag = "status", responses((status = 200, body = Status)))]
async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(shared.engine.status(Instant::now()))
}

/// How the training stands, under the names of the server that this program grew out of; beside them, while there is or was a
/// run, those of `training` in the status.
#[derive(Serialize, ToSchema)]
struct ProgressReply {
    #[serde(flatten)]
    #[schema(ignore)]
    training: Option<TrainingStatus>,
    is_training: bool,
    current_epoch: u32,
    current_step: u64,
    current_loss: Option<f32>,
    current_learning_rate: Option<f64>,
    /// Share of the run that is done, 0 to 1.
    progress: f64,
    total_epochs: u32,
    total_steps: u64,
    /// Seconds since 1970-01-01 UTC.
    server_time: f64,
}

/// How the training stands.
#[utoipa::path(get, path = "/api/progress", tag = "training", responses((status = 200, body = ProgressReply)))]
async fn progress(State(shared): State<Shared>) -> Json<ProgressReply> {
    let status = shared.engine.status(Instant::now());
    // Before 1970 there is no time to tell.
    let server_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    Json(ProgressReply::new(status.training, status.is_training, server_time))
}

impl ProgressReply {
    fn new(training: Option<TrainingStatus>, is_training: bool, server_time: f64) -> Self {
        let run = training.as_ref();
        let (current_step, total_steps) = run.map_or((0, 0), |run| (run.step, run.steps));
        Self {
            is_training,
            current_epoch: run.map_or(0, |run| run.epoch),
            current_step,
            current_loss: run.map(|run| run.loss),
            current_learning_rate: run.map(|run| run.learning_rate),
            progress: if total_steps == 0 { 0.0 } else { current_step as f64 / total_steps as f64 },
            total_epochs: run.map_or(0, |run| run.epochs),
            total_steps,
            server_time,
            training,
        }
    }
}

/// What there is to choose from, and what a run is unless it says otherwise.
#[derive(Serialize, ToSchema)]
struct ConfigReply {
    version: &'static str,
    available_models: Vec<Text>,
    available_datasets: Vec<String>,
    /// The model in use.
    model: Option<Text>,
    training_config: TrainingConfig,
}

/// What a run is unless it says otherwise.
#[derive(Serialize, ToSchema)]
struct TrainingConfig {
    model_name: String,
    dataset_name: String,
    epochs: u32,
    batch_size: u32,
    learning_rate: Option<f64>,
}

/// What there is to choose from.
#[utoipa::path(get, path = "/api/config", tag = "status", responses((status = 200, body = ConfigReply)))]
async fn config(State(shared): State<Shared>) -> Json<ConfigReply> {
    let spec = TrainSpec::from(&shared.engine.config().train);
    Json(ConfigReply {
        version: env!("CARGO_PKG_VERSION"),
        available_models: shared.engine.models().list().into_iter().map(|info| info.name.into()).collect(),
        available_datasets: shared.engine.trainer().places().dataset_names(),
        model: shared.engine.recogniser().offer().load().in_use.clone(),
        training_config: TrainingConfig {
            model_name: spec.model_name,
            dataset_name: spec.dataset_name,
            epochs: spec.epochs,
            batch_size: spec.batch_size,
            learning_rate: spec.learning_rate,
        },
    })
}

/// The names of the known datasets. A folder's path does as well, where the program is asked from its own machine.
#[utoipa::path(get, path = "/api/datasets", tag = "training", responses((status = 200, body = [String])))]
async fn datasets(State(shared): State<Shared>) -> Json<Vec<String>> {
    Json(shared.engine.trainer().places().dataset_names())
}

/// A checkpoint that a run can go on from.
#[derive(Serialize, ToSchema)]
struct CheckpointReply {
    /// The run that wrote it.
    name: String,
    /// When, seconds since 1970-01-01 UTC.
    written: f64,
}

/// The checkpoints that a run can go on from.
#[utoipa::path(get, path = "/api/checkpoints", tag = "training", responses((status = 200, body = [CheckpointReply])))]
async fn checkpoints(State(shared): State<Shared>) -> Json<Vec<CheckpointReply>> {
    let found = shared.engine.trainer().places().checkpoints();
    let written = |at: SystemTime| at.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    Json(found.into_iter().map(|(name, at)| CheckpointReply { name, written: written(at) }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn progress_without_a_run_has_every_key_of_the_original() {
        let reply = serde_json::to_value(ProgressReply::new(None, false, 1.5)).unwrap();
        let expected = json!({
            "is_training": false, "current_epoch": 0, "current_step": 0, "current_loss": null, "current_learning_rate": null,
            "progress": 0.0, "total_epochs": 0, "total_steps": 0, "server_time": 1.5,
        });
        assert_eq!(reply, expected);
    }
}
