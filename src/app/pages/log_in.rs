//! `/login`

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{NextQuery, already_signed_in, flash, shown};
use crate::api::LogIn;
use crate::app::Page;
use crate::app::fields;
use crate::domain::Next;
use crate::islands::PendingForm;
use crate::server::flash::Flash;
use crate::server::session::{SignedIn, with_next};
use crate::server::state::AppState;

/// `GET /login`
pub async fn log_in(
    State(state): State<AppState>,
    NextQuery(next): NextQuery,
    headers: HeaderMap,
    signed_in: Option<SignedIn>,
    page: Page,
) -> Response {
    if signed_in.is_some() {
        return already_signed_in(&next);
    }
    let flash = flash(&state, &headers, LogIn::PAGE);
    let response = page.narrow("Sign in", || view! { <LogInForm flash=flash.clone() next /> });
    shown(&state, &flash, response)
}

#[component]
fn LogInForm(flash: Flash, next: Next) -> impl IntoView {
    let sign_up = with_next("/signup", &next);
    view! {
        <h1>"Sign in"</h1>
        {fields::form_notice(&flash)}
        <PendingForm>
            <form class="panel stack" method="post" action=LogIn::url()>
                {fields::username(&flash)}
                {fields::current_password(&flash)}
                <input type="hidden" name="next" value=next.to_string() />
                <button type="submit" class="primary">
                    "Sign in"
                </button>
            </form>
        </PendingForm>
        <p class="aside">"No account yet? " <a href=sign_up>"Create one"</a> "."</p>
    }
}
