//! Events as they happen, as server-sent events (SSE).

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse,
        sse::{Event, KeepAlive, Sse},
    },
};
use axum_server::ConnectionShutdown;
use futures_lite::stream;
use serde::Deserialize;
use tokio::sync::watch;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Shared, error::ApiError};
use crate::{event::EventHub, stream::StreamKey};

/// How often a line without meaning is sent when nothing happens, so that both ends notice a dead connection.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// How soon a client should come back after a break.
const RETRY: Duration = Duration::from_secs(1);

/// A listener that takes nothing for this long, while events that it did not hear are forgotten already, is cut off.
const STUCK: Duration = Duration::from_secs(10);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Events taken out of the ring at once.
const BATCH: usize = 64;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(listen))
}

/// Which events are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only those about this stream, which need not be there yet, and those about no stream.
    #[param(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    stream: Option<String>,
    /// The token, where no header can be sent; the guard has looked at it.
    #[expect(dead_code, reason = "named, so that it is not refused as unknown")]
    token: Option<String>,
}

/// Every event from now on, or from the one after `Last-Event-ID`. What was forgotten meanwhile comes as
/// an event named `missed` with `{"missed": COUNT}`.
#[utoipa::path(
    get, path = "/api/events", tag = "events", params(Wanted, ("Last-Event-ID" = Option<u64>, Header)),
    responses((status = 200, description = "Records as /protocol has them.", content_type = "text/event-stream", body = String))
)]
async fn listen(
    State(shared): State<Shared>,
    Extension(connection): Extension<ConnectionShutdown>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<impl IntoResponse, ApiError> {
    let Query(wanted) = wanted?;
    let stream = wanted.stream.map(|key| key.parse::<StreamKey>()).transpose()?;
    let hub = shared.engine.events().clone();
    let after = first_after(&headers, hub.last_id())?;
    let listener = Listener {
        changed: hub.watch(),
        hub,
        stop: shared.stop,
        stream,
        after: Arc::new(AtomicU64::new(after)),
        ready: VecDeque::from([Event::default().retry(RETRY)]),
    };
    tokio::spawn(watch_over(Arc::downgrade(&listener.after), listener.hub.clone(), connection));
    let events = stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("nothing new")))
}

/// The id after which to begin.
fn first_after(headers: &HeaderMap, newest: u64) -> Result<u64, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(newest) };
    let Some(after) = value.to_str().ok().and_then(|text| text.trim().parse::<u64>().ok()) else {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "Last-Event-ID is no number: send the id of an event, or nothing",
        ));
    };
    // An id from the future is one of an earlier start of the program, whose ids began at 1 as well: all of ours are new to it.
    Ok(if after > newest { 0 } else { after })
}

/// Cuts a listener off that is stuck. When it comes back it is told what it missed.
async fn watch_over(after: Weak<AtomicU64>, hub: EventHub, connection: ConnectionShutdown) {
    let (mut place, mut since) = (0, Instant::now());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(after) = after.upgrade().map(|after| after.load(Relaxed)) else { return };
        if after != place || hub.last_id() - after <= EventHub::CAPACITY as u64 {
            (place, since) = (after, Instant::now());
        } else if since.elapsed() >= STUCK {
            return connection.shutdown();
        }
    }
}

/// One listener: a place in the ring and what it has been told up to there.
struct Listener {
    hub: EventHub,
    changed: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    stream: Option<StreamKey>,
    /// The newest event that it has taken.
    after: Arc<AtomicU64>,
    ready: VecDeque<Event>,
}

impl Listener {
    /// The next event, when there is one; none once the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if *self.stop.borrow() {
                return None;
            }
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.read() {
                continue;
            }
            tokio::select! {
                changed = self.changed.changed() => changed.ok()?,
                stopped = self.stop.changed() => stopped.ok()?,
            }
        }
    }

    /// Takes events out of the ring; says whether it moved on.
    fn read(&mut self) -> bool {
        let (records, missed) = self.hub.read_after(self.after.load(Relaxed), BATCH);
        let Some(last) = records.last() else { return false };
        self.after.store(last.id, Relaxed);
        if missed > 0 {
            self.ready.push_back(Event::default().event("missed").data(format!("{{\"missed\":{missed}}}")));
        }
        let wanted = records.iter().filter(|record| match (&self.stream, record.event.stream()) {
            (Some(wanted), Some(of)) => wanted == of,
            _ => true,
        });
        self.ready.extend(wanted.filter_map(|record| {
            // A record is plain data; if it could not be written as JSON, the hole in the ids would show it.
            Event::default().id(record.id.to_string()).json_data(&**record).ok()
        }));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_listener_begins_after_what_it_knows() {
        let after = |value: &'static str| {
            let headers = HeaderMap::from_iter([("last-event-id".parse().unwrap(), HeaderValue::from_static(value))]);
            first_after(&headers, 100).ok()
        };
        assert_eq!(first_after(&HeaderMap::new(), 100).ok(), Some(100));
        assert_eq!([after("7"), after("0"), after("100"), after("101")], [Some(7), Some(0), Some(100), Some(0)]);
        assert_eq!([after("seven"), after("-1"), after("")], [None, None, None]);
    }
}
