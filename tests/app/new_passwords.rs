//! The rules for a new password hold wherever one is set.

use latchkey::domain::{Field, FieldError, Problem, Role, Username};
use latchkey::server::accounts::{self, Refusal, Typed, change, operate};
use latchkey::server::session::SignedIn;
use latchkey::server::sessions::Client;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn a_password_that_the_name_the_address_or_the_site_suggests_is_refused_wherever_one_is_set() {
    let app = TestApp::with(|settings| settings.public_url = Some("https://zugvogel.example".into())).await;
    let typed = |password| Typed {
        username: "ada.lovelace",
        password,
        email: "countess@example.org",
    };
    let suggested = ["lovelace1", "Lovelace2026", "ada.lovelace!", "countess1", "zugvogel99", "latchkey1"];
    for password in suggested {
        let refused = accounts::sign_up(&app.state, typed(password), &Client::operator(), None).await;
        assert!(is_common(refused.err(), Field::Password), "sign-up: {password}");
    }
    let account = accounts::add(&app.state, typed(PASSWORD), Role::User).await.expect("added");
    let client = Client::operator();
    let tokens = accounts::sign_in(&app.state, "ada.lovelace", PASSWORD, &client, None)
        .await
        .expect("signed in");
    let who = SignedIn::from(tokens.access.claims);
    let name = Username::parse("ada.lovelace").expect("a name");
    for password in suggested {
        let refused = change::password(&app.state, &who, PASSWORD, password, true, &client).await;
        assert!(is_common(refused.err(), Field::NewPassword), "change: {password}");
        let refused = operate::set_password(&app.state, &name, password).await;
        assert!(is_common(refused.err(), Field::Password), "operator: {password}");
    }
    let found = operate::find(&app.state, &name).await.expect("an answer").expect("still there");
    assert_eq!(found.epoch, account.epoch, "nothing was changed");
}

fn is_common(refusal: Option<Refusal>, field: Field) -> bool {
    matches!(refusal, Some(Refusal::Fields(errors)) if errors[..] == [FieldError { field, problem: Problem::PasswordCommon }])
}
