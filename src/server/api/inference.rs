//! `POST /api/inference`: what is said in a sound file, read on the side while the streams go on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{DefaultBodyLimit, Multipart, State, multipart::MultipartRejection},
    http::StatusCode,
};
use bevy::tasks::{AsyncComputeTaskPool, TaskPool};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

use crate::{
    Error, Result,
    engine::Engine,
    recognise::{
        card::Model,
        online::{Online, OnlineEvent},
        transcript::{Segment, Token},
    },
    server::{Shared, error::ApiError},
    source::{ChannelChoice, decode::Decoder},
    stream::Converter,
};

/// The largest file, bytes.
pub(in crate::server) const MAX_FILE: usize = 32 << 20;
/// Where files are taken.
pub(in crate::server) const INFERENCE: &str = "/api/inference";
/// The longest sound that is read, seconds.
const MAX_SECS: u64 = 3600;
/// Silence after the end, so that the last word is heard out.
const TAIL_SECS: u32 = 1;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(infer).layer(DefaultBodyLimit::max(MAX_FILE)))
}

/// A sound file to be read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the form of a multipart body, for the document")]
struct InferenceRequest {
    /// WAV, FLAC, MP3, OGG or M4A; at most 32 MiB and an hour.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The model to read it with; without one the model in use.
    model_name: Option<String>,
}

/// What is said in a sound file.
#[derive(Debug, Serialize, ToSchema)]
struct InferenceReply {
    /// The words.
    transcription: String,
    /// The words with their times in the file and their scores.
    tokens: Vec<Token>,
    model: String,
    audio_secs: f64,
    /// From the beginning of the reading to the first word; none when there is no word.
    first_token_time_ms: Option<f64>,
    /// Reading alone.
    inference_time_ms: f64,
    /// With loading and decoding.
    total_time_ms: f64,
}

/// Writes down what is said in a sound file.
#[utoipa::path(
    post, path = "/api/inference", tag = "recognition",
    request_body(content = InferenceRequest, content_type = "multipart/form-data"),
    responses((status = 200, body = InferenceReply))
)]
async fn infer(
    State(shared): State<Shared>,
    form: std::result::Result<Multipart, MultipartRejection>,
) -> std::result::Result<Json<InferenceReply>, ApiError> {
    let begin = Instant::now();
    let (mut form, mut file, mut model_name) = (form?, None, None);
    while let Some(field) = form.next_field().await? {
        match field.name().unwrap_or_default() {
            "file" => {
                let name = field.file_name().unwrap_or("the file").to_owned();
                file = Some((name, field.bytes().await?));
            }
            "model_name" => model_name = Some(field.text().await?),
            other => {
                let detail =
                    format!("there is no field \"{}\"; the fields are file and model_name", other.escape_debug());
                return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
            }
        }
    }
    let Some((name, bytes)) = file else {
        return Err(ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "the field file is missing: a WAV, FLAC, MP3, OGG or M4A",
        ));
    };
    // One at a time: the streams come first. Waiting costs a connection, of which there are so many.
    let _turn = shared.inference.acquire().await;
    let engine = shared.engine.clone();
    let pool = AsyncComputeTaskPool::get_or_init(TaskPool::default);
    let reply = pool.spawn(async move { read(&engine, &name, bytes.to_vec(), model_name, begin) }).await;
    Ok(Json(reply?))
}

fn read(
    engine: &Engine,
    name: &str,
    bytes: Vec<u8>,
    model_name: Option<String>,
    begin: Instant,
) -> Result<InferenceReply> {
    let in_use = || engine.recogniser().offer().load().in_use.as_deref().map(str::to_owned);
    let model_name = model_name.or_else(in_use).ok_or_else(|| Error::not_found("no model is in use: name one"))?;
    engine.recogniser().check_known(&model_name)?;
    let model = engine.models().load(&model_name)?;
    let decoder = Decoder::from_bytes(name, bytes)?;
    let heard = hear(decoder, &model, engine.config().stream.sample_rate_hz)?;
    let texts: Vec<_> = heard.segments.iter().map(|segment| segment.text.as_str()).collect();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(InferenceReply {
        transcription: texts.join(" "),
        model: model_name,
        audio_secs: heard.audio_secs,
        first_token_time_ms: heard.first_token.map(millis),
        inference_time_ms: millis(heard.took),
        total_time_ms: millis(begin.elapsed()),
        tokens: heard.segments.into_iter().flat_map(|segment| segment.tokens).collect(),
    })
}

struct Heard {
    segments: Vec<Segment>,
    audio_secs: f64,
    first_token: Option<Duration>,
    took: Duration,
}

/// Recognises block by block, as a stream would: the same samples, the same words.
fn hear(mut decoder: Decoder, model: &Arc<Model>, stream_hz: u32) -> Result<Heard> {
    let (rate_hz, channels) = (decoder.sample_rate_hz(), decoder.channels());
    let mut converter = Converter::new(stream_hz, rate_hz, channels, ChannelChoice::Mix, 0.0)?;
    let (mut online, mut events) = (Online::new(stream_hz)?, Vec::new());
    online.swap(model.clone(), &mut events)?;
    online.start(0, &mut events)?;
    let (begin, mut first_token, mut segments) = (Instant::now(), None, Vec::new());
    let (mut block, mut samples, mut at, mut frames, mut is_over) = (Vec::new(), Vec::new(), 0, 0, false);
    while !is_over {
        block.clear();
        samples.clear();
        if decoder.next_block(&mut block)? {
            frames += (block.len() / usize::from(channels)) as u64;
            if frames > MAX_SECS * u64::from(rate_hz) {
                return Err(Error::invalid("the sound is longer than an hour: cut it"));
            }
            converter.convert(&block, &mut samples);
        } else {
            is_over = true;
            converter.finish(&mut samples);
            samples.resize(samples.len() + (TAIL_SECS * stream_hz) as usize, 0);
        }
        online.accept(at, &samples, &mut events)?;
        at += samples.len() as u64;
        if is_over {
            online.stop(&mut events)?;
        }
        if !events.is_empty() {
            first_token.get_or_insert_with(|| begin.elapsed());
        }
        segments.extend(events.drain(..).filter_map(|event| match event {
            OnlineEvent::Final(segment) => Some(segment),
            OnlineEvent::Partial(_) => None,
        }));
    }
    Ok(Heard { segments, audio_secs: frames as f64 / f64::from(rate_hz), first_token, took: begin.elapsed() })
}
