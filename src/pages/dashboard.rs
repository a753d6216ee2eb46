//! `/dashboard`: an example of a protected page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use latchkey_core::tokens::Header;
use leptos::prelude::*;

use latchkey_axum::state::AppState;
use latchkey_axum::visitor::SignedIn;
use latchkey_core::accounts::Refusal;
use latchkey_core::tokens::Claims;
use latchkey_islands::countdown::clock;
use latchkey_islands::{CopyButton, Countdown};
use latchkey_pages::client_name::client_name;
use latchkey_pages::description_list::fact;
use latchkey_pages::error_pages;
use latchkey_pages::page::Page;
use latchkey_pages::time;
use latchkey_store::{Account, AuditEvent, COUNT_CAP, SessionId, SessionPage};

/// Sessions shown here. `/sessions` shows all of them.
const SESSIONS_SHOWN: usize = 4;

/// Audit events shown.
const EVENTS_SHOWN: i64 = 8;

/// `GET /dashboard`
pub async fn dashboard(State(state): State<AppState>, page: Page, signed_in: SignedIn) -> Response {
    let loaded = match load(&state, &signed_in).await {
        Ok(loaded) => loaded,
        Err(refusal) => return error_pages::refused(&state, page, &refusal),
    };
    let seconds_left = signed_in.claims.exp - state.clock.now();
    let Loaded { account, sessions, events } = loaded;
    let curl = curl_line(state.config.public_url.origin(), &account.username);
    let header = state.sessions.tokens.header().clone();
    page.guarded("Dashboard", signed_in, |SignedIn { user, claims }| {
        view! {
            <p class="lead">
                "Hello, " <strong>{user.username}</strong> ". Only you can see this page, and only while you are signed in."
            </p>
            <div class="overview">
                <WhoYouAre account />
                <YourSessions listed=sessions here=claims.sid />
                <YourToken header claims seconds_left />
                <YourEvents events />
                <CallTheApi curl />
            </div>
        }
    })
}

/// The data that the page shows.
struct Loaded {
    account: Account,
    sessions: SessionPage,
    events: Vec<AuditEvent>,
}

async fn load(state: &AppState, signed_in: &SignedIn) -> Result<Loaded, Refusal> {
    let user = &signed_in.user.id;
    let account = state.store.user(user).await?.ok_or(Refusal::NotSignedIn)?;
    let (here, now) = (signed_in.claims.sid, state.clock.now());
    Ok(Loaded {
        account,
        sessions: state.store.live_sessions(user, here, None, now, SESSIONS_SHOWN).await?,
        events: state.store.events(user, EVENTS_SHOWN).await?,
    })
}

#[component]
fn WhoYouAre(account: Account) -> impl IntoView {
    let email = account.shown_email().unwrap_or_else(|| "None".to_owned());
    view! {
        <section class="panel stack close" aria-labelledby="you">
            <h2 id="you">"Your account"</h2>
            <dl class="facts">
                {fact("Sign-in name", account.username)} {fact("Role", account.role.as_str())}
                {fact("Email", email)}
                {fact("User id", view! { <code>{account.id.to_string()}</code> })}
            </dl>
        </section>
    }
}

/// Shows the current session, some others, and how many more there are.
#[component]
fn YourSessions(listed: SessionPage, here: SessionId) -> impl IntoView {
    let more = listed.all.exactly().map(|all| all.saturating_sub(listed.sessions.len()));
    let rows = listed.sessions.into_iter().map(|session| {
        let this = session.id == here;
        view! {
            <li>
                <span>{client_name(&session.client)}</span>
                " "
                {if this { view! { <span class="badge">"This device"</span> }.into_any() } else { time::minute(session.last_used_at).into_any() }}
            </li>
        }
    });
    view! {
        <section class="panel stack close" aria-labelledby="sessions">
            <h2 id="sessions">"Your sessions"</h2>
            <ul class="lines">{rows.collect_view()}</ul>
            <p>
                <a href="/sessions">
                    {match more {
                        Some(0) => "See and end sessions".to_owned(),
                        Some(more) => format!("See {more} more, and end them"),
                        None => format!("See more than {COUNT_CAP}, and end them"),
                    }}
                </a>
            </p>
        </section>
    }
}

