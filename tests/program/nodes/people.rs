//! Simulated users that put a mixed load on all nodes and record what was acknowledged. Live sessions must keep working, and
//! ended sessions must be refused.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use super::cluster::{Cluster, post};
use crate::support::{PASSWORD, Tokens, exchange_as, within};

/// How many users send requests at the same time.
const PEOPLE: usize = 16;

/// How long a user may have to retry during an outage.
const PATIENCE: Duration = Duration::from_mins(1);

/// Counts of requests by kind and outcome.
#[derive(Default)]
pub struct Counts {
    pub sign_ins: usize,
    pub refreshes: usize,
    pub pages: usize,
    pub ends: usize,
    /// Requests answered with 503 or 429, which mean "try again later".
    pub put_off: usize,
    /// Requests without an answer, because the connection was refused or broke.
    pub broken: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sign_ins,
            refreshes,
            pages,
            ends,
            put_off,
            broken,
        } = self;
        write!(
            f,
            "{sign_ins} sign-ins, {refreshes} refreshes, {pages} pages, {ends} sessions ended; {put_off} told to retry, {broken} without an answer"
        )
    }
}

/// All simulated users.
pub struct People {
    enough: Arc<AtomicBool>,
    asking: Vec<JoinHandle<Person>>,
    watching: JoinHandle<usize>,
    record: Arc<Record>,
    everywhere: Duration,
}

/// What the nodes have acknowledged: the sessions that were ended, and how many requests were answered or put off.
#[derive(Default)]
struct Record {
    ended: Mutex<Vec<(Instant, Tokens)>>,
    answered: AtomicUsize,
    put_off: AtomicUsize,
}

struct Person {
    name: String,
    number: usize,
    ports: Vec<u16>,
    host: String,
    record: Arc<Record>,
    sessions: Vec<Tokens>,
    counts: Counts,
    step: usize,
}

impl People {
    /// Starts users that together send `rate` requests per second. Every node must refuse an ended session after `everywhere`.
    pub fn begin(cluster: &mut Cluster, rate: usize, everywhere: Duration) -> Self {
        let record = Arc::new(Record::default());
        let enough = Arc::new(AtomicBool::new(false));
        let pause = Duration::from_secs(1) * u32::try_from(PEOPLE).expect("a small number") / u32::try_from(rate).expect("a small number");
        let ports: Vec<_> = (0..cluster.len()).map(|node| cluster.port(node)).collect();
        let host = cluster.host().to_owned();
        let people: Vec<_> = (0..PEOPLE)
            .map(|number| Person {
                name: cluster.somebody(&format!("person-{number}")),
                number,
                ports: ports.clone(),
                host: host.clone(),
                record: Arc::clone(&record),
                sessions: Vec::new(),
                counts: Counts::default(),
                step: number * 7,
            })
            .collect();
        let asking = people
            .into_iter()
            .map(|mut person| {
                let enough = Arc::clone(&enough);
                spawn(move || {
                    let mut next = Instant::now();
                    while !enough.load(Ordering::Relaxed) {
                        person.take_a_step();
                        next += pause;
                        sleep(next.saturating_duration_since(Instant::now()));
                        next = next.max(Instant::now());
                    }
                    person
                })
            })
            .collect();
        let watching = {
            let (record, enough) = (Arc::clone(&record), Arc::clone(&enough));
            spawn(move || watch(&record, &enough, &ports, &host, everywhere))
        };
        Self {
            enough,
            asking,
            watching,
            record,
            everywhere,
        }
    }

    /// Waits until this many more requests were answered.
    pub fn go_on_for(&self, answers: usize) {
        let before = self.record.answered.load(Ordering::Relaxed);
        within(PATIENCE, "users are answered", || {
            self.record.answered.load(Ordering::Relaxed) >= before + answers
        });
    }

    /// Waits until at least one more request was put off with 503 or 429.
    pub fn are_put_off(&self) {
        let before = self.record.put_off.load(Ordering::Relaxed);
        within(PATIENCE, "a user is answered with 503 or 429", || {
            self.record.put_off.load(Ordering::Relaxed) > before
        });
    }

    /// Stops the users and checks every session against what was acknowledged. Returns the counts of their requests.
    pub fn stop(self, cluster: &Cluster) -> Counts {
        self.enough.store(true, Ordering::Relaxed);
        let people: Vec<_> = self
            .asking
            .into_iter()
            .map(|person| person.join().expect("no user failed"))
            .collect();
        let mut checked = self.watching.join().expect("no ended session was used");
        let mut counts = Counts::default();
        for mut person in people {
            for tokens in std::mem::take(&mut person.sessions) {
                person.refresh(tokens);
            }
            counts.sign_ins += person.counts.sign_ins;
            counts.refreshes += person.counts.refreshes;
            counts.pages += person.counts.pages;
            counts.ends += person.counts.ends;
            counts.put_off += person.counts.put_off;
            counts.broken += person.counts.broken;
        }
        let ended = self.record.ended.lock().expect("not poisoned");
        if let Some((last, _)) = ended.last() {
            sleep(self.everywhere.saturating_sub(last.elapsed()));
        }
        for (_, tokens) in ended.iter() {
            for node in 0..cluster.len() {
                assert_eq!(
                    cluster.get(node, "/protected", &tokens.access).0,
                    401,
                    "an ended session was accepted on node {node}"
                );
                checked += 1;
            }
            let (status, body) = cluster.refresh(0, &tokens.refresh).expect("an answer");
            assert_eq!(
                (status, &body["error"]),
                (400, &"invalid_grant".into()),
                "an ended session was revived"
            );
        }
        assert!(ended.len() == counts.ends && counts.ends > 0 && checked > 0, "{counts}");
        counts
    }
}

