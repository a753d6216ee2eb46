//! `/login`

use axum::extract::State;
use axum::response::Response;
use http::header::SET_COOKIE;
use http::{HeaderMap, Uri};
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{NextQuery, already_signed_in};
use crate::actions::LogIn;
use crate::fields;
use crate::page::Page;
use latchkey_axum::cookie_check;
use latchkey_axum::flash::Flash;
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::{Visitor, with_next};
use latchkey_islands::PendingForm;
use latchkey_types::{Field, Next};

/// `GET /login`
pub async fn log_in(
    State(state): State<AppState>,
    NextQuery(next): NextQuery,
    uri: Uri,
    headers: HeaderMap,
    visitor: Visitor,
    mut page: Page,
) -> Response {
    let why = match visitor {
        Visitor::SignedIn(_) => return already_signed_in(&next),
        Visitor::Ended(reason) => reason.sentence(),
        Visitor::Anonymous | Visitor::Unknown => cookie_check::failed(&state, &uri, &headers).then_some(cookie_check::BLOCKED),
    };
    let flash = page.take_flash();
    let mut response = page.narrow("Sign in", || view! { <LogInForm flash=flash.clone() why next /> });
    // These cookies are no longer valid. The reason has been read from them, so clear them.
    if state.cookies.are_there(&headers) && !matches!(visitor, Visitor::Unknown) {
        for cookie in state.cookies.sign_out() {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    response
}

#[component]
fn LogInForm(flash: Flash, why: Option<&'static str>, next: Next) -> impl IntoView {
    let sign_up = with_next("/signup", &next);
    view! {
        <h1>"Sign in"</h1>
        {fields::form_notice(&flash)}
        {why.map(fields::alert)}
        <PendingForm>
            <form class="panel stack" method="post" action=LogIn::url()>
                {fields::username(&flash)}
                {fields::password("", Field::Password, "Password", &flash)}
                <input type="hidden" name="next" value=next.to_string() />
                <button type="submit" class="primary">
                    "Sign in"
                </button>
            </form>
        </PendingForm>
        <p class="aside">"No account yet? " <a href=sign_up>"Create one"</a> "."</p>
    }
}
