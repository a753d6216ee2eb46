//! Response times with many accounts, sessions and events are as short as with few.
//!
//! The size is small by default. Set `ACCOUNTS=1000000 SESSIONS=100000` in the environment for the full size.

use std::time::{Duration, Instant};

use latchkey_store::SessionId;
use latchkey_types::{UserId, Username};

use crate::databases::Database;
use crate::support::{Browser, NOW, TestApp};

const DAY: i64 = 24 * 3600;

/// Number of rounds; each measures the small and the large database one after the other.
const ROUNDS: usize = 60;

/// How many times as long an answer may take with many rows as with few, at the median. A query that reads all sessions of a user
/// takes tens of times as long even at the small size.
const MORE: f64 = 2.5;

/// How many times as long a refresh may take while housekeeping runs, at the median and at the 99th percentile.
const BESIDE_HOUSEKEEPING: (f64, f64) = (4.0, 12.0);

/// Shorter times count as this long: below it, planning, noise and the build matter more than the number of rows.
const FLOOR: Duration = Duration::from_millis(2);

/// How long a start and a command may take: two seconds in a release build, five times that in a build without optimisation.
const SOON: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 2 });

fn how_many(variable: &str, few: usize) -> usize {
    std::env::var(variable).ok().and_then(|number| number.parse().ok()).unwrap_or(few)
}

/// The size of a database.
#[derive(Clone, Copy)]
struct Size {
    accounts: usize,
    /// Sessions of ada; all other accounts together have as many again.
    sessions: usize,
}

/// A program with a database of a given size, and ada's browser.
struct Site<'a> {
    app: &'a TestApp,
    ada: Browser<'a>,
    id: UserId,
    /// A refresh token of ada.
    token: String,
    signed_in: usize,
    size: Size,
}

impl<'a> Site<'a> {
    async fn of(app: &'a TestApp, size: Size) -> Self {
        let ada = app.signed_up("ada").await;
        // Signs in before the account has more sessions than the limit, because a later sign-in would end some of them.
        let token = app.grant("ada").await.refresh;
        fill(app, size).await;
        Self {
            id: app.user_id("ada").await,
            token,
            app,
            ada,
            signed_in: 0,
            size,
        }
    }

    /// Signs in, each time as another account.
    async fn sign_in(&mut self) {
        self.signed_in += 1;
        self.app
            .grant(&format!("user-{:07}", self.signed_in * 7919 % self.size.accounts + 1))
            .await;
    }

    async fn refresh(&mut self) {
        self.token = self.app.refreshed(&self.token).await.refresh;
    }

    async fn look(&mut self, address: &str, marker: &str) {
        let page = self.ada.get(address).await;
        assert!(page.status == 200 && page.body.contains(marker), "{address}: {}", page.body);
    }
}

/// Returns a statement that inserts this many rows, numbered by `n.i`.
fn rows(many: usize, statement: &str) -> String {
    let (into, select) = statement.split_once(" SELECT ").expect("INSERT and SELECT");
    format!(
        "WITH RECURSIVE n(i) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < {many}) {into} SELECT {select} FROM n"
    )
}

/// Returns the SQL of an id that sorts by its number, as real ids sort by time.
fn id(kind: &str, number: &str) -> String {
    format!("'{kind}-0000-7000-8000-' || substr(CAST(1000000000000 + {number} AS TEXT), 2)")
}

/// Inserts accounts, their sessions and events, and revocations, which a program reads when it starts.
async fn fill(app: &TestApp, Size { accounts, sessions }: Size) {
    let name = Username::parse("ada").expect("a name");
    let (ada, hash) = app.state.store.credentials(&name).await.expect("an answer").expect("an account");
    let ada = ada.id;
    let somebody = id("01000000", &format!("((i * 7919) % {accounts} + 1)"));
    for (many, statement) in [
        (
            accounts,
            format!(
                "INSERT INTO users (id, username, password_hash, role, epoch, created_at) SELECT {}, 'user-' || substr(CAST(10000000 + i AS TEXT), 2), '{hash}', 'user', 0, {NOW}",
                id("01000000", "i")
            ),
        ),
        (sessions, a_session(&id("01100000", "i"), &somebody, NOW + DAY)),
        (sessions, a_session(&id("01200000", "i"), &format!("'{ada}'"), NOW + DAY)),
        (
            accounts,
            format!(
                "INSERT INTO events (id, user_id, kind, at, count, client, user_agent, address) SELECT {}, CASE WHEN i % 10 = 0 THEN '{ada}' ELSE {somebody} END, 'signed_in', {NOW} - i, 1, 'api', 'curl/8.5.0', '192.0.2.1'",
                id("01300000", "i")
            ),
        ),
        (
            sessions,
            format!(
                "INSERT INTO revocations (session_id, at, expires_at) SELECT {}, {NOW}, {NOW} + 900",
                id("01400000", "i")
            ),
        ),
    ] {
        app.database.execute(&rows(many, &statement)).await;
    }
    settle(app).await;
}