impl Person {
    /// Does one step. Of twenty steps one signs in, one ends a session, six refresh and twelve request a page or a protected route.
    fn take_a_step(&mut self) {
        self.step += 1;
        if self.sessions.is_empty() || self.step.is_multiple_of(20) {
            return self.sign_in();
        }
        let mut tokens = self.sessions.remove(self.step % self.sessions.len());
        match self.step % 20 {
            10 => return self.end(&tokens),
            n if n % 3 == 1 => tokens = self.refresh(tokens),
            n => self.look(&tokens, n % 3 == 0),
        }
        self.sessions.push(tokens);
    }

    fn sign_in(&mut self) {
        let name = self.name.clone();
        if let Some((200, body)) = self.post("/token", &[("username", &name), ("password", PASSWORD)]) {
            self.counts.sign_ins += 1;
            self.sessions.push(Tokens::of(&body));
        }
    }

    /// Retries until there is an answer other than 503 and 429. A live session must never be refused.
    fn refresh(&mut self, tokens: Tokens) -> Tokens {
        let began = Instant::now();
        loop {
            match self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh)]) {
                Some((200, body)) => {
                    self.counts.refreshes += 1;
                    return Tokens::of(&body);
                }
                Some((status, body)) => panic!("a live session was refused: {status} {body}"),
                None => assert!(began.elapsed() < PATIENCE, "no refresh was answered within {PATIENCE:?}"),
            }
        }
    }

    /// Ends the session. Retries until it is acknowledged.
    fn end(&mut self, tokens: &Tokens) {
        let began = Instant::now();
        while self.post("/revoke", &[("token", &tokens.refresh)]).map(|(status, _)| status) != Some(200) {
            assert!(began.elapsed() < PATIENCE, "no revocation was answered within {PATIENCE:?}");
        }
        self.counts.ends += 1;
        self.record
            .ended
            .lock()
            .expect("not poisoned")
            .push((Instant::now(), tokens.clone()));
    }

    fn look(&mut self, tokens: &Tokens, at_a_page: bool) {
        let (path, header) = if at_a_page {
            ("/dashboard", ("Cookie", format!("latchkey={}", tokens.access)))
        } else {
            ("/protected", ("Authorization", format!("Bearer {}", tokens.access)))
        };
        let answer = exchange_as(self.port(), &self.host, "GET", path, &[(header.0, &header.1)], "");
        match self.count(answer) {
            Some((200, _)) => self.counts.pages += 1,
            Some((status, body)) => panic!("a live session was refused: {status} {body}"),
            None => {}
        }
    }

    fn port(&self) -> u16 {
        self.ports[(self.step + self.number) % self.ports.len()]
    }

    /// Posts a form. Returns `None` if the request must be repeated.
    fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Option<(u16, serde_json::Value)> {
        let answer = post(self.port(), &self.host, self.number, path, fields);
        let answer = self.count(answer);
        if answer.is_none() {
            // The retry goes to another node.
            self.step += 1;
            sleep(Duration::from_millis(20));
        }
        answer
    }

    fn count<T>(&mut self, answer: std::io::Result<(u16, T)>) -> Option<(u16, T)> {
        match answer {
            Ok((503 | 429, _)) => {
                self.counts.put_off += 1;
                self.record.put_off.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => {
                self.record.answered.fetch_add(1, Ordering::Relaxed);
                return Some(answer);
            }
            Err(_) => self.counts.broken += 1,
        }
        None
    }
}

/// Uses each ended session on every node, once it has been ended for at least `everywhere`. Returns how often it was refused.
fn watch(record: &Record, enough: &AtomicBool, ports: &[u16], host: &str, everywhere: Duration) -> usize {
    let (mut next, mut refused) = (0, 0);
    while !enough.load(Ordering::Relaxed) {
        let due = record.ended.lock().expect("not poisoned").get(next).cloned();
        let Some((at, tokens)) = due else {
            sleep(Duration::from_millis(20));
            continue;
        };
        sleep(everywhere.saturating_sub(at.elapsed()));
        for port in ports {
            let authorization = format!("Bearer {}", tokens.access);
            match exchange_as(*port, host, "GET", "/protected", &[("Authorization", &authorization)], "") {
                Ok((200, _)) => panic!("a session that ended {:?} ago was used", at.elapsed()),
                Ok((401, _)) => refused += 1,
                Ok(_) | Err(_) => {}
            }
        }
        next += 1;
    }
    refused
}
