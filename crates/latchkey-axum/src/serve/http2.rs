//! What one HTTP/2 connection may cost. A client may begin many requests on it; a few are worked on at a time, until their
//! answers are taken, and the others wait.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use http::{HeaderMap, Request, Response, header};
use hyper::body::{Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::progress::{PROGRESS_DEADLINE, Progress};
use crate::middleware::size::ConnectionIsFull;

/// Requests that one connection is worked for at a time, until the client has taken the answer. Each holds a form of 16 KiB
/// or an answer.
const MAX_AT_WORK: usize = 8;

/// Headers of the requests that are worked on or wait, in bytes, on one connection.
const MAX_HEADERS: usize = 128 * 1024;

/// What a field of a header costs beside its name and value.
const FIELD: usize = 64;

/// Largest part of an answer that is handed to the connection at a time, which is one frame. A client takes at least one
/// in [`PROGRESS_DEADLINE`].
const MAX_PART: usize = 16 * 1024;

/// The room for requests on one connection.
#[derive(Clone)]
pub struct Room(Option<Arc<Places>>);

struct Places {
    at_work: Arc<Semaphore>,
    headers: Arc<Semaphore>,
}

/// What a request holds while it is worked on and until its answer is taken.
#[derive(Default)]
struct Held {
    place: Option<Arc<OwnedSemaphorePermit>>,
    header: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// The room of a client.
    pub fn of_a_client() -> Self {
        Self(Some(Arc::new(Places {
            at_work: Arc::new(Semaphore::new(MAX_AT_WORK)),
            headers: Arc::new(Semaphore::new(MAX_HEADERS)),
        })))
    }

    /// The room of a trusted proxy, which sends the requests of many clients: all of its streams.
    pub fn of_a_proxy() -> Self {
        Self(None)
    }

    /// Answers a request once there is room for it.
    pub async fn answer<F>(self, mut request: Request<Body>, answer: impl FnOnce(Request<Body>) -> F) -> Response<Body>
    where
        F: Future<Output = Response<Body>>,
    {
        let Held { place, header } = match &self.0 {
            None => Held::default(),
            Some(places) => places.take(request.headers()).await.unwrap_or_else(|| {
                request.extensions_mut().insert(ConnectionIsFull);
                Held::default()
            }),
        };
        // Boxed: a request that waits should not take the memory of one that is worked on.
        let response = Box::pin(answer(request)).await;
        drop(header);
        // An event stream says little for long: it has limits of its own.
        let place = place.filter(|_| !is_event_stream(response.headers()));
        response.map(|body| {
            Body::new(Answer {
                body,
                rest: Bytes::new(),
                progress: Progress::of_this_stream(),
                place,
                began: false,
            })
        })
    }
}

impl Places {
    /// Waits for a place. `None` when too many wait, or this one waited for too long.
    async fn take(&self, header: &HeaderMap) -> Option<Held> {
        let size: usize = header.iter().map(|(name, value)| name.as_str().len() + value.len() + FIELD).sum();
        let header = Arc::clone(&self.headers).try_acquire_many_owned(u32::try_from(size).ok()?).ok()?;
        let place = timeout(PROGRESS_DEADLINE, Arc::clone(&self.at_work).acquire_owned())
            .await
            .ok()?
            .ok()?;
        Some(Held {
            place: Some(Arc::new(place)),
            header: Some(header),
        })
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// The body of an answer, in parts of which is known whether the client has taken them. It ends when the client has taken
/// them all, so that its stream is watched until then.
struct Answer {
    body: Body,
    rest: Bytes,
    progress: Arc<Progress>,
    place: Option<Arc<OwnedSemaphorePermit>>,
    began: bool,
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return self.progress.poll_all_taken(context).map(|()| None),
            }
        }
        self.began = true;
        let size = self.rest.len().min(MAX_PART);
        let part = Part::new(self.rest.split_to(size), &self.progress, self.place.clone());
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(part)))))
    }

    fn is_end_stream(&self) -> bool {
        !self.began && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (body, rest) = (self.body.size_hint(), u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

/// A part of an answer. The connection drops it when it is written, or its stream is reset.
struct Part {
    bytes: Bytes,
    progress: Arc<Progress>,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Part {
    fn new(bytes: Bytes, progress: &Arc<Progress>, place: Option<Arc<OwnedSemaphorePermit>>) -> Self {
        progress.handed_out();
        Self {
            bytes,
            progress: Arc::clone(progress),
            _place: place,
        }
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.progress.taken();
    }
}
