//! Data from before migration 0007 (`tests/fixtures/before_0007`) keeps working after the update.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::databases::{Database, Engine};
use crate::support::{Answer, Browser, CHEAP, TestApp, Tokens};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/before_0007").join(name)
}

/// The restored data, opened by the current program, and the tokens and cookies that clients kept from before.
struct Fixture {
    app: TestApp,
    clients: Value,
    passwords: Value,
}

impl Fixture {
    /// Opens a copy of the data, with the clock one minute after the data was made.
    async fn open() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let secret = dir.path().join("secret");
        fs::copy(file("secret"), &secret).expect("copied");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("permissions set");
        let database = Database::new(dir.path()).await;
        let engine = match Engine::of_this_run() {
            Engine::Sqlite => {
                fs::copy(file("latchkey.db"), dir.path().join("latchkey.db")).expect("copied");
                "sqlite"
            }
            Engine::Postgres => {
                database.execute(&fs::read_to_string(file("postgres.sql")).expect("a dump")).await;
                "postgres"
            }
        };
        let kept = fs::read_to_string(file("cookies.json")).expect("a file");
        let mut kept: Value = serde_json::from_str(&kept).expect("JSON");
        let clients = kept[engine].take();
        let now = clients["made_at"].as_i64().expect("a time") + 60;
        let settings = kept["settings"].take();
        let set = |name: &str| settings[name].as_str().map(str::to_owned);
        let app = TestApp::on_at(
            dir,
            database,
            |changed| {
                changed.secret = None;
                changed.secret_file = Some(secret);
                changed.public_url = set("LATCHKEY_PUBLIC_URL");
                changed.access_ttl = set("LATCHKEY_ACCESS_TTL");
                changed.refresh_ttl = set("LATCHKEY_REFRESH_TTL");
                changed.session_max = set("LATCHKEY_SESSION_MAX");
                changed.jwt_alg = set("LATCHKEY_JWT_ALG");
            },
            CHEAP,
            now,
        )
        .await;
        Self {
            app,
            clients,
            passwords: kept["passwords"].take(),
        }
    }

    fn tokens(&self, name: &str) -> Tokens {
        let text = |kind: &str| self.clients["tokens"][name][kind].as_str().expect(name).to_owned();
        Tokens {
            access: text("access"),
            refresh: text("refresh"),
        }
    }

    /// Returns the browser of an account, with some of its cookies.
    fn browser(&self, name: &str, kinds: &[&str]) -> Browser<'_> {
        let mut browser = self.app.browser();
        for kind in kinds {
            let cookie = match *kind {
                "access" => "latchkey".to_owned(),
                kind => format!("latchkey-{kind}"),
            };
            browser.plant(&cookie, self.clients["browsers"][name][kind].as_str().expect(name));
        }
        browser
    }

    async fn sign_in(&self, name: &str) -> Answer {
        let password = self.passwords[name].as_str().expect(name);
        self.app.post("/token", &[("username", name), ("password", password)]).await
    }
}

#[tokio::test]
async fn sessions_from_before_the_update_continue() {
    let fixture = Fixture::open().await;
    for name in ["ada", "bob"] {
        let mut browser = fixture.browser(name, &["access", "refresh", "device"]);
        let page = browser.get("/dashboard").await;
        assert!(
            page.status == 200 && page.body.contains(name),
            "{name}: {} {}",
            page.status,
            page.body
        );
        // Without the access token, the refresh token alone gets a new one.
        let mut browser = fixture.browser(name, &["refresh", "device"]);
        let page = browser.get("/dashboard").await;
        assert!(
            page.status == 200 && page.body.contains(name),
            "{name}: {} {}",
            page.status,
            page.body
        );
        assert!(browser.cookie("latchkey").is_some(), "{name}");
    }
    let live = fixture.tokens("ada_live");
    assert!(fixture.app.opens(&live.access).await);
    let next = fixture.app.refreshed(&live.refresh).await;
    let next = fixture.app.refreshed(&next.refresh).await;
    assert!(fixture.app.opens(&next.access).await);
}

#[tokio::test]
async fn recorded_migrations_move_to_our_own_migration_table() {
    let fixture = Fixture::open().await;
    let database = &fixture.app.database;
    assert!(!database.has_table("_sqlx_migrations").await);
    let had = database
        .number("SELECT COUNT(*) FROM _latchkey_migrations WHERE version <= 6")
        .await;
    assert_eq!(had, 6);
}

#[tokio::test]
async fn sessions_that_ended_before_the_update_stay_ended() {
    let fixture = Fixture::open().await;
    for name in ["ada_ended", "bob_before_password_change", "carol_disabled", "dave_removed"] {
        let ended = fixture.tokens(name);
        assert!(!fixture.app.opens(&ended.access).await, "{name}");
        let answer = fixture.app.refresh(&ended.refresh).await;
        assert_eq!(answer.status, 400, "{name}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_token_copied_before_the_update_ends_its_session_when_used_after_it() {
    let fixture = Fixture::open().await;
    let last = fixture.app.refreshed(&fixture.tokens("ada_rotated_2").refresh).await;
    assert!(fixture.app.opens(&last.access).await);
    let copied = fixture.app.refresh(&fixture.tokens("ada_rotated_0").refresh).await;
    assert_eq!(copied.status, 400, "{}", copied.body);
    assert!(!fixture.app.opens(&last.access).await);
    assert_eq!(fixture.app.refresh(&last.refresh).await.status, 400);
}

#[tokio::test]
async fn an_account_disabled_before_the_update_stays_disabled() {
    let fixture = Fixture::open().await;
    let page = fixture.browser("carol", &["access", "refresh", "device"]).get("/dashboard").await;
    assert_eq!(page.location(), Some("/login?next=%2Fdashboard"), "{}", page.body);
    let answer = fixture.sign_in("carol").await;
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[tokio::test]
async fn passwords_from_before_the_update_still_sign_in_including_imported_ones() {
    let fixture = Fixture::open().await;
    for name in ["ada", "bob", "edsger", "grace"] {
        let answer = fixture.sign_in(name).await;
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_device_known_before_the_update_signs_in_while_the_account_is_throttled() {
    const ATTEMPTS_PER_ACCOUNT: usize = 20;
    let fixture = Fixture::open().await;
    for _ in 0..ATTEMPTS_PER_ACCOUNT {
        fixture
            .app
            .post("/token", &[("username", "ada"), ("password", "wrong password")])
            .await;
    }
    assert_eq!(
        fixture.sign_in("ada").await.status,
        429,
        "the attempts of unknown devices are used up"
    );
    let fields = [("username", "ada"), ("password", fixture.passwords["ada"].as_str().expect("ada"))];
    let answer = fixture.browser("ada", &["device"]).call("/api/log_in", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn the_sessions_page_lists_the_sessions_from_before_the_update() {
    let fixture = Fixture::open().await;
    let page = fixture.browser("ada", &["access", "refresh"]).get("/sessions").await;
    assert_eq!(page.status, 200, "{}", page.body);
    let listed = page.body.matches("name=\"session\" value=\"").count();
    assert_eq!(listed, 3, "the browser, ada_live and ada_rotated: {}", page.body);
}
