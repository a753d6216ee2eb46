//! Limits how many lines about requests are written, so that no client can fill the log. Lines beyond the limit are counted,
//! and the counts are logged once a minute.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ipnet::IpNet;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::trace::REQUEST;
use latchkey_core::audit::AUDIT;

/// Maximum number of lines of one kind about the requests of one client, in one window.
pub const PER_CLIENT: u32 = 10;

/// Maximum number of lines of one kind about the requests of all clients, in one window. An attacker may have many addresses.
pub const IN_ALL: u32 = 1000;

/// The length of a window.
pub const WINDOW: Duration = Duration::from_mins(1);

/// Number of clients that a report names for each kind of line. It names the clients with the most suppressed lines.
const NAMED: usize = 20;

/// Lines of one kind that were not written in one window.
#[derive(Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// The message of the lines.
    pub message: String,
    /// The client whose requests the lines are about. `None` stands for all clients that the report does not name.
    pub client: Option<IpNet>,
    /// The number of lines.
    pub lines: u64,
}

/// Counts lines in windows of one minute. Lines from the same place in the source are of one kind.
pub struct Limit {
    window: Mutex<Window>,
    suppressed: AtomicU64,
}

struct Window {
    began: Instant,
    kinds: HashMap<&'static str, Kind>,
    /// What was suppressed in the previous window and is not reported yet.
    report: Vec<Suppressed>,
}

struct Kind {
    message: String,
    written: u32,
    /// Only clients with at least one written line have an entry, so [`IN_ALL`] limits the number of entries.
    clients: HashMap<Option<IpNet>, Count>,
    /// Number of suppressed lines about clients without an entry.
    others: u64,
}

#[derive(Default)]
struct Count {
    written: u32,
    suppressed: u64,
}

impl Limit {
    /// Begins the first window.
    pub fn new(now: Instant) -> Self {
        Self {
            window: Mutex::new(Window {
                began: now,
                kinds: HashMap::new(),
                report: Vec::new(),
            }),
            suppressed: AtomicU64::new(0),
        }
    }

    /// Returns the number of all lines suppressed since the start.
    pub fn suppressed(&self) -> u64 {
        self.suppressed.load(Ordering::Relaxed)
    }

    /// Takes the report of the last complete window.
    pub fn report(&self, now: Instant) -> Vec<Suppressed> {
        let mut window = self.window();
        window.roll(now);
        std::mem::take(&mut window.report)
    }

    /// Ends the current window early and takes its report and any earlier one.
    pub fn last_report(&self, now: Instant) -> Vec<Suppressed> {
        let mut window = self.window();
        let mut report = std::mem::take(&mut window.report);
        window.end(now);
        report.append(&mut window.report);
        report
    }

    /// Returns whether a line may be written. Its kind is the name of its event, which contains the place in the source.
    fn admit(&self, kind: &'static str, message: impl FnOnce() -> String, client: Option<IpAddr>, now: Instant) -> bool {
        let mut window = self.window();
        window.roll(now);
        let kind = window.kinds.entry(kind).or_insert_with(|| Kind {
            message: message(),
            written: 0,
            clients: HashMap::new(),
            others: 0,
        });
        let admitted = kind.admit(client.map(network));
        if !admitted {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn roll(&mut self, now: Instant) {
        if now.saturating_duration_since(self.began) >= WINDOW {
            self.end(now);
        }
    }

    fn end(&mut self, now: Instant) {
        self.began = now;
        self.report = self.kinds.drain().flat_map(|(_, kind)| kind.report()).collect();
    }
}

impl Kind {
    fn admit(&mut self, client: Option<IpNet>) -> bool {
        if self.written >= IN_ALL {
            *self
                .clients
                .get_mut(&client)
                .map_or(&mut self.others, |count| &mut count.suppressed) += 1;
            return false;
        }
        let count = self.clients.entry(client).or_default();
        if count.written >= PER_CLIENT {
            count.suppressed += 1;
            return false;
        }
        count.written += 1;
        self.written += 1;
        true
    }

    fn report(self) -> Vec<Suppressed> {
        let message = self.message;
        let mut clients: Vec<_> = self.clients.into_iter().filter(|(_, count)| count.suppressed > 0).collect();
        clients.sort_by_key(|(_, count)| Reverse(count.suppressed));
        let unnamed = clients.split_off(clients.len().min(NAMED));
        let unnamed: u64 = unnamed.iter().map(|(_, count)| count.suppressed).sum();
        let named = clients.into_iter().map(|(client, count)| (client, count.suppressed));
        let all = named.chain(Some((None, self.others + unnamed)).filter(|(_, lines)| *lines > 0));
        all.map(|(client, lines)| Suppressed {
            message: message.clone(),
            client,
            lines,
        })
        .collect()
    }
}

/// Returns the IPv4 address, or the /64 of an IPv6 address, because providers assign one /64 to a customer.
fn network(address: IpAddr) -> IpNet {
    let whole = IpNet::from(address.to_canonical());
    match whole {
        IpNet::V4(_) => whole,
        IpNet::V6(_) => IpNet::new(whole.addr(), 64).map_or(whole, |network| network.trunc()),
    }
}

/// A global layer, not a per-layer filter: in tracing-subscriber 0.3.23, a per-layer filter that rejects an event affects the next
/// event.
impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for &'static Limit {
    /// Stores the client of a request in the extensions of its span.
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if attributes.metadata().name() == REQUEST
            && let Some(span) = context.span(id)
        {
            span.extensions_mut().insert(client_of(attributes));
        }
    }

