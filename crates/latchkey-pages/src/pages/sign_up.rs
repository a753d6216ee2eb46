//! `/signup`

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Uri};
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{NextQuery, already_signed_in};
use crate::actions::SignUp;
use crate::error_pages;
use crate::fields;
use crate::page::Page;
use latchkey_axum::cookie_check;
use latchkey_axum::flash::{Flash, Notice};
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::{SignedIn, with_next};
use latchkey_islands::PendingForm;
use latchkey_types::{Field, Next};

/// `GET /signup`
pub async fn sign_up(
    State(state): State<AppState>,
    NextQuery(next): NextQuery,
    uri: Uri,
    headers: HeaderMap,
    signed_in: Option<SignedIn>,
    mut page: Page,
) -> Response {
    if signed_in.is_some() {
        return already_signed_in(&next);
    }
    if !state.config.signup_open {
        return page.narrow("Create account", || view! { <SignUpClosed /> });
    }
    let first = match state.store.never_had_an_account().await {
        Ok(first) => first,
        Err(error) => return error_pages::refused(&state, page, &error.into()),
    };
    let flash = page.take_flash();
    let why = cookie_check::failed(&state, &uri, &headers).then_some(cookie_check::BLOCKED);
    page.narrow("Create account", || view! { <SignUpForm flash=flash.clone() why next first /> })
}

#[component]
fn SignUpForm(flash: Flash, why: Option<&'static str>, next: Next, first: bool) -> impl IntoView {
    let sign_in = with_next("/login", &next);
    view! {
        <h1>"Create account"</h1>
        {first.then(|| view! { <p class="note">"The first account becomes the administrator."</p> })}
        {fields::form_notice(&flash)}
        {why.map(fields::alert)}
        <PendingForm>
            <form class="panel stack" method="post" action=SignUp::url()>
                {fields::new_username(&flash)}
                {fields::new_password("", Field::Password, "Password", &flash)}
                {fields::email("", "Email (optional)", flash.typed("email"), &flash)}
                <input type="hidden" name="next" value=next.to_string() />
                <button type="submit" class="primary">
                    "Create account"
                </button>
            </form>
        </PendingForm>
        <p class="aside">"Already have an account? " <a href=sign_in>"Sign in"</a> "."</p>
    }
}

#[component]
fn SignUpClosed() -> impl IntoView {
    view! {
        <h1>"Create account"</h1>
        <p class="lead">{Notice::SignupClosed.sentence()}</p>
        <p class="aside">"Already have an account? " <a href="/login">"Sign in"</a> "."</p>
    }
}
