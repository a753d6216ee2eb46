//! Neither an answer nor its response time reveals whether an account exists or what state it is in.

use std::time::{Duration, Instant};

use latchkey_core::accounts::admin::Imported;
use latchkey_core::passwords::Cost;
use latchkey_types::Username;

use crate::support::{Answer, Browser, PASSWORD, TestApp};

/// Returns the number of samples of each kind.
fn rounds() -> usize {
    std::env::var("SAME_ROUNDS").map_or(40, |rounds| rounds.parse().expect("a number"))
}

/// Differences between the medians that do not count as a leak. They are far below what a leak would show: a hash takes tens of
/// milliseconds, reading a row of the database a fifth of a millisecond. A network hides larger differences than these.
const FAILED_SIGN_IN: Bound = Bound {
    gap: Duration::from_millis(5),
    share: 16,
};
const THROTTLED: Bound = Bound {
    gap: Duration::from_micros(200),
    share: 4,
};

/// The largest p-value at which a gap counts. Other load on the machine makes times, and so medians, vary by chance.
const SIGNIFICANCE: f64 = 0.001;

/// How often a gap must be measured, each time in the same direction, before the test fails.
const REPEATS: usize = 3;

/// The largest permitted gap between two medians: `gap`, or the shorter median divided by `share` if that is longer, because a busy
/// machine makes everything slower.
#[derive(Clone, Copy)]
struct Bound {
    gap: Duration,
    share: u32,
}

/// One measurement: times of two kinds, measured alternately.
type Pair = [Vec<Duration>; 2];

/// Returns the side that takes longer, if the gap exceeds the bound.
fn slower(bound: Bound, [a, b]: &Pair) -> Option<usize> {
    let (a_median, b_median) = (median(a), median(b));
    let most = bound.gap.max(a_median.min(b_median) / bound.share);
    let exceeds = a_median.abs_diff(b_median) > most && mann_whitney(a, b) <= SIGNIFICANCE;
    exceeds.then(|| usize::from(b_median > a_median))
}

/// Returns the medians if every one of [`REPEATS`] measurements finds the same side slower.
async fn leak(bound: Bound, mut measure: impl AsyncFnMut() -> Pair) -> Option<String> {
    let mut found = Vec::new();
    let mut medians = Vec::new();
    for _ in 0..REPEATS {
        let pair = measure().await;
        found.push(slower(bound, &pair)?);
        if found[0] != found[found.len() - 1] {
            return None;
        }
        medians.push(pair.map(|side| median(&side)));
    }
    Some(format!(
        "the gap exceeds its bound in {REPEATS} measurements, with medians {medians:?}"
    ))
}

/// Two-sided p-value of the Mann-Whitney U test, by its normal approximation: how likely two samples that
/// differ this much come from the same distribution.
fn mann_whitney(a: &[Duration], b: &[Duration]) -> f64 {
    let (n, m) = (as_f64(a.len()), as_f64(b.len()));
    let wins: f64 = a
        .iter()
        .flat_map(|x| b.iter().map(move |y| if x > y { 1.0 } else { f64::from(u8::from(x == y)) / 2.0 }))
        .sum();
    let deviation = (n * m * (n + m + 1.0) / 12.0).sqrt();
    erfc((wins - n * m / 2.0).abs() / deviation / std::f64::consts::SQRT_2)
}

/// Returns the complementary error function, computed by the Taylor series of the error function. It is precise enough while the
/// result is not tiny.
fn erfc(x: f64) -> f64 {
    // Beyond 4 the sum would be lost in rounding.
    if x > 4.0 {
        return 0.0;
    }
    let (mut term, mut sum) = (x, x);
    for k in 1..200 {
        let k = f64::from(k);
        term *= -x * x / k;
        sum += term / (2.0 * k + 1.0);
    }
    (1.0 - 2.0 / std::f64::consts::PI.sqrt() * sum).clamp(0.0, 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "hundreds")]
