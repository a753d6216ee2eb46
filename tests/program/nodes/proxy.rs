//! A proxy in front of two nodes: nginx, configured as in docs/DEPLOY.md. If nginx is not installed, a simple proxy replaces it.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::spawn;
use std::time::Duration;

use tempfile::TempDir;

use super::link::join;
use crate::support::{free_port, within};

/// A running proxy.
pub struct Proxy {
    pub port: u16,
    nginx: Option<(Child, TempDir)>,
}

impl Proxy {
    /// Starts a proxy in front of these two nodes.
    pub fn before(nodes: [u16; 2]) -> Self {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok() {
            println!("the proxy is nginx");
            return nginx(nodes);
        }
        println!("the proxy is the test's own, because nginx is not installed");
        Self {
            port: balance(nodes),
            nginx: None,
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some((nginx, _)) = &mut self.nginx {
            let _ = nginx.kill();
            let _ = nginx.wait();
        }
    }
}

fn nginx(nodes: [u16; 2]) -> Proxy {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let document = include_str!("../../../docs/DEPLOY.md");
    let block = document
        .split("```nginx\n")
        .nth(2)
        .and_then(|rest| rest.split("```").next())
        .expect("the second block");
    // The block as it is written, except for addresses and certificates that do not exist here.
    let mut block: String = block
        .lines()
        .filter(|line| !line.contains("ssl_certificate"))
        .map(|line| format!("{line}\n"))
        .collect();
    for (written, here) in [
        ("10.0.0.11:3000", format!("127.0.0.1:{}", nodes[0])),
        ("10.0.0.12:3000", format!("127.0.0.1:{}", nodes[1])),
        ("listen 443 ssl;", format!("listen 127.0.0.1:{port};")),
    ] {
        assert!(block.contains(written), "{written}");
        block = block.replace(written, &here);
    }
    let path = dir.path().display();
    let whole = format!(
        "daemon off; master_process off; pid {path}/pid; error_log {path}/error.log; events {{}} http {{ access_log off; client_body_temp_path {path}/body; proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/f; uwsgi_temp_path {path}/u; scgi_temp_path {path}/s; {block} }}"
    );
    std::fs::write(dir.path().join("nginx.conf"), whole).expect("written");
    let nginx = Command::new("nginx")
        .args([
            "-p",
            &path.to_string(),
            "-c",
            &format!("{path}/nginx.conf"),
            "-e",
            &format!("{path}/error.log"),
        ])
        .spawn()
        .expect("started");
    within(Duration::from_secs(10), "nginx listens", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    Proxy {
        port,
        nginx: Some((nginx, dir)),
    }
}

/// Starts a round-robin proxy that uses the other node if one does not accept connections. Returns its port.
fn balance(nodes: [u16; 2]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    spawn(move || {
        for (turn, client) in listener.incoming().enumerate() {
            let client = client.expect("a client");
            spawn(move || {
                let found = (0..2).find_map(|n| TcpStream::connect(("127.0.0.1", nodes[(turn + n) % 2])).ok());
                if let Some(node) = found {
                    join(client, node, || {});
                }
            });
        }
    });
    port
}
