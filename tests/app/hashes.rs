//! Imported hashes are verified, and replaced by a current hash at the first sign-in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Params, Version};
use axum::body::Body;
use axum::extract::ConnectInfo;
use http::{Method, header};
use latchkey_core::accounts::Refusal;
use latchkey_core::accounts::admin::Imported;
use latchkey_core::passwords::{Cost, MANY_ACCOUNTS, Passwords};
use latchkey_types::{Field, FieldError, Problem, Username};

use crate::support::{PASSWORD, TestApp, form, request};

async fn hash_of(app: &TestApp, username: &str) -> String {
    let name = Username::parse(username).expect("a name");
    app.state.store.credentials(&name).await.expect("an answer").expect("an account").1
}

async fn import(app: &TestApp, username: &str, password_hash: &str) {
    let account = Imported {
        username: username.into(),
        email: String::new(),
        password_hash: password_hash.into(),
    };
    app.state.accounts.import(&account).await.expect("imported");
}

async fn status(app: &TestApp, username: &str, password: &str) -> u16 {
    let fields = [("username", username), ("password", password)];
    app.post("/token", &fields).await.status.as_u16()
}

/// Waits until the hash has the current algorithm and cost.
async fn is_upgraded(app: &TestApp, username: &str) {
    let upgraded = async {
        while !hash_of(app, username).await.starts_with("$argon2id$v=19$m=64,t=1,p=1$") {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), upgraded).await.expect("upgraded");
}