fn as_f64(n: usize) -> f64 {
    n as f64
}

fn median(samples: &[Duration]) -> Duration {
    let mut sorted = samples.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// The ways a sign-in can fail.
const FAILURES: [(&str, &str); 6] = [
    ("nobody.here", "wrong password"),
    ("ada", "wrong password"),
    ("disabled", PASSWORD),
    ("imported", "wrong password"),
    ("imported.disabled", PASSWORD),
    ("not a name!", "wrong password"),
];

/// A throttled sign-in does not look up the account. Both sides have many names of the same length, so that the position of a single
/// name in a table does not influence the result.
#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_sign_in_takes_the_same_time_with_and_without_an_account() {
    let app = TestApp::new().await;
    let sides = ["known", "other"].map(|side| (0..10).map(|n| format!("{side}.{n}")).collect::<Vec<_>>());
    for name in &sides[0] {
        app.signed_up(name).await;
    }
    for n in 0..10 {
        for side in &sides {
            for _ in 0..20 {
                app.post("/token", &[("username", &side[n]), ("password", "wrong password")]).await;
            }
        }
        // The limit of the address is not measured here.
        app.state.sessions.addresses.forget(i64::MAX);
    }
    let measure = async |rounds: usize| {
        let mut times = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            for (side, times) in sides.iter().zip(&mut times) {
                let name = &side[round % side.len()];
                let began = Instant::now();
                let answer = app.post("/token", &[("username", name), ("password", PASSWORD)]).await;
                times.push(began.elapsed());
                assert_eq!(answer.status, 429, "{name}: {}", answer.body);
            }
        }
        times
    };
    measure(20).await;
    assert_eq!(leak(THROTTLED, async || measure(300).await).await, None);
}

