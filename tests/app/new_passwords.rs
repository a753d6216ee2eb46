//! The rules for new passwords hold wherever a password is set.

use std::pin::pin;
use std::sync::Arc;

use latchkey_axum::visitor::SignedIn;
use latchkey_core::accounts::{Refusal, SignUpInput};
use latchkey_store::Client;
use latchkey_types::{Field, FieldError, Problem, Role, Username};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::support::{Answer, PASSWORD, TestApp};

/// The 3,000 most common passwords of at least 8 characters, most common first, from the list of the crate zxcvbn (MIT), which has
/// them from leaks.
const COMMON: &str = include_str!("../../crates/latchkey-core/src/passwords/most_common.txt");

#[tokio::test]
async fn a_password_derived_from_name_email_or_site_is_refused_wherever_it_is_set() {
    let app = TestApp::with(|settings| settings.public_url = Some("https://zugvogel.example".into())).await;
    let typed = |password| SignUpInput {
        username: "ada.lovelace",
        password,
        email: "countess@example.org",
    };
    let suggested = ["lovelace1", "Lovelace2026", "ada.lovelace!", "countess1", "zugvogel99", "latchkey1"];
    for password in suggested {
        let refused = app.state.accounts.sign_up(typed(password), &Client::operator(), None).await;
        assert!(is_common(refused.err(), Field::Password), "sign-up: {password}");
    }
    let account = app.state.accounts.add(typed(PASSWORD), Role::User).await.expect("added");
    let client = Client::operator();
    let tokens = app
        .state
        .accounts
        .sign_in("ada.lovelace", PASSWORD, &client, None)
        .await
        .expect("signed in");
    let who = SignedIn::from(Arc::new(tokens.access.claims));
    let name = Username::parse("ada.lovelace").expect("a name");
    for password in suggested {
        let refused = app
            .state
            .accounts
            .change_password(&who.claims, PASSWORD, password, true, &client)
            .await;
        assert!(is_common(refused.err(), Field::NewPassword), "change: {password}");
        let refused = app.state.accounts.set_password(&name, password).await;
        assert!(is_common(refused.err(), Field::Password), "operator: {password}");
    }
    let found = app.state.accounts.find(&name).await.expect("an answer").expect("an account");
    assert_eq!(found.epoch, account.epoch, "nothing was changed");
}

fn is_common(refusal: Option<Refusal>, field: Field) -> bool {
    matches!(refusal, Some(Refusal::Fields(errors)) if errors[..] == [FieldError { field, problem: Problem::PasswordCommon }])
}

/// Returns what `POST /api/sign_up` says about a password. No account is created, because the email address is invalid.
async fn problem(app: &TestApp, password: &str) -> Option<String> {
    app.pass_seconds(2);
    let fields = [("username", "grace"), ("password", password), ("email", "none")];
    let answer = app.post("/api/sign_up", &fields).await;
    assert_eq!(answer.status, 422, "{password:?}");
    answer.json()["errors"]["password"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn each_of_the_three_thousand_most_common_passwords_is_refused() {
    let app = TestApp::new().await;
    let all: Vec<&str> = COMMON.lines().collect();
    assert_eq!(all.len(), 3000);
    for password in all {
        assert!(password.chars().count() >= 8, "{password}");
        let said = problem(&app, password).await;
        assert!(said.is_some_and(|said| said.contains("attackers try first")), "{password}");
    }
}

#[tokio::test]
async fn a_common_password_is_refused_by_every_action_that_sets_one() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let name = Username::parse("ada").expect("a name");
    for password in COMMON.lines().step_by(100) {
        app.pass_seconds(60);
        let fields = [("current_password", PASSWORD), ("new_password", password)];
        let answer = ada.call("/api/change_password", &fields).await;
        assert!(
            answer.status == 422 && answer.body.contains("attackers try first"),
            "{password}: {}",
            answer.body
        );
        let set = app.state.accounts.set_password(&name, password).await.expect_err("refused");
        assert!(is_common(Some(set), Field::Password), "{password}");
        let typed = SignUpInput {
            username: "grace",
            password,
            email: "",
        };
        let added = app.state.accounts.add(typed, Role::User).await.map(|_| ());
        assert!(is_common(added.err(), Field::Password), "{password}");
    }
    app.token("ada").await;
}

/// Sends `POST /api/sign_up` for grace.
async fn sign_up(app: &TestApp, password: &str) -> Answer {
    app.post("/api/sign_up", &[("username", "grace"), ("password", password)]).await
}

/// A password that is easy to guess at this site, although it is on no list.
const GUESSABLE: &str = "latchkey2026";

#[tokio::test]
async fn a_password_estimate_waits_in_the_hashing_queue_while_others_are_answered() {
    let app = TestApp::new().await;
    let access = {
        app.signed_up("ada").await;
        app.token("ada").await
    };
    let held = app.hold_hashing().await;
    let busy = app.state.accounts.passwords.callers();
    let mut sign_up = pin!(sign_up(&app, GUESSABLE));
    while app.state.accounts.passwords.callers() == busy {
        assert!(
            futures::poll!(sign_up.as_mut()).is_pending(),
            "no password is estimated before it has a hashing slot"
        );
        tokio::task::yield_now().await;
    }
    assert!(app.opens(&access).await, "on the one thread of this test");
    assert!(futures::poll!(sign_up.as_mut()).is_pending());
    drop(held);
    let answer = sign_up.await;
    assert!(
        answer.status == 422 && answer.body.contains("attackers try first"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn no_new_password_is_estimated_once_a_limit_is_used_up() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    let change = [("current_password", PASSWORD), ("new_password", GUESSABLE)];
    assert_eq!(ada.call("/api/change_password", &change).await.status, 422);
    ada.plant("latchkey-device", "forgotten");
    for _ in 0..20 {
        app.post("/token", &[("username", "ada"), ("password", "wrong password")]).await;
    }
    assert_eq!(ada.call("/api/change_password", &change).await.status, 429);

    while sign_up(&app, "short").await.status != 429 {}
    assert_eq!(sign_up(&app, GUESSABLE).await.status, 429);
    app.pass_seconds(2);
    assert_eq!(
        sign_up(&app, GUESSABLE).await.status,
        422,
        "with the limit free again, the password is estimated"
    );
}

#[tokio::test]
async fn a_taken_name_is_reported_without_a_password_estimate() {
    let app = TestApp::new().await;
    app.signed_up("grace").await;
    // Until then it could be the same sign-up repeated.
    app.pass_seconds(601);
    let _no_hash_runs = app.block_hashing().await;
    let answer = sign_up(&app, GUESSABLE).await;
    assert!(
        answer.status == 422 && answer.body.contains("This name is taken"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn no_kind_of_character_is_required_in_a_password() {
    let app = TestApp::new().await;
    app.signed_up("grace").await;
    let grace = Username::parse("grace").expect("a name");
    let mut runner = TestRunner::deterministic();
    for class in [
        "[0-9]{15}",
        "[a-z]{15}",
        "[A-Z]{15}",
        "[-!#$%&()*+,./:;<=>?@_{|}~]{15}",
        "[a-z][a-z ]{13}[a-z]",
        "[α-ω]{15}",
        "[一-龥]{15}",
        "[\u{1f600}-\u{1f64f}]{15}",
    ] {
        let class = proptest::string::string_regex(class).expect("a class");
        for _ in 0..60 {
            let password = class.new_tree(&mut runner).expect("a value").current();
            let set = app.state.accounts.set_password(&grace, &password).await;
            assert!(matches!(set, Ok(true)), "{password}: {set:?}");
        }
    }
}
