//! A cluster for tests: nodes, their database, and optionally a proxy and a slow link between them.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use super::link::Link;
use super::proxy::Proxy;
use crate::postgres::Postgres;
use crate::support::{Installation, PASSWORD, Server, Tokens, error, exchange_as, form_of};

pub struct Cluster {
    pub postgres: Postgres,
    nodes: Vec<Installation>,
    servers: Vec<Option<Server>>,
    settings: Vec<(&'static str, String)>,
    /// The host and port of the public URL.
    host: String,
    /// The proxy that spreads requests over the nodes, if there is one.
    any: Option<Proxy>,
    link: Option<Link>,
    asked: AtomicUsize,
}

impl Cluster {
    /// Starts this many nodes at once.
    pub fn of(number: usize) -> Self {
        Self::new(number, false, false, &[])
    }

    /// Starts this many nodes with additional settings.
    pub fn with(number: usize, settings: &[(&'static str, &str)]) -> Self {
        Self::new(number, false, false, settings)
    }

    /// Starts two nodes behind a proxy, which receives all requests.
    pub fn behind_a_proxy() -> Self {
        Self::new(2, true, false, &[])
    }

    /// Starts this many nodes with a link to the database that can be slowed down or made to hang.
    pub fn with_a_slow_link(number: usize, settings: &[(&'static str, &str)]) -> Self {
        Self::new(number, false, true, settings)
    }

    fn new(number: usize, proxy: bool, slow: bool, settings: &[(&'static str, &str)]) -> Self {
        let postgres = Postgres::new();
        let nodes: Vec<_> = (0..number).map(|_| Installation::new()).collect();
        let ports: Vec<u16> = nodes.iter().map(Installation::port).collect();
        let any = proxy.then(|| Proxy::before([ports[0], ports[1]]));
        let link = slow.then(|| Link::to(postgres.port()));
        let url = link
            .as_ref()
            .map_or_else(|| postgres.url.clone(), |link| postgres.url_through(link.port));
        let host = format!("localhost:{}", any.as_ref().map_or(nodes[0].port(), |proxy| proxy.port));
        let mut all = vec![
            ("LATCHKEY_DATABASE_URL", url),
            ("LATCHKEY_SECRET", latchkey_core::secret::generate().to_string()),
            ("LATCHKEY_PUBLIC_URL", format!("http://{host}")),
            // So that each simulated user can have its own client address.
            ("LATCHKEY_TRUSTED_PROXIES", "127.0.0.1".to_owned()),
        ];
        all.extend(settings.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let mut cluster = Self {
            postgres,
            servers: nodes.iter().map(|_| None).collect(),
            nodes,
            settings: all,
            host,
            any,
            link,
            asked: AtomicUsize::new(0),
        };
        let servers: Vec<_> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..number)
                .map(|node| {
                    let cluster = &cluster;
                    scope.spawn(move || cluster.serve(node))
                })
                .collect();
            starting.into_iter().map(|node| node.join().expect("started")).collect()
        });
        cluster.servers = servers.into_iter().map(Some).collect();
        cluster
    }

    fn serve(&self, node: usize) -> Server {
        let settings: Vec<_> = self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.nodes[node].serve(&settings)
    }

    pub fn link(&self) -> &Link {
        self.link.as_ref().expect("a link")
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn kill(&mut self, node: usize) {
        self.servers[node].take().expect("a node that runs").kill();
    }

    /// Stops a node gracefully, as an upgrade does.
    pub fn stop(&mut self, node: usize) {
        let log = self.servers[node].take().expect("a node that runs").stop();
        assert!(!log.contains("panicked"), "{log}");
    }

    pub fn restart(&mut self, node: usize) {
        self.servers[node] = Some(self.serve(node));
    }

    /// Returns the port of a node, or of the proxy if there is one.
    pub fn port(&self, node: usize) -> u16 {
        self.any.as_ref().map_or_else(|| self.nodes[node].port(), |proxy| proxy.port)
    }

    /// Returns the `Host` header that clients send.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Adds an account and returns its name.
    pub fn somebody(&mut self, name: &str) -> String {
        let settings = self.settings.clone();
        let added = self.nodes[0].run_with(&["user", "add", name, "--password-stdin"], &settings, &format!("{PASSWORD}\n"));
        assert!(added.status.success(), "{}", error(&added));
        name.to_owned()
    }

    pub fn sign_up(&self, node: usize, name: &str) -> Tokens {
        let headers = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Accept", "application/json"),
            ("Origin", &format!("http://{}", self.host)),
        ];
        let fields = form_of(&[("username", name), ("password", PASSWORD), ("email", "")]);
        let (status, body) = exchange_as(self.port(node), &self.host, "POST", "/api/sign_up", &headers, &fields).expect("an answer");
        assert_eq!(status, 200, "{body}");
        self.grant(node, name)
    }

    pub fn grant(&self, node: usize, name: &str) -> Tokens {
        let (status, body) = self
            .post(node, "/token", &[("username", name), ("password", PASSWORD)])
            .expect("an answer");
        assert_eq!(status, 200, "{body}");
        Tokens::of(&body)
    }

    pub fn refresh(&self, node: usize, token: &str) -> io::Result<(u16, Value)> {
        self.post(node, "/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    pub fn get(&self, node: usize, path: &str, access: &str) -> (u16, String) {
        let headers = [("Authorization", format!("Bearer {access}"))];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let headers = if access.is_empty() { &[][..] } else { &headers };
        exchange_as(self.port(node), &self.host, "GET", path, headers, "").unwrap_or_default()
    }

    /// Posts a form, each time from another client address.
    pub fn post(&self, node: usize, path: &str, fields: &[(&str, &str)]) -> io::Result<(u16, Value)> {
        post(
            self.port(node),
            &self.host,
            self.asked.fetch_add(1, Ordering::Relaxed),
            path,
            fields,
        )
    }
}

/// Posts a form from one of many client addresses.
pub fn post(port: u16, host: &str, from: usize, path: &str, fields: &[(&str, &str)]) -> io::Result<(u16, Value)> {
    let address = format!("10.{}.{}.{}", from >> 16 & 255, from >> 8 & 255, from & 255);
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", &address)];
    let (status, body) = exchange_as(port, host, "POST", path, &headers, &form_of(fields))?;
    Ok((status, serde_json::from_str(&body).unwrap_or_default()))
}
