//! Limits on successful sign-ins: for one account from one address, and for one address.

use latchkey_core::accounts::admin::Imported;

use crate::support::{PASSWORD, TestApp};
use crate::throttle::{behind_a_proxy, try_from};

#[tokio::test]
async fn the_121st_sign_in_to_an_account_from_one_address_must_wait_and_costs_no_hash() {
    let app = behind_a_proxy().await;
    let mut ada = app.signed_up("ada").await;
    app.signed_up("grace").await;
    let right = [("username", "ada"), ("password", PASSWORD)];
    // Both ways to sign in share one limit, and failed sign-ins do not count.
    for n in 0..60 {
        assert_eq!(app.post("/token", &right).await.status, 200, "{n}");
        assert_eq!(ada.call("/api/log_in", &right).await.status, 200, "{n}");
        if n < 19 {
            let wrong = [("username", "ada"), ("password", "wrong password")];
            assert_eq!(app.post("/token", &wrong).await.status, 400, "{n}");
        }
    }
    let no_hash_runs = app.block_hashing().await;
    for password in [PASSWORD, "wrong password"] {
        let answer = app.post("/token", &[("username", " ADA"), ("password", password)]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("retry-after")),
            (429, Some("6")),
            "{}",
            answer.body
        );
    }
    assert_eq!(ada.call("/api/log_in", &right).await.status, 429, "a known device is no exception");
    let grace = [("username", "grace"), ("password", PASSWORD)];
    assert_eq!(
        app.post("/token", &grace).await.status,
        503,
        "another account is not limited and only lacks a place in the hashing queue"
    );
    drop(no_hash_runs);

    assert_eq!(app.post("/token", &grace).await.status, 200);
    assert_eq!(try_from(&app, "198.51.100.7", "ada", PASSWORD).await.status, 200, "another address");
    app.pass_seconds(5);
    assert_eq!(app.post("/token", &right).await.status, 429);
    app.pass_seconds(1);
    assert_eq!(app.post("/token", &right).await.status, 200);
    assert_eq!(app.post("/token", &right).await.status, 429, "ten a minute from here on");
}

#[tokio::test]
async fn an_office_of_500_people_behind_one_address_signs_in_at_once() {
    let app = behind_a_proxy().await;
    let hash = app.state.accounts.passwords.rehash(PASSWORD, None).await.expect("hashed");
    for n in 0..500 {
        let account = Imported {
            username: format!("user-{n}"),
            email: String::new(),
            password_hash: hash.clone(),
        };
        app.state.accounts.import(&account).await.expect("imported");
    }
    let sign_in = async |n: usize| {
        // The addresses of one IPv6 network count as one.
        try_from(&app, &format!("2001:db8::{n:x}"), &format!("user-{}", n % 500), PASSWORD).await
    };
    for n in 0..600 {
        let answer = sign_in(n).await;
        assert_eq!(answer.status, 200, "{n}: {}", answer.body);
    }
    let answer = sign_in(600).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("retry-after")),
        (429, Some("1")),
        "{}",
        answer.body
    );
    assert_eq!(
        try_from(&app, "2001:db8:0:1::1", "user-0", PASSWORD).await.status,
        200,
        "another network"
    );
    app.pass_seconds(1);
    assert_eq!(sign_in(600).await.status, 200);
    assert_eq!(sign_in(601).await.status, 429, "one a second from here on");
}

#[tokio::test]
async fn concurrent_sign_ins_do_not_exceed_the_limit() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let fields = [("username", "ada"), ("password", PASSWORD)];
    let mut done = 0;
    loop {
        let answers = futures::future::join_all((0..3).map(|_| app.post("/token", &fields))).await;
        done += answers.iter().filter(|answer| answer.status == 200).count();
        if answers.iter().all(|answer| answer.status == 429) {
            break;
        }
    }
    assert_eq!(done, 120);
}
