//! A link to the database that can hang.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::spawn;

/// A link that can hang: nothing gets through, nothing is closed.
pub struct Link {
    pub port: u16,
    hangs: Arc<(Mutex<bool>, Condvar)>,
    gone: Arc<AtomicBool>,
}

impl Link {
    pub fn to(target: u16) -> Self {
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

pub type Gate = Arc<(Mutex<bool>, Condvar)>;

/// Carries bytes both ways until both ends are closed.
pub fn join(client: TcpStream, server: TcpStream, gate: Option<Gate>) {
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
