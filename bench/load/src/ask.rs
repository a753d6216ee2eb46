//! The request: its target, its content, and how often to send it.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lexopt::prelude::*;

use crate::values::Values;

pub type Error = Box<dyn std::error::Error>;

pub struct Ask {
    pub to: SocketAddr,
    pub connections: usize,
    pub refresh: bool,
    pub values: Values,
    head: String,
    body: String,
    until: Option<Instant>,
    left: Cell<u64>,
    asked: Cell<u32>,
}

impl Ask {
    pub fn read() -> Result<Self, Error> {
        let (mut to, mut method, mut path) = (None, "GET".to_owned(), "/".to_owned());
        let (mut headers, mut body) = (String::new(), String::new());
        let (mut values, mut keep): (Option<PathBuf>, Option<PathBuf>) = (None, None);
        let (mut connections, mut seconds, mut count, mut refresh) = (32, None, None, false);
        let mut words = lexopt::Parser::from_env();
        while let Some(word) = words.next()? {
            match word {
                Long("to") => to = Some(words.value()?.parse()?),
                Long("method") => method = words.value()?.string()?,
                Long("path") => path = words.value()?.string()?,
                Long("header") => headers += &format!("{}\r\n", words.value()?.string()?),
                Long("body") => body = words.value()?.string()?,
                Long("values") => values = Some(words.value()?.into()),
                Long("keep") => keep = Some(words.value()?.into()),
                Long("connections") => connections = words.value()?.parse()?,
                Long("seconds") => seconds = Some(words.value()?.parse::<f64>()?),
                Long("count") => count = Some(words.value()?.parse()?),
                Long("refresh") => refresh = true,
                other => return Err(other.unexpected().into()),
            }
        }
        if seconds.is_none() && count.is_none() {
            return Err("--seconds or --count".into());
        }
        Ok(Self {
            to: to.ok_or("--to")?,
            connections,
            refresh,
            values: Values::read(values, keep)?,
            head: format!("{method} {path} HTTP/1.1\r\n{headers}"),
            body,
            until: seconds.map(|seconds| Instant::now() + Duration::from_secs_f64(seconds)),
            left: Cell::new(count.unwrap_or(u64::MAX)),
            asked: Cell::new(0),
        })
    }

    /// Returns whether to send another request, and counts it.
    pub fn once_more(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0 && self.until.is_none_or(|until| Instant::now() < until)
    }

    /// Writes the next request.
    pub fn write(&self, request: &mut Vec<u8>, value: &str) {
        request.clear();
        let asked = self.asked.get().wrapping_add(1);
        self.asked.set(asked);
        fill(request, &self.head, value, asked);
        if !self.body.is_empty() {
            let mut body = Vec::with_capacity(self.body.len() + value.len());
            fill(&mut body, &self.body, value, asked);
            request.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            request.extend_from_slice(&body);
        } else {
            request.extend_from_slice(b"\r\n");
        }
    }
}

/// Replaces `{}` by the value and `{ip}` by an address of the private network 10.0.0.0/8.
fn fill(request: &mut Vec<u8>, mut text: &str, value: &str, asked: u32) {
    while let Some((before, after)) = text.split_once('{') {
        request.extend_from_slice(before.as_bytes());
        if let Some(after) = after.strip_prefix('}') {
            request.extend_from_slice(value.as_bytes());
            text = after;
        } else if let Some(after) = after.strip_prefix("ip}") {
            let [_, a, b, c] = asked.to_be_bytes();
            request.extend_from_slice(format!("10.{a}.{b}.{c}").as_bytes());
            text = after;
        } else {
            request.push(b'{');
            text = after;
        }
    }
    request.extend_from_slice(text.as_bytes());
}