/// Runs what the database does by itself once it has so many rows.
async fn settle(app: &TestApp) {
    app.database
        .execute(match app.database {
            Database::Sqlite(_) => "PRAGMA wal_checkpoint(TRUNCATE)",
            Database::Postgres { .. } => "ANALYZE",
        })
        .await;
}

fn a_session(id: &str, user: &str, expires_at: i64) -> String {
    format!(
        "INSERT INTO sessions (id, user_id, client, user_agent, address, salt, started_at, rotated_at, last_used_at, proved_at, expires_at, ends_at) SELECT {id}, {user}, 'api', 'curl/8.5.0', '192.0.2.1', '', {NOW}, {NOW}, {NOW}, {NOW}, {expires_at}, {expires_at}"
    )
}

/// Returns a percentile of the times.
fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

/// The measurements that exceed their limits.
#[derive(Default)]
struct Report(Vec<String>);

impl Report {
    /// Reports what takes too long in each of three measurements, because a busy machine may spoil one.
    async fn repeated(&mut self, mut measure: impl AsyncFnMut(&mut Self)) {
        let mut found = Self::default();
        for _ in 0..3 {
            found = Self::default();
            measure(&mut found).await;
            if found.0.is_empty() {
                return;
            }
            println!("measured: {:?}", found.0);
        }
        self.0.append(&mut found.0);
    }

    fn ratio(&mut self, what: &str, few: Duration, many: Duration, most: f64) {
        let ratio = |few: Duration| many.as_secs_f64() / few.as_secs_f64();
        println!("{what}: {few:.2?} and {many:.2?}: {:.2} times", ratio(few));
        if ratio(few.max(FLOOR)) > most {
            self.0
                .push(format!("{what} takes {few:.2?} and {many:.2?}, {most} times as long at most"));
        }
    }

    fn soon(&mut self, what: &str, took: Duration) {
        println!("{what}: {took:.2?}");
        if took > SOON {
            self.0.push(format!("{what} takes {took:.2?}, {SOON:?} at most"));
        }
    }

    /// Does one thing alternately with few rows and with many, so that other load on the machine affects both.
    async fn compare(&mut self, what: &str, sites: &mut [Site<'_>; 2], one: impl AsyncFn(&mut Site<'_>)) {
        self.repeated(async |report| report.compare_once(what, sites, &one).await).await;
    }

    async fn compare_once(&mut self, what: &str, sites: &mut [Site<'_>; 2], one: impl AsyncFn(&mut Site<'_>)) {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (site, times) in sites.iter_mut().zip(&mut times) {
                let began = Instant::now();
                one(site).await;
                times.push(began.elapsed());
            }
        }
        let [few, many] = times.each_mut().map(|times| percentile(times, 50));
        self.ratio(what, few, many, MORE);
    }
}

/// Refreshes until something else is done, and returns how long each refresh took.
async fn refreshes(site: &mut Site<'_>, meanwhile: impl Future<Output = ()>) -> Vec<Duration> {
    let mut times = Vec::new();
    let mut meanwhile = std::pin::pin!(meanwhile);
    loop {
        // A session may be refreshed a limited number of times at once, and then once a second.
        site.app.pass_seconds(1);
        let began = Instant::now();
        let mut refresh = std::pin::pin!(site.refresh());
        tokio::select! {
            biased;
            () = &mut refresh => times.push(began.elapsed()),
            () = &mut meanwhile => {
                refresh.await;
                times.push(began.elapsed());
                return times;
            }
        }
    }
}

