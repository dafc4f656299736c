//! What is asked and what is answered. Every handler forwards to the engine and waits for nothing.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::{
    Json,
    extract::{
        Path, State,
        rejection::{JsonRejection, PathRejection},
    },
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Shared, error::ApiError};
use crate::{
    Error,
    config::TrainConfig,
    engine::Engine,
    models::ModelInfo,
    recognise::{card::Card, service::ModelIntent},
    status::{Status, TrainingStatus},
    stream::{StreamCommand, StreamKey},
    train::trainer::{TrainSpec, TrainingIntent},
};

/// A command was taken; what comes of it is told by the status and the events.
type Taken = Result<(StatusCode, Json<Value>), ApiError>;

/// `GET /api/status`.
pub(super) async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(shared.engine.status(Instant::now()))
}

/// How the training stands: the names of the status, and beside them those of the server that this program grew out of.
#[derive(Serialize)]
pub(super) struct ProgressReply {
    #[serde(flatten)]
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

/// `GET /api/progress`.
pub(super) async fn progress(State(shared): State<Shared>) -> Json<ProgressReply> {
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

/// What a run is to be; what is left out comes from the settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartRequest {
    model_name: Option<String>,
    dataset_name: Option<String>,
    epochs: Option<u32>,
    batch_size: Option<u32>,
    learning_rate: Option<f64>,
    resume_from_checkpoint: Option<bool>,
}

impl StartRequest {
    fn into_spec(self, config: &TrainConfig) -> TrainSpec {
        let defaults = TrainSpec::from(config);
        TrainSpec {
            model_name: self.model_name.unwrap_or(defaults.model_name),
            dataset_name: self.dataset_name.unwrap_or(defaults.dataset_name),
            epochs: self.epochs.unwrap_or(defaults.epochs),
            batch_size: self.batch_size.unwrap_or(defaults.batch_size),
            learning_rate: self.learning_rate.or(defaults.learning_rate),
            resume_from_checkpoint: self.resume_from_checkpoint.unwrap_or(defaults.resume_from_checkpoint),
            ..defaults
        }
    }
}

/// `POST /api/train/start`, with a [`StartRequest`] or nothing.
pub(super) async fn start_training(
    State(shared): State<Shared>,
    request: Result<Option<Json<StartRequest>>, JsonRejection>,
) -> Taken {
    let request = request?.map(|Json(request)| request).unwrap_or_default();
    let run = shared.engine.start_training(request.into_spec(&shared.engine.config().train))?;
    taken(json!({ "run": run }))
}

/// `POST /api/train/stop`.
pub(super) async fn stop_training(State(shared): State<Shared>) -> Taken {
    command_training(&shared.engine, TrainingIntent::Stop)
}

/// `POST /api/train/pause`.
pub(super) async fn pause_training(State(shared): State<Shared>) -> Taken {
    command_training(&shared.engine, TrainingIntent::Pause)
}

/// `POST /api/train/resume`.
pub(super) async fn resume_training(State(shared): State<Shared>) -> Taken {
    command_training(&shared.engine, TrainingIntent::Resume)
}

fn command_training(engine: &Engine, intent: TrainingIntent) -> Taken {
    engine.command_training(intent)?;
    taken(json!({ "run": engine.trainer().progress().run }))
}

type Key = Result<Path<String>, PathRejection>;

/// `POST /api/streams/{key}/start`: opens the source if it is not open, and recognises.
pub(super) async fn start_stream(State(shared): State<Shared>, key: Key) -> Taken {
    command_stream(&shared.engine, key, &[StreamCommand::Open, StreamCommand::StartRecognition])
}

/// `POST /api/streams/{key}/stop`: ends recognition; the picture moves on.
pub(super) async fn stop_stream(State(shared): State<Shared>, key: Key) -> Taken {
    command_stream(&shared.engine, key, &[StreamCommand::StopRecognition])
}

/// `POST /api/streams/{key}/open`.
pub(super) async fn open_stream(State(shared): State<Shared>, key: Key) -> Taken {
    command_stream(&shared.engine, key, &[StreamCommand::Open])
}

/// `POST /api/streams/{key}/close`.
pub(super) async fn close_stream(State(shared): State<Shared>, key: Key) -> Taken {
    command_stream(&shared.engine, key, &[StreamCommand::Close])
}

fn command_stream(engine: &Engine, key: Key, commands: &[StreamCommand]) -> Taken {
    let Path(key) = key?;
    let key = known_stream(engine, &key)?;
    commands.iter().try_for_each(|command| engine.command_stream(&key, command.clone()))?;
    taken(json!({ "stream": key }))
}

/// The stream called `key`, if there is one.
pub(super) fn known_stream(engine: &Engine, key: &str) -> Result<StreamKey, ApiError> {
    let known: Vec<_> = engine.status(Instant::now()).streams.into_iter().map(|stream| stream.key).collect();
    if let Some(found) = known.iter().find(|stream| stream.as_str() == key) {
        return Ok(found.clone());
    }
    let known: Vec<_> = known.iter().map(StreamKey::as_str).collect();
    let (key, known) = (key.escape_debug(), known.join(", "));
    Err(Error::not_found(format!("there is no stream \"{key}\"; there are: {known}")).into())
}

/// A model of the store.
#[derive(Serialize)]
pub(super) struct ModelReply {
    name: String,
    is_shipped: bool,
    /// Its card.
    card: Option<Card>,
    /// Why it has no card that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl From<ModelInfo> for ModelReply {
    fn from(info: ModelInfo) -> Self {
        let (card, problem) = match info.card {
            Ok(card) => (Some(card), None),
            Err(error) => (None, Some(error.message)),
        };
        Self { name: info.name, is_shipped: info.is_shipped, card, problem }
    }
}

/// `GET /api/models`.
pub(super) async fn models(State(shared): State<Shared>) -> Json<Vec<ModelReply>> {
    Json(shared.engine.models().list().into_iter().map(ModelReply::from).collect())
}

/// `POST /api/models/{name}/use`: recognise with it from the next block on.
pub(super) async fn use_model(State(shared): State<Shared>, name: Key) -> Taken {
    let Path(name) = name?;
    shared.engine.command_models(ModelIntent::Use(name.clone().into()))?;
    taken(json!({ "model": name }))
}

fn taken(reply: Value) -> Taken {
    Ok((StatusCode::ACCEPTED, Json(reply)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_without_a_run_has_every_key_of_the_original() {
        let reply = serde_json::to_value(ProgressReply::new(None, false, 1.5)).unwrap();
        let expected = json!({
            "is_training": false, "current_epoch": 0, "current_step": 0, "current_loss": null, "current_learning_rate": null,
            "progress": 0.0, "total_epochs": 0, "total_steps": 0, "server_time": 1.5,
        });
        assert_eq!(reply, expected);
    }

    #[test]
    fn a_request_fills_what_it_leaves_out_from_the_settings_and_refuses_what_it_does_not_know() {
        let config = crate::config::Config::default().train;
        let spec = |text: &str| serde_json::from_str::<StartRequest>(text).map(|request| request.into_spec(&config));
        let spec_all = spec(
            r#"{"model_name":"m","dataset_name":"/d","epochs":3,"batch_size":4,"learning_rate":0.5,"resume_from_checkpoint":true}"#,
        )
        .unwrap();
        assert_eq!(
            (&*spec_all.model_name, &*spec_all.dataset_name, spec_all.epochs, spec_all.batch_size),
            ("m", "/d", 3, 4)
        );
        assert_eq!((spec_all.learning_rate, spec_all.resume_from_checkpoint), (Some(0.5), true));
        let defaults = spec("{}").unwrap();
        assert_eq!((&defaults.model_name, &defaults.dataset_name), (&config.model, &config.dataset));
        assert_eq!((defaults.epochs, defaults.batch_size), (config.epochs, config.batch_size));
        assert!(!defaults.resume_from_checkpoint);
        assert!(spec(r#"{"model":"m"}"#).unwrap_err().to_string().contains("unknown field `model`"));
        assert!(spec(r#"{"epochs":-1}"#).is_err());
    }
}
