//! Counts answers and failures, and summarises them.

use std::cell::RefCell;
use std::io;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::answer::Answer;

pub struct Count {
    begun: Instant,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Response times of answers with a 2xx status, in microseconds.
    good: Vec<u32>,
    bad: u64,
    failed: u64,
    /// The first bad answer or failure, to show what went wrong.
    example: Option<String>,
    last: Option<Instant>,
}

impl Count {
    pub fn new() -> Self {
        Self {
            begun: Instant::now(),
            inner: RefCell::default(),
        }
    }

    pub fn note(&self, answer: &Answer, took: Duration, bytes: &[u8]) {
        let mut inner = self.inner.borrow_mut();
        inner.last = Some(Instant::now());
        if (200..300).contains(&answer.status) {
            inner.good.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
        } else {
            inner.bad += 1;
            inner
                .example
                .get_or_insert_with(|| String::from_utf8_lossy(&bytes[..answer.body.end.min(1000)]).into_owned());
        }
    }

    pub fn fail(&self, error: &io::Error) {
        let mut inner = self.inner.borrow_mut();
        inner.failed += 1;
        inner.example.get_or_insert_with(|| error.to_string());
    }

    pub fn summary(&self) -> serde_json::Value {
        let mut inner = self.inner.borrow_mut();
        inner.good.sort_unstable();
        let seconds = inner.last.map_or(0.0, |last| (last - self.begun).as_secs_f64());
        let quantile = |permille: usize| {
            inner
                .good
                .get((inner.good.len() * permille / 1000).min(inner.good.len().saturating_sub(1)))
        };
        json!({
            "good": inner.good.len(),
            "bad": inner.bad,
            "failed": inner.failed,
            "example": inner.example,
            "seconds": seconds,
            "microseconds": { "p50": quantile(500), "p99": quantile(990), "max": inner.good.last() },
        })
    }
}
