//! Hashes from elsewhere: verified, and replaced by one of today at the first sign-in.

use std::pin::pin;
use std::time::Duration;

use latchkey::domain::Username;
use latchkey::server::accounts::operate::{self, Imported};
use latchkey::server::passwords::{Cost, Passwords};

use crate::support::{PASSWORD, TestApp};

async fn hash_of(app: &TestApp, username: &str) -> String {
    let name = Username::parse(username).expect("a name");
    app.state.store.credentials(&name).await.expect("an answer").expect("an account").1
}

#[tokio::test]
async fn imported_hashes_verify_and_become_one_of_today_at_the_first_sign_in() {
    let app = TestApp::new().await;
    let bcrypt = bcrypt::hash(PASSWORD, 4).expect("a hash");
    let old = {
        let costlier = Passwords::new(Cost {
            memory_kib: 128,
            passes: 3,
        });
        costlier.rehash(PASSWORD).await.expect("a hash")
    };
    for (name, password_hash) in [("bcrypt.user", bcrypt.replace("$2b$", "$2y$")), ("argon.user", old)] {
        let account = Imported {
            username: name.into(),
            email: String::new(),
            password_hash: password_hash.clone(),
        };
        operate::import(&app.state, &account).await.expect("taken over");
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
        assert_eq!(hash_of(&app, name).await, today, "once");
    }
}

#[tokio::test]
async fn a_hash_that_cannot_be_replaced_now_keeps_nobody_out_and_stays() {
    let app = TestApp::new().await;
    // Long enough to see it run.
    let slow = Passwords::new(Cost {
        memory_kib: 19 * 1024,
        passes: 12,
    });
    let account = Imported {
        username: "ada".into(),
        email: String::new(),
        password_hash: slow.rehash(PASSWORD).await.expect("a hash"),
    };
    operate::import(&app.state, &account).await.expect("taken over");
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let mut sign_in = pin!(app.post("/token", &fields));
    while app.state.passwords.callers() == 0 {
        assert!(futures::poll!(sign_in.as_mut()).is_pending());
        tokio::time::sleep(Duration::from_micros(50)).await;
    }
    // Verified, and not looked at yet: by the time it is, every place is taken.
    while app.state.passwords.callers() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let no_hash_runs = app.block_hashing().await;
    assert_eq!(sign_in.await.status, 200);
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(no_hash_runs);
    assert_eq!(hash_of(&app, "ada").await, account.password_hash, "given up for this time");
    app.token("ada").await;
    let upgraded = async {
        while hash_of(&app, "ada").await == account.password_hash {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), upgraded)
        .await
        .expect("the next sign-in does it");
}
