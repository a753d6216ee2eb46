//! Nodes, their database, and what stands between them.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::spawn;

use serde_json::Value;

use crate::postgres::Postgres;
use crate::support::{Installation, PASSWORD, Server, Tokens, error, exchange_as, form_of};

pub struct Cluster {
    pub postgres: Postgres,
    nodes: Vec<Installation>,
    servers: Vec<Option<Server>>,
    settings: Vec<(&'static str, String)>,
    /// What people type into the address bar.
    host: String,
    /// Where requests go that may go to any node.
    any: Option<u16>,
    link: Option<Link>,
    asked: AtomicUsize,
}

impl Cluster {
    /// So many nodes, started at once.
    pub fn of(number: usize) -> Self {
        Self::new(number, false, false, &[])
    }

    /// The same with settings of their own.
    pub fn with(number: usize, settings: &[(&'static str, &str)]) -> Self {
        Self::new(number, false, false, settings)
    }

    /// The same behind a proxy, which people use.
    pub fn behind_a_proxy(number: usize) -> Self {
        Self::new(number, true, false, &[])
    }

    /// The same with a link to the database that can hang.
    pub fn with_a_slow_link(number: usize, settings: &[(&'static str, &str)]) -> Self {
        Self::new(number, false, true, settings)
    }

    fn new(number: usize, proxy: bool, slow: bool, settings: &[(&'static str, &str)]) -> Self {
        let postgres = Postgres::new();
        let nodes: Vec<_> = (0..number).map(|_| Installation::new()).collect();
        let ports: Vec<u16> = nodes.iter().map(Installation::port).collect();
        let any = proxy.then(|| balance(ports));
        let link = slow.then(|| Link::to(postgres.port()));
        let url = link
            .as_ref()
            .map_or_else(|| postgres.url.clone(), |link| postgres.url_through(link.port));
        let host = format!("localhost:{}", any.unwrap_or(nodes[0].port()));
        let mut all = vec![
            ("LATCHKEY_DATABASE_URL", url),
            ("LATCHKEY_SECRET", latchkey::server::secret::generate().to_string()),
            ("LATCHKEY_PUBLIC_URL", format!("http://{host}")),
            // People of a test come from addresses of their own.
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

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    pub fn kill(&mut self, node: usize) {
        self.servers[node].take().expect("a node that runs").kill();
    }

    /// As an upgrade stops it.
    pub fn stop(&mut self, node: usize) {
        let log = self.servers[node].take().expect("a node that runs").stop();
        assert!(!log.contains("panicked"), "{log}");
    }

    pub fn restart(&mut self, node: usize) {
        self.servers[node] = Some(self.serve(node));
    }

    /// Where to reach a node; any, behind a proxy.
    pub fn port(&self, node: usize) -> u16 {
        self.any.unwrap_or_else(|| self.nodes[node].port())
    }

    /// What clients send as `Host`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// An account.
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

    /// Posts a form, each from another address.
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

/// Posts a form from one of many addresses.
pub fn post(port: u16, host: &str, from: usize, path: &str, fields: &[(&str, &str)]) -> io::Result<(u16, Value)> {
    let address = format!("10.{}.{}.{}", from >> 16 & 255, from >> 8 & 255, from & 255);
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("X-Forwarded-For", &address)];
    let (status, body) = exchange_as(port, host, "POST", path, &headers, &form_of(fields))?;
    Ok((status, serde_json::from_str(&body).unwrap_or_default()))
}

/// A proxy in front of nodes, as simple as one can be: a node each in turn, and the next one where nobody listens. Its port.
fn balance(nodes: Vec<u16>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    spawn(move || {
        for (turn, client) in listener.incoming().enumerate() {
            let (client, nodes) = (client.expect("a client"), nodes.clone());
            spawn(move || {
                let found = (0..nodes.len()).find_map(|n| TcpStream::connect(("127.0.0.1", nodes[(turn + n) % nodes.len()])).ok());
                if let Some(node) = found {
                    join(client, node, None);
                }
            });
        }
    });
    port
}

/// A link that can hang: nothing gets through, nothing is closed.
pub struct Link {
    port: u16,
    hangs: Arc<(Mutex<bool>, Condvar)>,
    gone: Arc<AtomicBool>,
}

impl Link {
    fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let hangs = Arc::new((Mutex::new(false), Condvar::new()));
        let gone = Arc::new(AtomicBool::new(false));
        let (gate, over) = (Arc::clone(&hangs), Arc::clone(&gone));
        spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
                    continue;
                };
                let gate = Arc::clone(&gate);
                spawn(move || join(client.expect("a client"), server, Some(gate)));
            }
        });
        Self { port, hangs, gone }
    }

    pub fn hang(&self) {
        *self.hangs.0.lock().expect("not poisoned") = true;
    }

    pub fn goes_on(&self) {
        *self.hangs.0.lock().expect("not poisoned") = false;
        self.hangs.1.notify_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        self.goes_on();
    }
}

type Gate = Arc<(Mutex<bool>, Condvar)>;

/// Carries bytes both ways until both ends are closed.
fn join(client: TcpStream, server: TcpStream, gate: Option<Gate>) {
    let carry = |mut from: TcpStream, mut to: TcpStream, gate: Option<Gate>| {
        spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = io::Read::read(&mut from, &mut buffer) {
                if let Some(gate) = &gate {
                    let hangs = gate.0.lock().expect("not poisoned");
                    drop(gate.1.wait_while(hangs, |hangs| *hangs).expect("not poisoned"));
                }
                if io::Write::write_all(&mut to, &buffer[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        })
    };
    let there = carry(
        client.try_clone().expect("a handle"),
        server.try_clone().expect("a handle"),
        gate.clone(),
    );
    let back = carry(server, client, gate);
    let _ = (there.join(), back.join());
}
