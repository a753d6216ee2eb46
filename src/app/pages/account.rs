//! `/account`

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use leptos::prelude::*;

use crate::app::Page;
use crate::app::error::unavailable;
use crate::app::format;
use crate::domain::Role;
use crate::server::accounts::Account;
use crate::server::session::SignedIn;
use crate::server::state::AppState;

/// `GET /account`
pub async fn account(State(state): State<AppState>, page: Page, signed_in: SignedIn) -> Response {
    match state.store.user(&signed_in.user.id).await {
        Ok(Some(account)) => page.guarded("Account", signed_in, |_| view! { <AccountFacts account /> }),
        Ok(None) => super::gone(&state).into_response(),
        Err(error) => unavailable(page, &error),
    }
}

#[component]
fn AccountFacts(account: Account) -> impl IntoView {
    let role = match account.role {
        Role::Admin => "Administrator",
        Role::User => "User",
    };
    view! {
        <div class="panel">
            <dl class="facts columns">
                <div>
                    <dt>"Sign-in name"</dt>
                    <dd>{account.username}</dd>
                </div>
                <div>
                    <dt>"Email"</dt>
                    <dd>{account.email.unwrap_or_else(|| "None".to_owned())}</dd>
                </div>
                <div>
                    <dt>"Role"</dt>
                    <dd>{role}</dd>
                </div>
                <div>
                    <dt>"Member since"</dt>
                    <dd>{format::date(account.created_at)}</dd>
                </div>
                <div>
                    <dt>"User id"</dt>
                    <dd>
                        <code>{account.id.to_string()}</code>
                    </dd>
                </div>
            </dl>
        </div>
    }
}