/// Waits after a sign-in until nothing is hashed any more. By then an upgrade would have begun to write its hash.
async fn nothing_is_hashed(app: &TestApp) {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    while app.state.accounts.passwords.callers() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn imported_hashes_verify_and_are_upgraded_at_the_first_sign_in() {
    let app = TestApp::new().await;
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let old = {
        let costlier = Passwords::new(Cost {
            memory_kib: 128,
            passes: 3,
        });
        costlier.rehash(PASSWORD, None).await.expect("a hash")
    };
    for (name, password_hash) in [("bcrypt.user", bcrypt.replace("$2b$", "$2y$")), ("argon.user", old)] {
        let account = Imported {
            username: name.into(),
            email: String::new(),
            password_hash: password_hash.clone(),
        };
        app.state.accounts.import(&account).await.expect("imported");
        let wrong = app.post("/token", &[("username", name), ("password", "wrong password")]).await;
        assert_eq!(
            (wrong.status.as_u16(), hash_of(&app, name).await),
            (400, password_hash.clone()),
            "{name}"
        );
        app.token(name).await;
        let upgraded = async {
            while hash_of(&app, name).await == password_hash {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), upgraded).await.expect("upgraded");
        let today = hash_of(&app, name).await;
        assert!(today.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{today}");
        app.token(name).await;
        assert_eq!(hash_of(&app, name).await, today, "upgraded once");
    }
}

#[tokio::test]
async fn a_hash_that_cannot_be_upgraded_now_is_kept_and_the_sign_in_succeeds() {
    let app = TestApp::new().await;
    // Slow enough to be observed while it runs.
    let slow = Passwords::new(Cost {
        memory_kib: 19 * 1024,
        passes: 12,
    });
    let account = Imported {
        username: "ada".into(),
        email: String::new(),
        password_hash: slow.rehash(PASSWORD, None).await.expect("a hash"),
    };
    app.state.accounts.import(&account).await.expect("imported");
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let mut sign_in = pin!(app.post("/token", &fields));
    while app.state.accounts.passwords.callers() == 0 {
        assert!(futures::poll!(sign_in.as_mut()).is_pending());
        tokio::time::sleep(Duration::from_micros(50)).await;
    }
    // The password is verified, but the sign-in has not gone on yet: when it does, every place in the queue is taken.
    while app.state.accounts.passwords.callers() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let no_hash_runs = app.block_hashing().await;
    assert_eq!(sign_in.await.status, 200);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(no_hash_runs);
    assert_eq!(
        hash_of(&app, "ada").await,
        account.password_hash,
        "the upgrade is skipped this time"
    );
    app.token("ada").await;
    let upgraded = async {
        while hash_of(&app, "ada").await == account.password_hash {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), upgraded)
        .await
        .expect("the next sign-in upgrades the hash");
}

#[tokio::test]
async fn a_bcrypt_hash_of_a_long_passphrase_is_not_upgraded_until_the_password_is_changed() {
    const NEW: &str = "another quiet harbour";
    let app = TestApp::new().await;
    let right = format!("{PASSWORD} by the old mill where the river bends towards the sea and the light");
    assert!(right.len() > 72 && !right[..72].contains("light"));
    let mistyped = format!("{}x", &right[..right.len() - 1]);
    let hash = bcrypt::hash(&right, 4).expect("a hash");
    import(&app, "ada", &hash).await;
    let mut ada = app.browser();
    for typed in [&mistyped, &right] {
        ada.post("/api/log_in", &[("username", "ada"), ("password", typed)]).await;
        assert_eq!(ada.get("/dashboard").await.status, 200, "bcrypt reads only 72 bytes");
        nothing_is_hashed(&app).await;
        // A change of another account waits behind an upgrade.
        import(&app, &format!("after-{}", typed.len() + usize::from(*typed == right)), &hash).await;
        assert_eq!(hash_of(&app, "ada").await, hash);
    }
    assert_eq!(status(&app, "ada", &right[..71]).await, 400);

    let fields = [("current_password", right.as_str()), ("new_password", NEW)];
    ada.post("/api/change_password", &fields).await;
    assert!(hash_of(&app, "ada").await.starts_with("$argon2id$v=19$"));
    assert_eq!((status(&app, "ada", NEW).await, status(&app, "ada", &right).await), (200, 400));
}

#[tokio::test]
async fn argon2_hashes_of_version_16_are_imported_verified_and_upgraded() {
    let app = TestApp::new().await;
    let params = Params::new(64, 3, 1, None).expect("parameters");
    let mut output = [0; 32];
    Argon2::new(Algorithm::Argon2i, Version::V0x10, params)
        .hash_password_into(PASSWORD.as_bytes(), b"some salt of old", &mut output)
        .expect("a hash");
    let base64 = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD_NO_PAD, bytes);
    for (name, version) in [("named", "v=16$"), ("unnamed", "")] {
        let hash = format!("$argon2i${version}m=64,t=3,p=1${}${}", base64(b"some salt of old"), base64(&output));
        import(&app, name, &hash).await;
        assert_eq!(status(&app, name, "wrong password").await, 400, "{hash}");
        assert_eq!(status(&app, name, PASSWORD).await, 200, "{hash}");
        is_upgraded(&app, name).await;
        assert_eq!(status(&app, name, PASSWORD).await, 200);
    }
}

#[tokio::test]
async fn hashes_that_cannot_be_verified_or_take_more_than_64_mib_are_not_imported() {
    let app = TestApp::new().await;
    for password_hash in [
        "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
        "$argon2id$v=20$m=64,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
        "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
        "$2x$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
    ] {
        let account = Imported {
            username: "ada".into(),
            email: String::new(),
            password_hash: password_hash.into(),
        };
        let refused = app.state.accounts.import(&account).await.map(|_| ());
        let expected = FieldError {
            field: Field::Password,
            problem: Problem::HashUnknown,
        };
        assert!(
            matches!(&refused, Err(Refusal::Fields(errors)) if errors[..] == [expected]),
            "{password_hash}: {refused:?}"
        );
    }
    assert!(
        Problem::HashUnknown.to_string().contains("64 MiB"),
        "the operator is told the limit"
    );
}

#[tokio::test]
async fn a_kind_of_hash_is_counted_as_long_as_an_account_has_it() {
    let app = TestApp::new().await;
    app.signed_up("grace").await;
    let today = ("$argon2id$v=19$m=64,t=1,p=1$".to_owned(), 1);
    let kinds = async || app.state.store.hash_kinds(MANY_ACCOUNTS).await.expect("an answer");
    assert_eq!(kinds().await, std::slice::from_ref(&today));
    let name = Username::parse("ada").expect("a name");
    for way in ["removed", "set anew", "upgraded"] {
        import(&app, "ada", &bcrypt::hash(PASSWORD, 5).expect("a hash")).await;
        assert_eq!(kinds().await, [("$2b$05$".to_owned(), 1), today.clone()].map(|kind| kind), "{way}");
        match way {
            "removed" => assert!(app.state.accounts.remove(&name).await.expect("done")),
            "set anew" => assert!(app.state.accounts.set_password(&name, "another quiet harbour").await.expect("done")),
            _ => {
                app.token("ada").await;
                is_upgraded(&app, "ada").await;
            }
        }
        let left = kinds().await;
        assert!(left.iter().all(|(kind, _)| *kind == today.0) && left.len() == 1, "{way}: {left:?}");
        app.state.accounts.remove(&name).await.expect("done");
    }
    for n in 0..=MANY_ACCOUNTS {
        import(
            &app,
            &format!("user-{n}"),
            "$2b$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy",
        )
        .await;
    }
    let counted = kinds().await.into_iter().find(|(kind, _)| kind == "$2b$12$");
    assert_eq!(
        counted.map(|(_, accounts)| accounts),
        Some(MANY_ACCOUNTS),
        "accounts are counted no further than needed"
    );
}

#[tokio::test]
async fn the_migration_finds_the_kinds_of_hashes_in_an_existing_database() {
    let app = TestApp::new().await;
    app.signed_up("grace").await;
    for (name, hash) in [
        ("bcrypt", "$2y$12$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"),
        (
            "old",
            "$argon2i$m=4096,t=3,p=1$c29tZXNhbHRzb21lc2FsdA$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
        ),
        (
            "costly",
            "$argon2id$v=19$m=65536,t=3,p=4$c29tZS9zYWx0K3NvbWVzYQ$X0yJr1TgqaLVtTkM0Kth6ynqkbqCqxl6nuc4DRVqmBw",
        ),
    ] {
        import(&app, name, hash).await;
    }
    let before = app.state.store.hash_kinds(MANY_ACCOUNTS).await.expect("an answer");
    assert_eq!(before.len(), 4);
    app.database.execute("UPDATE users SET hash_kind = NULL").await;
    assert_eq!(app.state.store.hash_kinds(MANY_ACCOUNTS).await.expect("an answer"), []);
    let migration = include_str!("../../crates/latchkey-store/migrations/0008_hash_kinds.sql");
    let update = migration
        .split(';')
        .find(|statement| statement.contains("UPDATE users"))
        .expect("one");
    app.database.execute(update).await;
    assert_eq!(app.state.store.hash_kinds(MANY_ACCOUNTS).await.expect("an answer"), before);
}

/// Returns the shortest time of a few failed sign-ins, because noise only makes them longer.
async fn shortest_failure(app: &TestApp, name: &str) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(status(app, name, "wrong password").await, 400);
        shortest = shortest.min(began.elapsed());
    }
    shortest
}

