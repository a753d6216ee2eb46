//! Many callers at the same instant.
//!
//! `RACE_ROUNDS` sets how many rounds are run; a round takes several times as long where each statement goes to a server.

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

/// All callers present one token together.
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
            app.state.sessions.verify(&token.jwt).await.expect("works");
        }
        token = successors.into_iter().next().expect("one");
        // A session is refreshed so many times at once, and then once a second.
        app.pass_seconds(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_programs_on_one_file_refresh_one_token_at_once_and_there_is_one_successor() {
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
                other.sessions.verify(&tokens.access.jwt).await.expect("and on the other one");
                successors.insert(tokens.refresh);
            }
        }
        assert_eq!(successors.len(), 1, "one chain");
        token = successors.into_iter().next().expect("one");
        app.pass_seconds(1);
    }
}

/// A form posted with the cookies of a session.
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

/// `POST /api/log_out` with the cookies of a session.
async fn sign_out(app: &TestApp, session: &crate::support::Tokens) -> Answer {
    post_in(app, session, "/api/log_out", &[]).await
}

/// What ends a session from elsewhere.
#[derive(Clone, Copy, Debug)]
enum End {
    PasswordChanged,
    OthersEnded,
    Disabled,
    Removed,
    RemovedByItsOwner,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_minted_before_or_during_an_end_from_elsewhere_works_after_it() {
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
        // At another moment of theirs each time.
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
        // What was enabled or made again since is not theirs to enter.
        match end {
            End::Disabled => assert!(app.state.accounts.enable(&username).await.expect("done")),
            End::Removed | End::RemovedByItsOwner => drop(app.signed_up(&name).await),
            End::PasswordChanged | End::OthersEnded => {}
        }
        for tokens in minted {
            app.state.sessions.verify(&tokens.access.jwt).await.map(|_| ()).expect_err("dead");
            app.state
                .sessions
                .refresh(&tokens.refresh, &client())
                .await
                .map(|_| ())
                .expect_err("over");
        }
        assert_eq!(app.refresh(&raced.refresh).await.status, 400, "{end:?}");
        app.pass_seconds(60);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_minted_before_or_during_a_sign_out_works_after_it() {
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
            app.state.sessions.verify(&tokens.access.jwt).await.expect_err("dead");
            app.state
                .sessions
                .refresh(&tokens.refresh, &client())
                .await
                .map(|_| ())
                .expect_err("over");
        }
        // No more sign-ins than one address may make to an account.
        app.pass_seconds(SIGN_INS_TO_ACCOUNT.rate.interval);
    }
}

/// Goes away after being polled so many times. Whether there was an answer before.
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
async fn a_client_that_goes_away_at_any_moment_can_come_back_with_the_token_it_has() {
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
    println!("{answered} were answered before they went away");
    assert!(answered > 0, "some were");
}

#[tokio::test]
async fn a_change_from_a_session_that_has_just_ended_changes_nothing() {
    let app = TestApp::new().await;
    app.signed_up("ada").await;
    let account = app.user_id("ada").await;
    let verified = app
        .state
        .sessions
        .tokens
        .verify(&app.token("ada").await, app.state.clock.now())
        .expect("good");
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
async fn a_sign_in_that_races_a_disable_leaves_no_session() {
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