/// Compares what people and programs do all the time, with few rows and with many.
async fn all_the_time(report: &mut Report, sites: &mut [Site<'_>; 2]) {
    report.compare("sign-in", sites, async |site| site.sign_in().await).await;
    report.compare("refresh", sites, async |site| site.refresh().await).await;
    report
        .compare("/sessions", sites, async |site| site.look("/sessions", "Older sessions").await)
        .await;
    let most = sites[1].size.sessions;
    let middle = format!("01200000-0000-7000-8000-{:012}", most / 2);
    let later = [
        "/sessions?after=01200000-0000-7000-8000-000000000028".to_owned(),
        format!("/sessions?after={middle}"),
    ];
    report
        .compare("a later page of sessions", sites, async |site| {
            let address = &later[usize::from(site.size.sessions == most)];
            site.look(address, "Back to the newest").await;
        })
        .await;
    report
        .compare("/dashboard", sites, async |site| {
            site.look("/dashboard", "Recent activity").await;
        })
        .await;
    // Pages are mostly rendering, so their queries are also measured alone.
    report
        .compare("the query of a page of sessions", sites, async |site| {
            let store = &site.app.state.store;
            let listed = store
                .live_sessions(&site.id, SessionId::new(), None, NOW, 25)
                .await
                .expect("sessions");
            assert_eq!(listed.sessions.len(), 25);
        })
        .await;
    report
        .compare("the query of the latest events", sites, async |site| {
            let events = site.app.state.store.events(&site.id, 8).await.expect("events");
            assert_eq!(events.len(), 8);
        })
        .await;
    report
        .compare("user list --limit 20", sites, async |site| {
            let listed = site.app.state.store.users_after("user-0000050", 20).await;
            assert_eq!(listed.expect("accounts").len(), 20);
        })
        .await;
}

/// Measures what counts or reads all rows: its time grows with their number but must stay short.
async fn now_and_then(report: &mut Report, many: &Site<'_>) {
    let (app, size) = (many.app, many.size);
    let ada = many.id.clone();
    let began = Instant::now();
    let counted = app
        .state
        .store
        .count_sessions_of(&ada, app.state.clock.now())
        .await
        .expect("a count");
    report.soon("user show of an account with that many sessions", began.elapsed());
    assert_eq!(counted, i64::try_from(size.sessions).expect("a number") + 2);
    let began = Instant::now();
    let live = app.state.store.count_live_sessions(app.state.clock.now()).await.expect("a count");
    report.soon("a count of all live sessions", began.elapsed());
    assert!(live > 2 * i64::try_from(size.sessions).expect("a number"));

    let began = Instant::now();
    let another = app.another().await;
    another.sessions.sync.catch_up().await.expect("caught up");
    report.soon("a start with as many revocations", began.elapsed());
    another.store.close().await;
}

/// Measures refreshes while housekeeping removes as many sessions as ada has.
async fn beside_housekeeping(report: &mut Report, many: &mut Site<'_>) {
    let app = many.app;
    let long_over = a_session(&id("01500000", "i"), &format!("'{}'", many.id), NOW - 8 * DAY);
    app.database.execute(&rows(many.size.sessions, &long_over)).await;
    settle(app).await;
    let mut alone = refreshes(many, tokio::time::sleep(Duration::from_secs(1))).await;
    let tidied = async { app.state.housekeeping.tidy().await.expect("tidied") };
    let began = Instant::now();
    let mut beside = refreshes(many, tidied).await;
    let longest = percentile(&mut beside, 100);
    println!(
        "{} refreshes beside housekeeping, the longest {longest:.2?} of {:.2?}",
        beside.len(),
        began.elapsed()
    );
    if longest > began.elapsed() / 3 {
        report.0.push("a refresh waits until housekeeping is done".to_owned());
    }
    let left = app.state.store.remove_sessions_over_before(NOW - 7 * DAY, 1).await;
    assert_eq!(left.expect("an answer"), 0, "sessions that expired long ago are removed");
    for (percent, most) in [(50, BESIDE_HOUSEKEEPING.0), (99, BESIDE_HOUSEKEEPING.1)] {
        let (alone, beside) = (percentile(&mut alone, percent), percentile(&mut beside, percent));
        report.ratio(&format!("refresh beside housekeeping, {percent}th percentile"), alone, beside, most);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn response_times_with_many_accounts_and_sessions_are_as_short_as_with_few() {
    let size = Size {
        accounts: how_many("ACCOUNTS", 10_000),
        sessions: how_many("SESSIONS", 10_000),
    };
    let few = Size {
        accounts: 100,
        sessions: 30,
    };
    let apps = [TestApp::new().await, TestApp::new().await];
    let mut sites = [Site::of(&apps[0], few).await, Site::of(&apps[1], size).await];
    let mut report = Report::default();
    println!(
        "{} accounts, 2 times {} sessions, against {} and {}",
        size.accounts, size.sessions, few.accounts, few.sessions
    );

    all_the_time(&mut report, &mut sites).await;
    let [_, mut many] = sites;
    report.repeated(async |report| now_and_then(report, &many).await).await;
    report.repeated(async |report| beside_housekeeping(report, &mut many).await).await;

    let name = Username::parse("ada").expect("a name");
    let token = many.app.refreshed(&many.token).await;
    let began = Instant::now();
    assert!(
        many.app
            .state
            .accounts
            .disable(&name)
            .await
            .expect("within the deadline of a change")
    );
    let took = began.elapsed();
    println!("an account with that many sessions disabled: {took:.2?}");
    assert!(took < Duration::from_secs(1), "{took:.2?}");
    assert!(!many.app.opens(&token.access).await);
    assert_eq!(many.app.refresh(&token.refresh).await.status, 400);
    assert!(report.0.is_empty(), "{:#?}", report.0);
}
