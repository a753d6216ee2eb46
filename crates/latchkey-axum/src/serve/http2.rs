//! Limits the cost of one HTTP/2 connection. A client may begin many requests on it. Only a few are processed at a time, until the
//! client has read their responses; the others wait.

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

/// Maximum number of requests of one connection that are processed at a time, including those whose response the client has not
/// read yet. Each holds a form of up to 16 KiB or a response in memory.
const MAX_AT_WORK: usize = 8;

/// Maximum total size of the headers of all requests of one connection that are processed or wait, in bytes.
const MAX_HEADERS: usize = 128 * 1024;

/// Bytes that a header field costs in addition to its name and value.
const FIELD: usize = 64;

/// Maximum size of a part of a response that is passed to the connection at a time, which is one frame. A client must read at
/// least one part in each [`PROGRESS_DEADLINE`].
const MAX_PART: usize = 16 * 1024;

/// The limits of the requests on one connection. Empty for a trusted proxy.
#[derive(Clone)]
pub struct Room(Option<Arc<Places>>);

struct Places {
    at_work: Arc<Semaphore>,
    headers: Arc<Semaphore>,
}

/// The permits of a request: `header` while it is processed, `place` until the client has read the response.
#[derive(Default)]
struct Held {
    place: Option<Arc<OwnedSemaphorePermit>>,
    header: Option<OwnedSemaphorePermit>,
}

impl Room {
    /// Returns the limits for a client.
    pub fn of_a_client() -> Self {
        Self(Some(Arc::new(Places {
            at_work: Arc::new(Semaphore::new(MAX_AT_WORK)),
            headers: Arc::new(Semaphore::new(MAX_HEADERS)),
        })))
    }

    /// Returns no limits, for a trusted proxy: it sends the requests of many clients and may use all of its streams.
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
        // Boxed, so that a waiting request does not take the memory of a request in progress.
        let response = Box::pin(answer(request)).await;
        drop(header);
        // An event stream stays open for long and sends little. It has its own limits.
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
    /// Waits until the request may be processed. Returns `None` if too many requests wait or this one waited too long.
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

/// The body of a response. It is sent in parts and tracks which of them the client has read. The body ends only after the client
/// has read all parts, so that the stream is watched until then.
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

/// A part of a response. The connection drops it once the part is written or the stream is reset.
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
