//! New accounts: permitted names and email addresses, and which account becomes administrator.

use latchkey_core::accounts::Refusal;
use latchkey_core::accounts::admin::Imported;
use latchkey_store::Account;
use latchkey_types::{Problem, Role};

use crate::support::{PASSWORD, TestApp};

async fn import(app: &TestApp, username: &str, email: &str) -> Result<Account, Refusal> {
    let account = Imported {
        username: username.to_owned(),
        email: email.to_owned(),
        password_hash: bcrypt::hash(PASSWORD, 4).expect("a hash"),
    };
    app.state.accounts.import(&account).await
}

fn problem(refusal: Refusal) -> Problem {
    match refusal {
        Refusal::Fields(errors) => errors[0].problem,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn neither_imported_accounts_nor_later_sign_ups_become_administrators() {
    let app = TestApp::new().await;
    for name in ["aaron", "berta"] {
        assert_eq!(import(&app, name, "").await.expect("imported").role, Role::User);
        let (account, _) = app
            .state
            .store
            .credentials(&latchkey_types::Username::parse(name).expect("a name"))
            .await
            .expect("an answer")
            .expect("an account");
        assert_eq!(account.role, Role::User, "{name}");
    }
    app.signed_up("mallory").await;
    let me = app.get_with_token("/me", &app.token("mallory").await).await;
    assert_eq!(me.json()["roles"], serde_json::json!(["user"]));
    let empty = TestApp::new().await;
    empty.signed_up("ada").await;
    let me = empty.get_with_token("/me", &empty.token("ada").await).await;
    assert_eq!(
        me.json()["roles"],
        serde_json::json!(["admin"]),
        "the first sign-up on an empty database still becomes administrator"
    );
}

#[tokio::test]
async fn new_names_that_begin_with_punctuation_are_refused_but_existing_ones_sign_in() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for (number, name) in ["--help", "-ada", ".env", "_ada"].into_iter().enumerate() {
        let mut browser = app.browser();
        let answer = browser.call("/api/sign_up", &[("username", name), ("password", PASSWORD)]).await;
        assert!(
            answer.status == 422 && answer.body.contains("Begin with a letter or a digit."),
            "{name}: {} {}",
            answer.status,
            answer.body
        );
        assert_eq!(problem(import(&app, name, "").await.expect_err(name)).code(), "name_start");
        app.database
            .execute(&format!(
                "INSERT INTO users (id, username, password_hash, role, epoch, created_at) SELECT 'old{number}', '{name}', password_hash, 'user', 0, 0 FROM users WHERE username = 'ada'"
            ))
            .await;
        assert!(app.opens(&app.token(name).await).await, "{name} signs in");
    }
}

#[tokio::test]
async fn a_new_email_address_with_invisible_characters_is_refused_everywhere() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    for (number, hidden) in [
        '\u{202e}',
        '\u{200b}',
        '\u{2066}',
        '\u{ad}',
        '\u{feff}',
        '\u{e0041}',
        '\u{3164}',
        '\u{fe0f}',
        '\u{e000}',
        '\u{378}',
    ]
    .into_iter()
    .enumerate()
    {
        let email = format!("gra{hidden}ce@example.org");
        let name = format!("user{number}");
        let fields = [("username", name.as_str()), ("password", PASSWORD), ("email", &email)];
        let answer = app.browser().call("/api/sign_up", &fields).await;
        assert!(
            answer.status == 422 && answer.body.contains("email"),
            "{hidden:?}: {} {}",
            answer.status,
            answer.body
        );
        let answer = ada.call("/api/change_email", &[("email", &email)]).await;
        assert_eq!(answer.status, 422, "{hidden:?}: {}", answer.body);
        assert_eq!(problem(import(&app, &name, &email).await.expect_err(&name)), Problem::EmailShape);
    }
    for email in [
        "jürgen@example.org",
        "אדה@example.org",
        "e\u{301}va@example.org",
        "o'brien+x@example.org",
    ] {
        let answer = ada.call("/api/change_email", &[("email", email)]).await;
        assert_eq!(answer.status, 200, "{email}: {}", answer.body);
    }
}

#[tokio::test]
async fn pages_escape_invisible_characters_of_an_existing_email_address() {
    let app = TestApp::new().await;
    let mut ada = app.signed_up("ada").await;
    app.database.execute("UPDATE users SET email = 'ada\u{202e}gro@example.org'").await;
    for path in ["/account", "/dashboard"] {
        let page = ada.get(path).await;
        assert!(page.body.contains(r"ada\u{202e}gro@example.org"), "{path}");
        assert!(!page.body.contains('\u{202e}'), "{path}");
    }
}