/// Measures each kind of failure in turn, so that other load on the machine affects all of them alike.
async fn measure(app: &TestApp, failures: &[(&str, &str)], rounds: usize) -> Vec<Vec<Duration>> {
    let mut times = vec![Vec::new(); failures.len()];
    for _ in 0..rounds {
        for ((name, password), times) in failures.iter().zip(&mut times) {
            let began = Instant::now();
            let answer = app.post("/token", &[("username", name), ("password", password)]).await;
            times.push(began.elapsed());
            assert_eq!(answer.status, 400, "{name}: {}", answer.body);
        }
        // Waits until all attempts are available again, also those of a name that was tried twice.
        app.pass_seconds(120);
    }
    times
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sign_in_takes_the_same_time_for_every_reason() {
    let app = TestApp::with_cost(Cost::PRODUCTION).await;
    app.signed_up("ada").await;
    app.signed_up("disabled").await;
    let hash = bcrypt::hash(PASSWORD, 10).expect("a hash");
    for name in ["imported", "imported.disabled"] {
        let account = Imported {
            username: name.into(),
            email: String::new(),
            password_hash: hash.clone(),
        };
        app.state.accounts.import(&account).await.expect("imported");
    }
    for name in ["disabled", "imported.disabled"] {
        let name = Username::parse(name).expect("a name");
        assert!(app.state.accounts.disable(&name).await.expect("done"));
    }
    let long = "long ".repeat(40);
    let mut failures = FAILURES.to_vec();
    failures.push(("ada", &long));

    measure(&app, &failures, 3).await;
    let times = measure(&app, &failures, rounds()).await;
    for (which, samples) in times.iter().enumerate() {
        println!("{:20} median {:?}", failures[which].0, median(samples));
    }
    for which in 1..failures.len() {
        let pair = [failures[0], failures[which]];
        // The first measurement has been made already.
        let mut first = Some([times[0].clone(), times[which].clone()]);
        let found = leak(FAILED_SIGN_IN, async || match first.take() {
            Some(first) => first,
            None => measure(&app, &pair, rounds()).await.try_into().expect("two samples"),
        });
        assert_eq!(found.await, None, "{pair:?}");
    }
}

#[test]
fn the_statistical_test_tells_different_samples_from_equal_ones() {
    let samples = |shift: u64| (0..100).map(|n| Duration::from_millis((n * 37) % 100 + shift)).collect::<Vec<_>>();
    assert!(mann_whitney(&samples(0), &samples(0)) > 0.9);
    assert!(mann_whitney(&samples(0), &samples(3)) > 0.1);
    assert!(mann_whitney(&samples(0), &samples(20)) < 0.001);
    assert!((mann_whitney(&samples(0), &samples(10)) - mann_whitney(&samples(10), &samples(0))).abs() < 1e-9);
}

/// Returns times around a median, as measured on a busy machine.
fn samples(median: u64, shift: u64) -> Vec<Duration> {
    (0..100)
        .map(|n| Duration::from_millis(median / 2 + (n * 37) % 100 * median / 100 + shift))
        .collect()
}

async fn fails(measurements: Vec<Pair>) -> bool {
    let mut measurements = measurements.into_iter();
    leak(FAILED_SIGN_IN, async || measurements.next().expect("at most three measurements"))
        .await
        .is_some()
}

#[tokio::test]
async fn a_timing_test_fails_if_a_gap_above_the_bound_is_found_three_times() {
    // Half of 50 ms, as if a hash were not computed for unknown names.
    let slow = || [samples(50, 0), samples(50, 25)];
    let same = || [samples(50, 0), samples(50, 0)];
    let within_the_bound = || [samples(50, 0), samples(50, 4)];
    let reversed = || [samples(50, 25), samples(50, 0)];
    assert!(fails(vec![slow(), slow(), slow()]).await);
    for chance in [
        vec![same()],
        vec![within_the_bound()],
        vec![slow(), same()],
        vec![slow(), slow(), same()],
        vec![slow(), slow(), reversed()],
    ] {
        assert!(!fails(chance).await);
    }
    // On a busy machine everything takes ten times as long, and the leak grows with it.
    let busy = |shift| [samples(500, 0), samples(500, shift)];
    assert!(!fails(vec![busy(25)]).await);
    assert!(fails(vec![busy(250), busy(250), busy(250)]).await);
    // With few samples that vary much, two medians differ by chance.
    let few = |shift| samples(200, shift).into_iter().take(8).collect();
    assert!(!fails(vec![[few(0), few(20)]]).await);
}

/// Everything that can be seen of an answer. Of a cookie only the attributes and the length of its value, because every value holds a
/// signature.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl From<&Answer> for Seen {
    fn from(answer: &Answer) -> Self {
        let headers = answer.headers.iter().map(|(name, value)| {
            let value = value.to_str().expect("text");
            let cookie = value.split_once(['=', ';']).filter(|_| name == "set-cookie");
            let shown = cookie.and_then(|(name, rest)| {
                let (value, attributes) = rest.split_once(';')?;
                Some(format!("{name}={} characters;{attributes}", value.len()))
            });
            (name.to_string(), shown.unwrap_or_else(|| value.to_owned()))
        });
        Self {
            status: answer.status.as_u16(),
            headers: headers.collect(),
            body: answer.body.clone(),
        }
    }
}

/// Asserts that all answers look like the first one.
fn look_the_same(answers: &[(&str, Seen)]) {
    for (who, answer) in answers {
        assert_eq!(*answer, answers[0].1, "{who} and {}", answers[0].0);
    }
}

