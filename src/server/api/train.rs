//! Training: start, stop, pause, resume, throttle.

use axum::{Extension, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Taken, object::Object, taken, whole};
use crate::{
    Text,
    config::TrainConfig,
    engine::Engine,
    server::{Shared, access::Door, clients::Visit, error::ApiError},
    train::{
        throttle::Throttle,
        trainer::{TrainSpec, TrainingIntent},
    },
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(start_training))
        .routes(routes!(stop_training))
        .routes(routes!(pause_training))
        .routes(routes!(resume_training))
        .routes(routes!(throttle_training))
}

/// What a run is to be; what is left out comes from the settings.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StartRequest {
    /// The name of the model to make, and of the run.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    model_name: Option<String>,
    /// A known dataset's name or a folder's path.
    #[schema(pattern = "^[^\\s\\x00]")]
    dataset_name: Option<String>,
    #[schema(minimum = 1, maximum = 10000)]
    #[serde(default, deserialize_with = "whole")]
    epochs: Option<u32>,
    /// Scenes in a step.
    #[schema(minimum = 1, maximum = 256)]
    #[serde(default, deserialize_with = "whole")]
    batch_size: Option<u32>,
    /// Highest learning rate; 0.002 when absent.
    #[schema(minimum = 0.0000001, maximum = 1.0)]
    learning_rate: Option<f64>,
    /// Goes on from the run's checkpoint, if there is one.
    resume_from_checkpoint: Option<bool>,
    /// The run whose checkpoint it goes on from instead of its own.
    #[schema(pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")]
    specific_checkpoint: Option<String>,
    /// Learns from at most so many clips.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4294967295_u32)]
    #[serde(default, deserialize_with = "whole")]
    limit_samples: Option<u32>,
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
            specific_checkpoint: self.specific_checkpoint,
            limit_samples: self.limit_samples.map(|clips| clips as usize),
            ..defaults
        }
    }
}

/// Which run it is about.
#[derive(Serialize, ToSchema)]
struct RunReply {
    run: Text,
}

/// Starts a run, with what the body says or, without one, as the settings say.
#[utoipa::path(
    post, path = "/api/train/start", tag = "training", request_body = Option<StartRequest>,
    responses((status = 202, description = "It is being prepared.", body = RunReply))
)]
async fn start_training(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    request: Option<Object<StartRequest>>,
) -> Taken<RunReply> {
    let request = request.map(|Object(request)| request).unwrap_or_default();
    let is_path = |name: &String| name.contains(['/', '\\']) || name.starts_with('.');
    if visit.door() == Door::Network && request.dataset_name.as_ref().is_some_and(is_path) {
        let detail = "other machines name a dataset; folders are opened for this machine alone";
        return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    }
    let run = shared.engine.start_training(request.into_spec(&shared.engine.config().train))?;
    taken(RunReply { run })
}

/// Lets the run write a checkpoint and end.
#[utoipa::path(post, path = "/api/train/stop", tag = "training", responses((status = 202, body = RunReply)))]
async fn stop_training(State(shared): State<Shared>) -> Taken<RunReply> {
    command_training(&shared.engine, TrainingIntent::Stop)
}

/// Holds the run after its current step.
#[utoipa::path(post, path = "/api/train/pause", tag = "training", responses((status = 202, body = RunReply)))]
async fn pause_training(State(shared): State<Shared>) -> Taken<RunReply> {
    command_training(&shared.engine, TrainingIntent::Pause)
}

/// Lets a paused run go on.
#[utoipa::path(post, path = "/api/train/resume", tag = "training", responses((status = 202, body = RunReply)))]
async fn resume_training(State(shared): State<Shared>) -> Taken<RunReply> {
    command_training(&shared.engine, TrainingIntent::Resume)
}

/// How much of the machine the trainer may take; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ThrottleRequest {
    /// Threads to compute on.
    #[schema(minimum = 1, maximum = 64)]
    #[serde(default, deserialize_with = "whole")]
    threads: Option<u32>,
    /// The share of its time that it works; a small one is raised to the floor.
    #[schema(minimum = 0.0, maximum = 1.0)]
    duty: Option<f64>,
}

/// Lets the trainer take more or less of the machine from its next step on; answers with what it may take now.
#[utoipa::path(
    post, path = "/api/train/throttle", tag = "training", request_body = ThrottleRequest,
    responses((status = 202, body = Throttle))
)]
async fn throttle_training(
    State(shared): State<Shared>,
    Object(ThrottleRequest { threads, duty }): Object<ThrottleRequest>,
) -> Taken<Throttle> {
    let (trainer, mut throttle) = (shared.engine.trainer(), shared.engine.trainer().granted());
    throttle.threads = threads.map_or(throttle.threads, |threads| threads as usize);
    if let Some(duty) = duty {
        // Just outside would be inside as the shorter number that it becomes.
        throttle.duty = if (0.0..=1.0).contains(&duty) { duty as f32 } else { f32::NAN };
    }
    taken(trainer.throttle(throttle)?)
}

fn command_training(engine: &Engine, intent: TrainingIntent) -> Taken<RunReply> {
    engine.command_training(intent)?;
    taken(RunReply { run: engine.trainer().progress().run.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

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
