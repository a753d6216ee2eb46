//! Hashes from elsewhere: verified, and replaced by one of today at the first sign-in.

use latchkey::domain::Username;
use latchkey::server::accounts::operate::{self, Imported};

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
        let costlier = latchkey::server::passwords::Passwords::new(latchkey::server::passwords::Cost {
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
        tokio::time::timeout(std::time::Duration::from_secs(10), upgraded)
            .await
            .expect("upgraded");
        let today = hash_of(&app, name).await;
        assert!(today.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{today}");
        app.token(name).await;
        assert_eq!(hash_of(&app, name).await, today, "once");
    }
}
