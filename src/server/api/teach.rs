//! Teaching words: clips from a lane or a file, and lessons.

use axum::{
    Extension, Json,
    extract::{
        DefaultBodyLimit, Multipart, Path, State,
        multipart::MultipartRejection,
        rejection::{JsonRejection, PathRejection},
    },
    http::StatusCode,
};
use bevy::tasks::{AsyncComputeTaskPool, TaskPool};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use super::{Taken, taken, whole};
use crate::{
    Error, Result, Text,
    engine::Engine,
    server::{Shared, access::Door, clients::Visit, error::ApiError},
    source::decode::read_audio_bytes,
    stream::StreamKey,
    train::teach::{Lesson, TaughtWord, handle},
};

/// The largest clip, bytes.
const MAX_CLIP: usize = 4 << 20;
/// How far back words are looked for, unless somebody says otherwise.
const TAKE_SECS: u32 = 15;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(taught_words, teach))
        .routes(routes!(take_clips))
        .routes(routes!(add_clip).layer(DefaultBodyLimit::max(MAX_CLIP)))
        .routes(routes!(remove_clip))
}

/// A lesson; what is left out is the model in use, its name with `-taught`, and what it was trained on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TeachRequest {
    /// The word, of which there are clips.
    word: String,
    /// The model that learns it.
    model: Option<String>,
    /// The name of the model that is saved.
    save_as: Option<String>,
    /// Datasets with the words that the model knows.
    #[serde(default)]
    rehearse: Vec<String>,
}

/// When a lesson is given.
#[derive(Serialize, ToSchema)]
struct TeachReply {
    /// The run, which is called as the model that it makes.
    run: Text,
    /// The run under way that it waits for; none when it begins at once.
    #[schema(value_type = Option<String>)]
    waits_for: Option<Text>,
}

/// Where clips are taken from.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TakeRequest {
    /// The lane in which it was said.
    stream: StreamKey,
    /// What was said.
    word: String,
    /// How far back it is looked for; 15 when absent.
    #[schema(minimum = 1, maximum = 60)]
    #[serde(default, deserialize_with = "whole")]
    secs: Option<u32>,
}

/// What was taken.
#[derive(Serialize, ToSchema)]
struct TakeReply {
    /// Clips that were found.
    clips: usize,
}

/// A clip as a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a multipart body, for the document")]
struct ClipRequest {
    /// What is said in it.
    word: String,
    /// WAV, FLAC, MP3, OGG or M4A of 0.1 to 5 s.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
}

/// Does work that reads and writes files where it holds up no other call.
async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    AsyncComputeTaskPool::get_or_init(TaskPool::default).spawn(async move { work() }).await
}

/// The words that were taught, with their clips.
#[utoipa::path(get, path = "/api/teach", tag = "teaching", responses((status = 200, body = [TaughtWord])))]
async fn taught_words(State(shared): State<Shared>) -> Result<Json<Vec<TaughtWord>>, ApiError> {
    let engine = shared.engine.clone();
    Ok(Json(elsewhere(move || handle::clips(&engine)?.words()).await?))
}

/// Teaches a word of which there are clips, at once or when the run under way has ended. Every lane takes the model when it is
/// done.
#[utoipa::path(
    post, path = "/api/teach", tag = "teaching", request_body = TeachRequest,
    responses((status = 202, description = "It is being prepared, or waits for its turn.", body = TeachReply))
)]
async fn teach(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    request: Result<Json<TeachRequest>, JsonRejection>,
) -> Taken<TeachReply> {
    let Json(TeachRequest { word, model, save_as, rehearse }) = request?;
    let is_path = |name: &String| name.contains(['/', '\\']) || name.starts_with('.');
    if visit.door() == Door::Network && rehearse.iter().any(is_path) {
        let detail = "other machines name a dataset; folders are opened for this machine alone";
        return Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    }
    let engine = shared.engine.clone();
    let turn = elsewhere(move || {
        let model = model.map_or_else(|| model_in_use(&engine), Ok)?;
        engine.teacher().teach(&engine, &Lesson { word, model, save_as, rehearse })
    });
    let turn = turn.await?;
    taken(TeachReply { run: turn.run, waits_for: turn.waits_for })
}

fn model_in_use(engine: &Engine) -> Result<String> {
    let in_use = engine.recogniser().offer().load().in_use.clone();
    in_use.map(|name| name.to_string()).ok_or_else(|| Error::not_found("no model is in use: name one"))
}

/// Takes the words said in a lane's last seconds, with pauses between them, as clips of a word.
#[utoipa::path(
    post, path = "/api/teach/take", tag = "teaching", request_body = TakeRequest,
    responses((status = 200, body = TakeReply))
)]
async fn take_clips(
    State(shared): State<Shared>,
    request: Result<Json<TakeRequest>, JsonRejection>,
) -> Result<Json<TakeReply>, ApiError> {
    let Json(TakeRequest { stream, word, secs }) = request?;
    let engine = shared.engine.clone();
    let take = move || engine.teacher().take(&engine, &stream, &word, secs.unwrap_or(TAKE_SECS));
    Ok(Json(TakeReply { clips: elsewhere(take).await? }))
}

/// Keeps a sound file as a clip of a word.
#[utoipa::path(
    post, path = "/api/teach/clips", tag = "teaching",
    request_body(content = ClipRequest, content_type = "multipart/form-data"),
    responses((status = 200, body = TakeReply))
)]
async fn add_clip(
    State(shared): State<Shared>,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Json<TakeReply>, ApiError> {
    let (mut form, mut file, mut word) = (form?, None, None);
    while let Some(field) = form.next_field().await? {
        match field.name().unwrap_or_default() {
            "file" => {
                let name = field.file_name().unwrap_or("the file").to_owned();
                file = Some((name, field.bytes().await?));
            }
            "word" => word = Some(field.text().await?),
            other => {
                let detail = format!("there is no field \"{}\"; the fields are file and word", other.escape_debug());
                return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
            }
        }
    }
    let (Some((name, bytes)), Some(word)) = (file, word) else {
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "the fields file and word are needed"));
    };
    let engine = shared.engine.clone();
    let keep = move || {
        let audio = read_audio_bytes(&name, bytes.to_vec())?;
        handle::clips(&engine)?.add(&word, audio.sample_rate_hz, &audio.samples)
    };
    elsewhere(keep).await?;
    Ok(Json(TakeReply { clips: 1 }))
}

/// Deletes a clip, and its word with the last one.
#[utoipa::path(
    delete, path = "/api/teach/{word}/{clip}", tag = "teaching",
    params(("word" = String, Path), ("clip" = String, Path)),
    responses((status = 204, description = "It is gone."))
)]
async fn remove_clip(
    State(shared): State<Shared>,
    names: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    let Path((word, clip)) = names?;
    let engine = shared.engine.clone();
    elsewhere(move || engine.teacher().remove(&engine, &word, &clip)).await?;
    Ok(StatusCode::NO_CONTENT)
}
