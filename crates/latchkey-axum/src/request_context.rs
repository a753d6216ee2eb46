//! Lines about a request say which. A span would do that too, and cost each request more than all that its token does: what
//! the line says is put into words here once there is a line, which for most requests there never is.

use std::cell::OnceCell;
use std::fmt;
use std::net::IpAddr;

use http::{Method, Request, Uri};
use ipnet::IpNet;
use serde::Serialize;
use tokio::task_local;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use crate::client_ip;

task_local! {
    static ASKED: RequestContext;
}

/// What lines say of the request that they are about.
pub struct RequestContext {
    id: OnceCell<Uuid>,
    client: Option<IpAddr>,
    method: Method,
    uri: Uri,
}

/// In words: an id of its own, and the path without its query, which may hold what is nobody's business.
#[derive(Serialize)]
struct Words<'a> {
    name: &'static str,
    id: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<IpAddr>,
    method: &'a str,
    path: &'a str,
}

impl RequestContext {
    /// Takes note of a request.
    pub fn of<B>(trusted_proxies: &[IpNet], request: &Request<B>) -> Self {
        Self {
            id: OnceCell::new(),
            client: client_ip::address(trusted_proxies, request.headers(), request.extensions()),
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }

    /// Does the work of this request: each line that is logged meanwhile is about it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        ASKED.scope(self, work).await
    }

    fn words(&self) -> Words<'_> {
        Words {
            name: "request",
            id: *self.id.get_or_init(Uuid::now_v7),
            client: self.client,
            method: self.method.as_str(),
            path: self.uri.path(),
        }
    }
}

/// Decides something by the client of the request that is worked on; nothing if there is no request.
pub fn by_client<T>(decide: impl FnOnce(Option<IpAddr>) -> T) -> Option<T> {
    ASKED.try_with(|asked| decide(asked.client)).ok()
}

/// Lines for people: as they are, and the request at their end.
pub struct Pretty<F>(pub F);

/// Lines for programs: JSON objects as they are, and in them the request as `span`.
pub struct Json<F>(pub F);

impl<S, N, F> FormatEvent<S, N> for Pretty<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let line = line(&self.0, ctx, event)?;
        writer.write_str(&line)?;
        let written = ASKED.try_with(|asked| {
            let Words {
                id, client, method, path, ..
            } = asked.words();
            write!(writer, " request={id} method={method} path={path:?}")?;
            client.map_or(Ok(()), |client| write!(writer, " client={client}"))
        });
        written.unwrap_or(Ok(()))?;
        writer.write_char('\n')
    }
}

impl<S, N, F> FormatEvent<S, N> for Json<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let line = line(&self.0, ctx, event)?;
        let words = ASKED.try_with(|asked| serde_json::to_string(&asked.words()));
        match (line.strip_suffix('}'), words) {
            (Some(open), Ok(Ok(words))) => writeln!(writer, "{open},\"span\":{words}}}"),
            _ => writeln!(writer, "{line}"),
        }
    }
}

/// A line without its end.
fn line<S, N, F: FormatEvent<S, N>>(format: &F, ctx: &FmtContext<'_, S, N>, event: &Event<'_>) -> Result<String, fmt::Error>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    let mut line = String::new();
    format.format_event(ctx, Writer::new(&mut line), event)?;
    line.truncate(line.trim_end_matches('\n').len());
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::{MakeWriter, format, layer};
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

    impl Log {
        fn lines(&self) -> Vec<String> {
            let text = String::from_utf8(self.0.lock().expect("unpoisoned").clone()).expect("text");
            text.lines().map(str::to_owned).collect()
        }
    }

    fn asked(path: &str) -> RequestContext {
        RequestContext::of(&[], &Request::get(path).body(()).expect("a request"))
    }

    async fn some_lines() {
        tracing::info!("outside");
        let work = async {
            tracing::info!(status = 401, "first");
            tokio::task::yield_now().await;
            tracing::info!("second");
        };
        asked("/protected?access_token=x").scope(work).await;
    }

    #[tokio::test]
    async fn lines_about_one_request_name_it_by_one_id_and_without_its_query() {
        let log = Log::default();
        let json = layer()
            .json()
            .event_format(Json(format().json().with_current_span(false)))
            .with_writer(log.clone());
        let _until_here = tracing::subscriber::set_default(tracing_subscriber::registry().with(json));
        some_lines().await;
        let lines = log.lines();
        let lines: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let [outside, first, second] = &lines[..] else {
            panic!("{lines:?}")
        };
        assert!(outside["span"].is_null());
        assert_eq!(
            (&first["fields"]["status"], &first["fields"]["message"]),
            (&401.into(), &"first".into())
        );
        assert_eq!(
            (&first["span"]["method"], &first["span"]["path"]),
            (&"GET".into(), &"/protected".into())
        );
        assert_eq!(first["span"]["id"].as_str().map(str::len), Some(36));
        assert_eq!(first["span"], second["span"]);
    }

    #[tokio::test]
    async fn people_read_the_same_at_the_end_of_a_line() {
        let log = Log::default();
        let pretty = layer().event_format(Pretty(format().with_ansi(false))).with_writer(log.clone());
        let _until_here = tracing::subscriber::set_default(tracing_subscriber::registry().with(pretty));
        some_lines().await;
        let lines = log.lines();
        assert!(lines[0].ends_with("outside"), "{lines:?}");
        assert!(
            lines[1].contains("first status=401 request=") && lines[1].ends_with(" method=GET path=\"/protected\""),
            "{lines:?}"
        );
    }
}
