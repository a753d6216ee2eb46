//! A TCP link to the database that can hang, be slow, or lead to another server.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// A running link. Its methods change how it treats the bytes that it carries from now on.
pub struct Link {
    pub port: u16,
    state: Arc<State>,
    gone: Arc<AtomicBool>,
}

struct State {
    now: Mutex<Now>,
    changed: Condvar,
}

struct Now {
    leads_to: u16,
    hangs: bool,
    takes: Duration,
}

impl State {
    /// Waits while the link hangs, then for the delay of the link.
    fn holds_up(&self) {
        let now = self.now.lock().expect("not poisoned");
        let takes = self.changed.wait_while(now, |now| now.hangs).expect("not poisoned").takes;
        sleep(takes);
    }
}

impl Link {
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let now = Now {
            leads_to: target,
            hangs: false,
            takes: Duration::ZERO,
        };
        let state = Arc::new(State {
            now: Mutex::new(now),
            changed: Condvar::new(),
        });
        let gone = Arc::new(AtomicBool::new(false));
        let (of_all, over) = (Arc::clone(&state), Arc::clone(&gone));
        spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let target = of_all.now.lock().expect("not poisoned").leads_to;
                let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else {
                    continue;
                };
                let state = Arc::clone(&of_all);
                spawn(move || join(client.expect("a client"), server, move || state.holds_up()));
            }
        });
        Self { port, state, gone }
    }

    /// Stops carrying bytes without closing any connection.
    pub fn hang(&self) {
        self.set(|now| now.hangs = true);
    }

    pub fn goes_on(&self) {
        self.set(|now| now.hangs = false);
    }

    /// Delays everything by this time in each direction.
    pub fn takes(&self, time: Duration) {
        self.set(|now| now.takes = time);
    }

    /// Sends new connections to another server.
    pub fn leads_to(&self, target: u16) {
        self.set(|now| now.leads_to = target);
    }

    fn set(&self, change: impl FnOnce(&mut Now)) {
        change(&mut self.state.now.lock().expect("not poisoned"));
        self.state.changed.notify_all();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        self.goes_on();
    }
}

/// Carries bytes both ways until both ends are closed. Calls `before` each time before it passes bytes on.
pub fn join(client: TcpStream, server: TcpStream, before: impl Fn() + Clone + Send + 'static) {
    let carry = |mut from: TcpStream, mut to: TcpStream, before: Box<dyn Fn() + Send>| {
        spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(read @ 1..) = io::Read::read(&mut from, &mut buffer) {
                before();
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
        Box::new(before.clone()),
    );
    let back = carry(server, client, Box::new(before));
    let _ = (there.join(), back.join());
}