#[tokio::test]
async fn many_unusual_hashes_slow_every_failed_sign_in_but_a_single_one_slows_no_other() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let costly = bcrypt::hash(PASSWORD, 12).expect("a hash");
    import(&app, "unusual-0", &costly).await;
    let alone = shortest_failure(&app, "unusual-0").await;
    for name in ["ada", "nobody.here"] {
        let time = shortest_failure(&app, name).await;
        assert!(time < alone / 2, "{name}: {time:?} beside {alone:?}");
    }
    for n in 1..MANY_ACCOUNTS {
        import(&app, &format!("unusual-{n}"), &costly).await;
    }
    for name in ["ada", "nobody.here"] {
        let time = shortest_failure(&app, name).await;
        assert!(time > alone / 2, "{name}: {time:?} beside {alone:?}");
    }
    let removed = Username::parse("unusual-0").expect("a name");
    assert!(app.state.accounts.remove(&removed).await.expect("done"));
    let time = shortest_failure(&app, "nobody.here").await;
    assert!(
        time < alone / 2,
        "with one account fewer, sign-ins are fast again: {time:?} beside {alone:?}"
    );
}

#[tokio::test]
async fn a_crowd_at_one_address_does_not_hold_up_another_address() {
    const CROWDED: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    let app = TestApp::new().await;
    let held = app.hold_hashing().await;
    let mut crowd = Vec::new();
    loop {
        let passwords = app.state.accounts.passwords.clone();
        let mut caller = Box::pin(async move { passwords.verify("x", None, Some(CROWDED)).await });
        match futures::poll!(&mut caller) {
            Poll::Pending => crowd.push(caller),
            Poll::Ready(answer) => {
                answer.map(|_| ()).expect_err("the address has no place left");
                break;
            }
        }
    }
    let sign_in = async |address: IpAddr| {
        let request = request(Method::POST, "/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(ConnectInfo(SocketAddr::new(address, 4000)));
        let body = Body::from(form(&[("username", "nobody.here"), ("password", "wrong password")]));
        app.send(request.body(body).expect("a request")).await.status.as_u16()
    };
    assert_eq!(sign_in(CROWDED).await, 503);
    let before = app.state.accounts.passwords.callers();
    let mut other = pin!(sign_in(OTHER));
    while app.state.accounts.passwords.callers() == before {
        assert!(futures::poll!(other.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    drop(held);
    // The crowd keeps each slot that it gets except the first ones, which are released here: the next slot goes to the other address.
    crowd.drain(..2 * available_parallelism().map_or(1, usize::from));
    assert_eq!(other.await, 400);
    assert!(app.state.accounts.passwords.callers() > 0, "the crowd still waits");
}