/// Shows the latest audit events of the account.
#[component]
fn YourEvents(events: Vec<AuditEvent>) -> impl IntoView {
    let rows = events.into_iter().map(|event| {
        let what = match event.count {
            1 => event.kind.sentence().to_owned(),
            often => format!("{} ({often} times)", event.kind.sentence()),
        };
        view! {
            <li data-warning=event.kind.is_warning().then_some("")>
                <span>{what}</span>
                " "
                <span class="quiet">{client_name(&event.client)} {event.client.address.map(|address| view! { ", " <code>{address.to_string()}</code> })}</span>
                " "
                {time::second(event.at)}
            </li>
        }
    });
    view! {
        <section class="panel stack close wide" aria-labelledby="events">
            <h2 id="events">"Recent activity"</h2>
            <ul class="lines events">{rows.collect_view()}</ul>
        </section>
    }
}

/// Shows the decoded token: its header and claims, never its signature.
#[component]
fn YourToken(header: Header, claims: Arc<Claims>, seconds_left: i64) -> impl IntoView {
    let left = clock(i32::try_from(seconds_left.max(0)).unwrap_or(i32::MAX));
    let roles: Vec<&str> = claims.roles.iter().map(|role| role.as_str()).collect();
    view! {
        <section class="panel stack close tall" aria-labelledby="token">
            <div class="panel-head">
                <h2 id="token">"Your access token"</h2>
                <p>"Expires in " <Countdown>{left}</Countdown></p>
            </div>
            <h3>"Header"</h3>
            <dl class="facts columns">
                {claim("typ", "type", header.typ.unwrap_or_default())} {claim("alg", "algorithm", format!("{:?}", header.alg))}
                {claim("kid", "key", header.kid.unwrap_or_default())}
            </dl>
            <h3>"Claims"</h3>
            <dl class="facts columns">
                {claim("iss", "issuer", claims.iss.clone())} {claim("aud", "audience", claims.aud.clone())} {claim("sub", "user id", claims.sub.0.clone())}
                {claim("username", "", claims.username.clone())} {claim("roles", "", format!("{roles:?}"))} {claim("sid", "session", claims.sid.to_string())}
                {claim("jti", "token id", claims.jti.to_string())} {moment("iat", "issued", claims.iat)} {moment("exp", "expires", claims.exp)}
                {claim("epoch", "", claims.epoch.to_string())}
            </dl>
        </section>
    }
}

#[component]
fn CallTheApi(curl: String) -> impl IntoView {
    view! {
        <section class="panel stack close wide" aria-labelledby="call">
            <h2 id="call">"Call the API as yourself"</h2>
            <p>"Paste this line into a terminal (bash or zsh). It asks for your password, gets its own token and calls the API with it."</p>
            <CopyButton>
                <pre class="code" id="curl-line" tabindex="0" role="group" aria-label="curl command">
                    <code>{curl}</code>
                </pre>
            </CopyButton>
        </section>
    }
}

/// Returns a command that gets a token and uses it, with only `curl`, `sed` and the shell. The password appears neither in the
/// command nor in the shell history.
fn curl_line(origin: &str, username: &str) -> String {
    format!(
        "printf 'Password: '; read -rs PASSWORD; TOKEN=$(printf %s \"$PASSWORD\" | curl -s {origin}/token -d username={username} --data-urlencode password@- \
         | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/'); echo; curl -H \"Authorization: Bearer $TOKEN\" {origin}/protected"
    )
}

// These functions erase their types, because the compiler cannot handle view types nested this deeply.

fn claim(name: &'static str, meaning: &'static str, value: String) -> AnyView {
    view! {
        <div>
            <dt>
                <code>{name}</code>
                " "
                {meaning}
            </dt>
            <dd>
                <code>{value}</code>
            </dd>
        </div>
    }
    .into_any()
}

fn moment(name: &'static str, meaning: &'static str, seconds: i64) -> AnyView {
    view! {
        <div>
            <dt>
                <code>{name}</code>
                " "
                {meaning}
            </dt>
            <dd>
                <code>{seconds.to_string()}</code>
                " "
                {time::second(seconds)}
            </dd>
        </div>
    }
    .into_any()
}