    /// Limits lines about requests. Lines about the server itself are few, and debug lines and audit lines are all written.
    fn event_enabled(&self, event: &Event<'_>, context: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO || metadata.target() == AUDIT {
            return true;
        }
        let client = context
            .event_scope(event)
            .and_then(|mut scope| scope.find_map(|span| span.extensions().get::<Client>().copied()));
        client.is_none_or(|Client(client)| self.admit(metadata.name(), || message_of(event), client, Instant::now()))
    }
}

/// The client of a request, in the extensions of its span.
#[derive(Clone, Copy)]
struct Client(Option<IpAddr>);

fn client_of(attributes: &Attributes<'_>) -> Client {
    struct Found(Client);
    impl Visit for Found {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "client" {
                self.0 = Client(format!("{value:?}").parse().ok());
            }
        }
    }
    let mut found = Found(Client(None));
    attributes.record(&mut found);
    found.0
}

fn message_of(event: &Event<'_>) -> String {
    #[derive(Default)]
    struct Message(String);
    impl Visit for Message {
        fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
            if field.name() == "message" {
                self.0 = format!("{value:?}");
            }
        }
    }
    let mut message = Message::default();
    event.record(&mut message);
    message.0
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::net::SocketAddr;
    use std::sync::Arc;

    use axum::extract::ConnectInfo;
    use http::Request;
    use tower_http::trace::MakeSpan;
    use tracing::Instrument;
    use tracing_subscriber::fmt::layer;
    use tracing_subscriber::prelude::*;

    use super::*;
    use crate::trace::RequestSpan;

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

    impl Log {
        fn count(&self, message: &str) -> usize {
            String::from_utf8_lossy(&self.0.lock().expect("unpoisoned"))
                .matches(message)
                .count()
        }
    }

    async fn request_from(address: &str, work: impl Future<Output = ()>) {
        let mut request = Request::get("/protected").body(()).expect("a request");
        let peer = SocketAddr::new(address.parse().expect("an address"), 1);
        request.extensions_mut().insert(ConnectInfo(peer));
        work.instrument(RequestSpan::new(&[]).make_span(&request)).await;
    }

    #[tokio::test]
    async fn log_lines_about_one_client_are_limited_and_the_rest_is_counted() {
        let limit: &'static Limit = Box::leak(Box::new(Limit::new(Instant::now())));
        let log = Log::default();
        let writer = log.clone();
        let lines = layer().with_writer(move || writer.clone());
        let _until_here = tracing::subscriber::set_default(tracing_subscriber::registry().with(lines).with(limit));
        let refuse = async || tracing::info!("refused");
        // All addresses are in the same /64.
        for n in 0..100 {
            request_from(&format!("2001:db8:0:1::{n}"), refuse()).await;
        }
        assert_eq!(log.count("refused"), 10);
        request_from("192.0.2.7", refuse()).await;
        assert_eq!(log.count("refused"), 11, "another client is not affected");
        for _ in 0..100 {
            request_from("192.0.2.7", async { tracing::info!(target: AUDIT, "signed in") }).await;
            request_from("192.0.2.7", async { tracing::debug!("details") }).await;
            tracing::info!("outside a request");
        }
        for unlimited in ["signed in", "details", "outside a request"] {
            assert_eq!(log.count(unlimited), 100, "{unlimited}");
        }

        let soon = Instant::now();
        assert_eq!((limit.report(soon), limit.suppressed()), (vec![], 90), "the window is not over");
        let expected = Suppressed {
            message: "refused".into(),
            client: Some("2001:db8:0:1::/64".parse().expect("a network")),
            lines: 90,
        };
        assert_eq!(limit.report(soon + WINDOW), [expected]);
        assert_eq!(limit.report(soon + 2 * WINDOW), []);
    }

    const KIND: &str = "event src/server/log.rs:1";

    #[test]
    fn log_lines_about_many_clients_are_limited_in_number_and_memory() {
        let began = Instant::now();
        let limit = Limit::new(began);
        let admitted = |n: u32, now| limit.admit(KIND, || "refused".into(), Some(IpAddr::from(n.to_be_bytes())), now);
        assert_eq!((0..50_000).filter(|n| admitted(*n, began)).count(), 1000);
        assert!(limit.window().kinds[KIND].clients.len() <= 1000);
        assert!(!admitted(0, began), "a client that was logged before is limited too");
        let report = limit.report(began + WINDOW);
        assert_eq!(report.iter().map(|suppressed| suppressed.lines).sum::<u64>(), 49_001);
        assert_eq!((report[0].lines, report[1].client), (1, None));
        assert!(admitted(50_000, began + WINDOW), "each window starts from zero");
    }

    #[test]
    fn a_report_names_the_clients_with_the_most_suppressed_lines() {
        let began = Instant::now();
        let limit = Limit::new(began);
        for n in 1..=30_u8 {
            for _ in 0..PER_CLIENT + u32::from(n) {
                limit.admit(KIND, || "refused".into(), Some(IpAddr::from([192, 0, 2, n])), began);
            }
        }
        let report = limit.last_report(began);
        assert_eq!(report.len(), NAMED + 1);
        assert_eq!((report[0].lines, report[NAMED - 1].lines), (30, 11));
        assert_eq!((report[NAMED].client, report[NAMED].lines), (None, (1..=10).sum()));
    }
}