#[tokio::test]
async fn a_failed_sign_in_looks_the_same_for_every_reason() {
    let app = TestApp::new().await;
    // All names have the same length, and so do the passwords, because the form returns the name.
    let wrong = "w".repeat(PASSWORD.len());
    for name in ["known", "ended", "bcryp", "gone1"] {
        if name != "bcryp" {
            app.signed_up(name).await;
        }
    }
    let imported = Imported {
        username: "bcryp".into(),
        email: String::new(),
        password_hash: bcrypt::hash(PASSWORD, 4).expect("a hash"),
    };
    app.state.accounts.import(&imported).await.expect("imported");
    let name = |text| Username::parse(text).expect("a name");
    assert!(app.state.accounts.disable(&name("ended")).await.expect("done"));
    assert!(app.state.accounts.remove(&name("gone1")).await.expect("done"));
    let failures = [
        ("known", wrong.as_str()),
        ("never", PASSWORD),
        ("never", &wrong),
        ("ended", PASSWORD),
        ("ended", &wrong),
        ("bcryp", &wrong),
        ("gone1", PASSWORD),
        ("no/ne", PASSWORD),
    ];
    for doors in ["/token", "/api/log_in", "/login"] {
        let mut answers = Vec::new();
        for (name, password) in failures {
            let fields = [("username", name), ("password", password), ("next", "/account")];
            let answer = if doors == "/login" {
                app.browser().post("/api/log_in", &fields).await
            } else {
                app.post(doors, &fields).await
            };
            assert_eq!(
                answer.status,
                if doors == "/login" {
                    303
                } else if doors == "/token" {
                    400
                } else {
                    401
                }
            );
            answers.push((name, Seen::from(&answer)));
        }
        look_the_same(&answers);
    }
    // The page that follows looks the same too, apart from the name itself.
    let mut pages = Vec::new();
    for (name, password) in failures {
        let mut browser = app.browser();
        browser.post("/api/log_in", &[("username", name), ("password", password)]).await;
        let mut page = Seen::from(&browser.get("/login").await);
        assert_eq!(page.body.matches(name).count(), 1, "{name}");
        page.body = page.body.replace(name, "*****");
        pages.push((name, page));
    }
    look_the_same(&pages);
}

#[tokio::test]
async fn no_answer_reveals_that_an_email_belongs_to_another_account() {
    const TAKEN: &str = "ada@example.org";
    const FREE: &str = "eve@example.org";
    let app = TestApp::new().await;
    let mut ada = app.browser();
    let fields = [("username", "ada"), ("password", PASSWORD), ("email", TAKEN)];
    assert_eq!(ada.post("/api/sign_up", &fields).await.location(), Some("/dashboard"));

    for password in [PASSWORD, "short"] {
        let mut answers = Vec::new();
        for (n, email) in [TAKEN, "ADA@example.org", FREE].into_iter().enumerate() {
            for as_page in [true, false] {
                let name = format!("new-{}-{n}-{as_page}", password.len());
                let fields = [("username", name.as_str()), ("password", password), ("email", email)];
                let mut browser = app.browser();
                let answer = if as_page {
                    browser.post("/api/sign_up", &fields).await
                } else {
                    browser.call("/api/sign_up", &fields).await
                };
                answers.push((as_page, email, Seen::from(&answer)));
            }
        }
        for as_page in [true, false] {
            let same: Vec<_> = answers
                .extract_if(.., |(page, ..)| *page == as_page)
                .map(|(_, email, seen)| (email, seen))
                .collect();
            assert_eq!(same.len(), 3);
            look_the_same(&same);
        }
    }

    let mut grace = app.signed_up("grace").await;
    let change = async |browser: &mut Browser<'_>, email: &str, as_page: bool| {
        let fields = [("email", email)];
        let answer = if as_page {
            browser.post("/api/change_email", &fields).await
        } else {
            browser.call("/api/change_email", &fields).await
        };
        Seen::from(&answer)
    };
    for as_page in [true, false] {
        let taken = change(&mut grace, TAKEN, as_page).await;
        assert_eq!(taken.status, if as_page { 303 } else { 200 });
        look_the_same(&[("taken", taken), ("free", change(&mut grace, FREE, as_page).await)]);
    }
    change(&mut grace, TAKEN, true).await;
    let page = grace.get("/account").await.body;
    assert!(
        page.contains(TAKEN) && page.contains("Your email address was changed."),
        "grace has this address too"
    );
    assert!(ada.get("/account").await.body.contains(TAKEN), "ada keeps this address");
}
