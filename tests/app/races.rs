//! Many callers at the same instant.
//!
//! `RACE_ROUNDS` sets how many rounds are run.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinSet;

use latchkey::server::sessions::{self, Client, ClientKind, RefreshError, Tokens, verify};
use latchkey::server::state::AppState;

use crate::support::TestApp;

const CALLERS: usize = 50;

fn rounds() -> usize {
    std::env::var("RACE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(1000)
}

fn client() -> Client {
    Client::new(ClientKind::Api, "race", String::new())
}

/// All callers present one token together.
async fn together(state: &AppState, token: &str) -> Vec<Result<Tokens, RefreshError>> {
    let barrier = Arc::new(Barrier::new(CALLERS));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (state, token, barrier) = (state.clone(), token.to_owned(), Arc::clone(&barrier));
        callers.spawn(async move {
            barrier.wait().await;
            sessions::refresh(&state, &token, &client()).await
        });
    }
    callers.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_callers_refresh_one_token_at_once_and_all_get_the_one_successor() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut token = app.grant("ada").await.refresh;
    for round in 1..=rounds() {
        let answers = together(&app.state, &token).await;
        let mut successors = HashSet::new();
        let mut access = Vec::new();
        for answer in answers {
            let tokens = answer.expect("every caller ends with a session");
            successors.insert(tokens.refresh);
            access.push(tokens.access);
        }
        assert_eq!(successors.len(), 1, "one chain");
        assert_eq!(
            usize::try_from(access[0].claims.jti.counter()).expect("small"),
            round,
            "one rotation each"
        );
        for token in [&access[0], &access[CALLERS - 1]] {
            verify(&app.state, &token.jwt).await.expect("works");
        }
        token = successors.into_iter().next().expect("one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_minted_before_or_during_a_sign_out_works_after_it() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for _ in 0..rounds() {
        let first = app.grant("ada").await;
        let refreshers = {
            let (state, token) = (app.state.clone(), first.refresh.clone());
            tokio::spawn(async move { together(&state, &token).await })
        };
        let answer = app.post("/revoke", &[("token", &first.refresh)]).await;
        assert_eq!(answer.status, 200);
        let minted: Vec<Tokens> = refreshers.await.expect("ran").into_iter().filter_map(Result::ok).collect();
        assert!(!app.opens(&first.access).await);
        for tokens in minted {
            verify(&app.state, &tokens.access.jwt).await.expect_err("dead");
            sessions::refresh(&app.state, &tokens.refresh, &client())
                .await
                .map(|_| ())
                .expect_err("over");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_races_a_disable_leaves_no_session() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.signed_up("grace").await;
    let name = latchkey::domain::Username::parse("grace").expect("a name");
    for _ in 0..50 {
        let fields = [("username", "grace"), ("password", crate::support::PASSWORD)];
        let (answer, disabled) = tokio::join!(
            app.post("/token", &fields),
            latchkey::server::accounts::operate::disable(&app.state, &name)
        );
        assert!(disabled.expect("done"));
        if let Some(tokens) = crate::support::Tokens::of(&answer) {
            assert!(!app.opens(&tokens.access).await);
            assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
        }
        latchkey::server::accounts::operate::enable(&app.state, &name).await.expect("done");
    }
}
