//! Known devices: each is bound to an account and to the generation of its password.

use http::StatusCode;
use latchkey_types::Username;

use crate::support::{Browser, PASSWORD, TestApp};

const NEW: &str = "another quiet harbour";
const WRONG: &str = "wrong password";
const BURST: usize = 20;

async fn sign_in(browser: &mut Browser<'_>, name: &str, password: &str) -> StatusCode {
    let fields = [("username", name), ("password", password)];
    browser.call("/api/log_in", &fields).await.status
}

async fn use_up(app: &TestApp, name: &str) {
    for _ in 0..BURST {
        app.post("/token", &[("username", name), ("password", WRONG)]).await;
    }
    let answer = app.post("/token", &[("username", name), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
}

/// Returns eight browsers that are known devices of the account.
async fn eight_browsers<'a>(app: &'a TestApp, name: &str) -> Vec<Browser<'a>> {
    let mut browsers = Vec::new();
    for _ in 0..8 {
        let mut browser = app.browser();
        assert_eq!(sign_in(&mut browser, name, PASSWORD).await, 200);
        browsers.push(browser);
    }
    browsers
}

/// Returns how many passwords the browsers can try before all of them are refused without a check of the password.
async fn guesses(browsers: &mut [Browser<'_>], name: &str) -> usize {
    let mut made = 0;
    for browser in browsers {
        while sign_in(browser, name, WRONG).await == 401 {
            made += 1;
            assert!(made < 500, "attempts are not limited");
        }
    }
    made
}

#[tokio::test]
async fn a_password_change_voids_all_known_devices_except_the_browser_that_changed_it() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let mut others = eight_browsers(&app, "ada").await;
    let changed = ada
        .post("/api/change_password", &[("current_password", PASSWORD), ("new_password", NEW)])
        .await;
    assert_eq!(changed.location(), Some("/account#change-password"));
    assert_eq!(
        guesses(&mut others, "ada").await,
        BURST,
        "all of them share the account's own limit"
    );
    for browser in &mut others {
        assert_eq!(sign_in(browser, "ada", NEW).await, 429, "the device is no longer known");
    }
    for _ in 0..3 {
        ada.post("/api/log_out", &[]).await;
        assert_eq!(sign_in(&mut ada, "ada", NEW).await, 200, "known under the new password");
    }
}

#[tokio::test]
async fn a_password_set_by_the_operator_voids_all_known_devices() {
    let app = TestApp::new().await;
    let ada = app.signed_up("ada").await;
    let mut browsers = eight_browsers(&app, "ada").await;
    browsers.push(ada);
    let name = Username::parse("ada").expect("a name");
    assert!(app.state.accounts.set_password(&name, NEW).await.expect("set"));
    assert_eq!(guesses(&mut browsers, "ada").await, BURST);
}

#[tokio::test]
async fn a_browser_that_signs_in_again_gets_no_additional_attempts() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let mut made = 0;
    for _ in 0..4 {
        ada.post("/api/log_out", &[]).await;
        for _ in 0..4 {
            assert_eq!(sign_in(&mut ada, "ada", WRONG).await, 401);
            made += 1;
        }
        assert_eq!(sign_in(&mut ada, "ada", PASSWORD).await, 200);
    }
    assert_eq!(made + guesses(&mut [ada], "ada").await, BURST);
}

#[tokio::test]
async fn people_who_share_a_browser_each_keep_their_known_device() {
    let app = TestApp::new().await;
    let names = ["ada", "grace", "linus", "margaret"];
    let mut shared = app.browser();
    for name in names {
        shared.post("/api/log_out", &[]).await;
        app.signed_up(name).await;
        assert_eq!(sign_in(&mut shared, name, PASSWORD).await, 200);
    }
    shared.post("/api/log_out", &[]).await;
    for name in names {
        use_up(&app, name).await;
    }
    for name in names {
        assert_eq!(sign_in(&mut shared, name, PASSWORD).await, 200, "{name}");
        shared.post("/api/log_out", &[]).await;
    }
    // A fifth account replaces the one that signed in longest ago.
    app.signed_up("dennis").await;
    assert_eq!(sign_in(&mut shared, "dennis", PASSWORD).await, 200);
    shared.post("/api/log_out", &[]).await;
    assert_eq!(sign_in(&mut shared, "ada", PASSWORD).await, 429);
    assert_eq!(sign_in(&mut shared, "grace", PASSWORD).await, 200);
}

#[tokio::test]
async fn a_password_change_of_one_account_keeps_the_browser_known_to_other_accounts() {
    let app = TestApp::new().await;
    let mut shared = app.signed_up("grace").await;
    shared.post("/api/log_out", &[]).await;
    app.signed_up("ada").await;
    assert_eq!(sign_in(&mut shared, "ada", PASSWORD).await, 200);
    shared
        .post("/api/change_password", &[("current_password", PASSWORD), ("new_password", NEW)])
        .await;
    shared.post("/api/log_out", &[]).await;
    use_up(&app, "grace").await;
    use_up(&app, "ada").await;
    assert_eq!(sign_in(&mut shared, "grace", PASSWORD).await, 200);
    shared.post("/api/log_out", &[]).await;
    assert_eq!(sign_in(&mut shared, "ada", NEW).await, 200);
}
