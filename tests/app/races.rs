//! Many callers at the same moment.
//!
//! `RACE_ROUNDS` sets the number of rounds. A round takes several times as long on PostgreSQL, where each statement goes to a server.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use http::{Method, header};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use latchkey_axum::state::AppState;
use latchkey_core::sessions::{RefreshError, Tokens};
use latchkey_core::throttle::SIGN_INS_TO_ACCOUNT;
use latchkey_store::{Client, ClientKind};

use crate::databases::Engine;
use crate::support::{Answer, ORIGIN, PASSWORD, TestApp, form, request};

const CALLERS: usize = 50;

fn rounds() -> usize {
    std::env::var("RACE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(match Engine::of_this_run() {
            Engine::Sqlite => 1000,
            Engine::Postgres => 200,
        })
}

fn client() -> Client {
    Client::new(ClientKind::Api, "race", None)
}

/// Lets all callers present one token at the same moment.
async fn together(state: &AppState, token: &str) -> Vec<Result<Tokens, RefreshError>> {
    let barrier = Arc::new(Barrier::new(CALLERS));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (state, token, barrier) = (state.clone(), token.to_owned(), Arc::clone(&barrier));
        callers.spawn(async move {
            barrier.wait().await;
            state.sessions.refresh(&token, &client()).await
        });
    }
    callers.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_callers_that_refresh_one_token_at_once_all_get_the_same_successor() {
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
        assert_eq!(successors.len(), 1, "one successor for all callers");
        assert_eq!(
            usize::try_from(access[0].claims.jti.counter()).expect("small"),
            round,
            "one rotation per round"
        );
        for token in [&access[0], &access[CALLERS - 1]] {
            app.state.sessions.verify(&token.jwt).await.expect("works");
        }
        token = successors.into_iter().next().expect("one");
        // A session may be refreshed a limited number of times at once, and then once a second.
        app.pass_seconds(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_on_one_database_that_refresh_one_token_at_once_get_one_successor() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let elsewhere = app.another().await;
    let mut token = app.grant("ada").await.refresh;
    for round in 1..=rounds().min(100) {
        let (here, there) = tokio::join!(together(&app.state, &token), together(&elsewhere, &token));
        let mut successors = HashSet::new();
        for (of, other, answers) in [(&app.state, &elsewhere, here), (&elsewhere, &app.state, there)] {
            for answer in answers {
                let tokens = answer.expect("every caller ends with a session");
                assert_eq!(
                    usize::try_from(tokens.access.claims.jti.counter()).expect("small"),
                    round,
                    "one rotation"
                );
                of.sessions.verify(&tokens.access.jwt).await.expect("works where it was issued");
                other.sessions.verify(&tokens.access.jwt).await.expect("works on the other program");
                successors.insert(tokens.refresh);
            }
        }
        assert_eq!(successors.len(), 1, "one successor for all callers");
        token = successors.into_iter().next().expect("one");
        app.pass_seconds(1);
    }
}

/// Posts a form with the cookies of a session.
async fn post_in(app: &TestApp, session: &crate::support::Tokens, path: &str, fields: &[(&str, &str)]) -> Answer {
    let request = request(Method::POST, path)
        .header(header::ORIGIN, ORIGIN)
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(
            header::COOKIE,
            format!("latchkey={}; latchkey-refresh={}", session.access, session.refresh),
        );
    app.send(request.body(Body::from(form(fields))).expect("a request")).await
}

/// Sends `POST /api/log_out` with the cookies of a session.
async fn sign_out(app: &TestApp, session: &crate::support::Tokens) -> Answer {
    post_in(app, session, "/api/log_out", &[]).await
}

/// The ways in which another client or the operator ends a session.
#[derive(Clone, Copy, Debug)]
enum End {
    PasswordChanged,
    OthersEnded,
    Disabled,
    Removed,
    RemovedByItsOwner,
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_issued_before_or_while_a_session_is_ended_from_elsewhere_works_after_it() {
    let app = TestApp::new().await;
    app.signed_up("first").await;
    let ends = [
        End::PasswordChanged,
        End::OthersEnded,
        End::Disabled,
        End::Removed,
        End::RemovedByItsOwner,
    ];
    for round in 0..rounds().min(100) {
        let (end, name) = (ends[round % ends.len()], format!("ada-{round}"));
        app.signed_up(&name).await;
        let username = latchkey_types::Username::parse(&name).expect("a name");
        let (raced, here) = (app.grant(&name).await, app.grant(&name).await);
        let refreshers = {
            let (state, token) = (app.state.clone(), raced.refresh.clone());
            tokio::spawn(async move { together(&state, &token).await })
        };
        // Ends the session at another moment of the refreshes in each round.
        for _ in 0..round % 23 {
            tokio::task::yield_now().await;
        }
        let removal = [("username", name.as_str()), ("password", PASSWORD)];
        let status = match end {
            End::PasswordChanged => {
                let fields = [("current_password", PASSWORD), ("new_password", "another quiet harbour")];
                post_in(&app, &here, "/api/change_password", &fields).await.status
            }
            End::OthersEnded => post_in(&app, &here, "/api/end_other_sessions", &[]).await.status,
            End::RemovedByItsOwner => post_in(&app, &here, "/api/remove_account", &removal).await.status,
            End::Disabled => {
                assert!(app.state.accounts.disable(&username).await.expect("done"));
                http::StatusCode::OK
            }
            End::Removed => {
                assert!(app.state.accounts.remove(&username).await.expect("done"));
                http::StatusCode::OK
            }
        };
        assert_eq!(status, 200, "{end:?}");
        assert!(!app.opens(&raced.access).await, "{end:?}");
        let minted: Vec<Tokens> = refreshers.await.expect("ran").into_iter().filter_map(Result::ok).collect();
        // The old tokens must not work for the account that is enabled or created again.
        match end {
            End::Disabled => assert!(app.state.accounts.enable(&username).await.expect("done")),
            End::Removed | End::RemovedByItsOwner => drop(app.signed_up(&name).await),
            End::PasswordChanged | End::OthersEnded => {}
        }
        for tokens in minted {
            app.state
                .sessions
                .verify(&tokens.access.jwt)
                .await
                .map(|_| ())
                .expect_err("revoked");
            app.state
                .sessions
                .refresh(&tokens.refresh, &client())
                .await
                .map(|_| ())
                .expect_err("ended");
        }
        assert_eq!(app.refresh(&raced.refresh).await.status, 400, "{end:?}");
        app.pass_seconds(60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_issued_before_or_during_a_sign_out_works_after_it() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    for round in 0..rounds() {
        let first = app.grant("ada").await;
        let refreshers = {
            let (state, token) = (app.state.clone(), first.refresh.clone());
            tokio::spawn(async move { together(&state, &token).await })
        };
        let answer = match round % 2 {
            0 => app.post("/revoke", &[("token", &first.refresh)]).await,
            _ => sign_out(&app, &first).await,
        };
        assert_eq!(answer.status, 200, "{}", answer.body);
        let minted: Vec<Tokens> = refreshers.await.expect("ran").into_iter().filter_map(Result::ok).collect();
        assert!(!app.opens(&first.access).await);
        for tokens in minted {
            app.state.sessions.verify(&tokens.access.jwt).await.expect_err("revoked");
            app.state
                .sessions
                .refresh(&tokens.refresh, &client())
                .await
                .map(|_| ())
                .expect_err("ended");
        }
        // Keeps within the number of sign-ins that one address may make to an account.
        app.pass_seconds(SIGN_INS_TO_ACCOUNT.rate.interval);
    }
}

/// Polls the work this many times and then drops it. Returns the tokens if there was an answer before.
async fn leave_after(polls: usize, work: impl Future<Output = Result<Tokens, RefreshError>>) -> Option<Tokens> {
    let mut work = pin!(work);
    for _ in 0..polls {
        match futures::poll!(work.as_mut()) {
            Poll::Ready(answer) => return answer.ok(),
            Poll::Pending => tokio::time::sleep(Duration::from_micros(50)).await,
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_disconnects_at_any_moment_can_continue_with_the_token_it_has() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let mut token = app.grant("ada").await.refresh;
    let mut answered = 0;
    for round in 0..rounds().min(400) {
        if let Some(tokens) = leave_after(round % 40, app.state.sessions.refresh(&token, &client())).await {
            answered += 1;
            token = tokens.refresh;
        }
        app.pass_seconds(60);
        let tokens = app.state.sessions.refresh(&token, &client()).await.expect("the session goes on");
        token = tokens.refresh;
    }
    println!("{answered} refreshes were answered before the client disconnected");
    assert!(answered > 0, "some refreshes are answered in time");
}

#[tokio::test]
async fn a_change_from_a_session_that_has_just_ended_is_refused() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let account = app.user_id("ada").await;
    let verified = app
        .state
        .sessions
        .tokens
        .verify(&app.token("ada").await, app.state.clock.now())
        .expect("a valid token");
    let name = latchkey_types::Username::parse("ada").expect("a name");
    app.state.accounts.end_sessions(&name).await.expect("ended");
    // As if the end had come between the check of the token and this call.
    let (who, new) = (verified, "another quiet harbour");
    app.state
        .accounts
        .change_password(&who, PASSWORD, new, true, &client())
        .await
        .map(|_| ())
        .expect_err("refused");
    for password in ["", PASSWORD] {
        app.state
            .accounts
            .change_email(&who, "eve@example.org", password, &client())
            .await
            .map(|_| ())
            .expect_err("refused");
    }
    let found = app.state.accounts.find(&name).await.expect("an answer").expect("an account");
    assert_eq!(found.email, None);
    let sessions = app.state.store.count_sessions_of(&account, app.state.clock.now()).await;
    assert_eq!(sessions.expect("a count"), 0);
    app.grant("ada").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_races_with_disabling_the_account_leaves_no_session() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    app.signed_up("grace").await;
    let name = latchkey_types::Username::parse("grace").expect("a name");
    for _ in 0..50 {
        let fields = [("username", "grace"), ("password", PASSWORD)];
        let (answer, disabled) = tokio::join!(app.post("/token", &fields), app.state.accounts.disable(&name));
        assert!(disabled.expect("done"));
        if let Some(tokens) = crate::support::Tokens::of(&answer) {
            assert!(!app.opens(&tokens.access).await);
            assert_eq!(app.refresh(&tokens.refresh).await.status, 400);
        }
        app.state.accounts.enable(&name).await.expect("done");
    }
}
