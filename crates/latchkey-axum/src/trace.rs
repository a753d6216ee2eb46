//! Opens a span for each request, so that every log line written during the request names it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response};
use ipnet::IpNet;
use tower_http::classify::{ServerErrorsAsFailures, SharedClassifier};
use tower_http::request_id::{MakeRequestId, RequestId};
use tower_http::trace::{MakeSpan, OnResponse, TraceLayer};
use tracing::Span;
use uuid::Uuid;

use crate::client_ip;

/// The name of the span of a request.
pub const REQUEST: &str = "request";

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The layer that opens a span for each request and logs its response.
pub type RequestTrace = TraceLayer<SharedClassifier<ServerErrorsAsFailures>, RequestSpan, (), LogAnswer, (), (), ()>;

/// Returns the layer that opens a span for each request and logs its response. See [`client_ip::address`] for `trusted_proxies`.
pub fn layer(trusted_proxies: &[IpNet]) -> RequestTrace {
    TraceLayer::new_for_http()
        .make_span_with(RequestSpan::new(trusted_proxies))
        .on_request(())
        .on_response(LogAnswer)
        .on_body_chunk(())
        .on_eos(())
        .on_failure(())
}

/// Removes a request id that the client chose, so that clients cannot put text into the log.
pub fn drop_foreign_request_id<B>(mut request: Request<B>) -> Request<B> {
    request.headers_mut().remove(X_REQUEST_ID);
    request
}

/// Gives each request a UUID of version 7, which sorts by time.
#[derive(Clone, Copy)]
pub struct NewRequestId;

impl MakeRequestId for NewRequestId {
    fn make_request_id<B>(&mut self, _: &Request<B>) -> Option<RequestId> {
        let id = HeaderValue::from_str(&Uuid::now_v7().to_string());
        id.ok().map(RequestId::new)
    }
}

/// Makes the span of a request: its id, client, method, and path. The query is left out because it may contain secrets.
#[derive(Clone)]
pub struct RequestSpan(Arc<[IpNet]>);

impl RequestSpan {
    /// Takes the proxies whose `X-Forwarded-For` is trusted.
    pub fn new(trusted_proxies: &[IpNet]) -> Self {
        Self(trusted_proxies.into())
    }
}

impl<B> MakeSpan<B> for RequestSpan {
    fn make_span(&mut self, request: &Request<B>) -> Span {
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok());
        let client: Option<IpAddr> = client_ip::address(&self.0, request.headers(), request.extensions());
        // The span has level error, so that it also appears in a log that shows only errors.
        tracing::error_span!(
            REQUEST,
            id,
            client = client.map(tracing::field::display),
            method = request.method().as_str(),
            path = request.uri().path()
        )
    }
}

/// Logs each response at a level that depends on its status. Refusals are logged at info to make attacks visible (ASVS 16.3.2).
#[derive(Clone, Copy)]
pub struct LogAnswer;

impl<B> OnResponse<B> for LogAnswer {
    fn on_response(self, response: &Response<B>, latency: Duration, _: &Span) {
        let (status, microseconds) = (response.status().as_u16(), latency.as_micros());
        match status {
            401 | 403 | 421 | 429 | 503 => tracing::info!(status, microseconds, "refused"),
            500.. => tracing::error!(status, microseconds, "response failed"),
            _ => tracing::debug!(status, microseconds, "answered"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;
    use std::sync::Mutex;

    use axum::body::Body;
    use tower::{Layer, Service, service_fn};
    use tower_http::request_id::SetRequestIdLayer;
    use tracing_subscriber::fmt::{MakeWriter, layer};
    use tracing_subscriber::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("unpoisoned").write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[tokio::test]
    async fn log_lines_of_a_request_share_one_id_and_omit_the_query() {
        let log = Log::default();
        let json = layer()
            .json()
            .with_current_span(true)
            .with_span_list(false)
            .with_writer(log.clone());
        let _until_here = tracing::subscriber::set_default(tracing_subscriber::registry().with(json));
        tracing::info!("outside");
        let handler = service_fn(|_: Request<Body>| async {
            tracing::info!(status = 401, "first");
            tokio::task::yield_now().await;
            tracing::info!("second");
            Ok::<_, Infallible>(Response::new(Body::empty()))
        });
        let mut service = SetRequestIdLayer::x_request_id(NewRequestId).layer(super::layer(&[]).layer(handler));
        let request = Request::get("/protected?access_token=x").body(Body::empty()).expect("a request");
        service.call(request).await.expect("answered");
        let text = String::from_utf8(log.0.lock().expect("unpoisoned").clone()).expect("text");
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [outside, first, second, answered] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert!(outside["span"].is_null());
        assert_eq!(
            (&first["fields"]["status"], &first["fields"]["message"]),
            (&401.into(), &"first".into())
        );
        assert_eq!(
            (&first["span"]["name"], &first["span"]["method"], &first["span"]["path"]),
            (&"request".into(), &"GET".into(), &"/protected".into())
        );
        assert_eq!(first["span"]["id"].as_str().map(str::len), Some(36));
        assert_eq!(first["span"], second["span"]);
        assert_eq!(first["span"], answered["span"]);
    }
}
