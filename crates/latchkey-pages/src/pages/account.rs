//! `/account`: the data of the account, and the forms that change it.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::actions::{ChangeEmail, ChangePassword, RemoveAccount};
use crate::description_list::fact;
use crate::error_pages;
use crate::page::Page;
use crate::{fields, time};
use latchkey_axum::flash::Flash;
use latchkey_axum::state::AppState;
use latchkey_axum::visitor::SignedIn;
use latchkey_core::accounts::Refusal;
use latchkey_islands::PendingForm;
use latchkey_store::Account;
use latchkey_types::{Field, Role};

/// `GET /account`
pub async fn account(State(state): State<AppState>, _headers: HeaderMap, mut page: Page, signed_in: SignedIn) -> Response {
    let (account, needs_proof) = match load(&state, &signed_in).await {
        Ok(loaded) => loaded,
        Err(refusal) => return error_pages::refused(&state, page, &refusal),
    };
    let flash = page.take_flash();
    page.guarded("Account", signed_in, |_| {
        view! {
            <Facts account=account.clone() />
            <PasswordForm flash=flash.of(ChangePassword::PLACE.form) username=account.username.clone() />
            <EmailForm flash=flash.of(ChangeEmail::PLACE.form) email=account.shown_email().unwrap_or_default() needs_proof />
            <RemovalForm flash=flash.of(RemoveAccount::PLACE.form) />
        }
    })
}

async fn load(state: &AppState, signed_in: &SignedIn) -> Result<(Account, bool), Refusal> {
    let account = state.store.user(&signed_in.user.id).await?.ok_or(Refusal::NotSignedIn)?;
    Ok((account, state.accounts.needs_proof(signed_in.claims.sid).await?))
}

#[component]
fn Facts(account: Account) -> impl IntoView {
    let email = account.shown_email().unwrap_or_else(|| "None".to_owned());
    let role = match account.role {
        Role::Admin => "Administrator",
        Role::User => "User",
    };
    view! {
        <section class="panel" aria-label="Account details">
            <dl class="facts columns">
                {fact("Sign-in name", account.username)} {fact("Email", email)}
                {fact("Role", role)} {fact("Member since", time::date(account.created_at))}
                {fact("User id", view! { <code>{account.id.to_string()}</code> })}
            </dl>
        </section>
    }
}

#[component]
fn PasswordForm(flash: Flash, username: String) -> impl IntoView {
    let form = ChangePassword::PLACE.form;
    view! {
        <section class="panel stack close change" id=form aria-labelledby="password-title">
            <h2 id="password-title">"Change your password"</h2>
            {fields::form_notice(&flash)}
            <PendingForm>
                <form class="stack close" method="post" action=ChangePassword::url()>
                    // Tells password managers whose password this is.
                    <input type="text" name="username" autocomplete="username" value=username readonly hidden />
                    {fields::password(form, Field::CurrentPassword, "Current password", &flash)}
                    {fields::new_password(form, Field::NewPassword, "New password", &flash)}
                    <label class="choice">
                        <input type="checkbox" name="keep_others" value="yes" />
                        <span>"Keep my other sessions signed in"</span>
                    </label>
                    <p>
                        <button type="submit">"Change password"</button>
                    </p>
                </form>
            </PendingForm>
        </section>
    }
}

#[component]
fn EmailForm(flash: Flash, email: String, needs_proof: bool) -> impl IntoView {
    let form = ChangeEmail::PLACE.form;
    let typed = flash.typed.get("email").cloned().unwrap_or(email);
    view! {
        <section class="panel stack close change" id=form aria-labelledby="email-title">
            <h2 id="email-title">"Change your email"</h2>
            {fields::form_notice(&flash)}
            <PendingForm>
                <form class="stack close" method="post" action=ChangeEmail::url()>
                    {fields::email(form, "Email (optional)", &typed, &flash)}
                    {needs_proof.then(|| fields::password(form, Field::Password, "Your password", &flash))}
                    <p>
                        <button type="submit">"Change email"</button>
                    </p>
                </form>
            </PendingForm>
        </section>
    }
}

#[component]
fn RemovalForm(flash: Flash) -> impl IntoView {
    let form = RemoveAccount::PLACE.form;
    view! {
        <section class="panel stack close change danger" id=form aria-labelledby="removal-title">
            <h2 id="removal-title">"Remove your account"</h2>
            <p>"This removes your account with all its data and ends all your sessions. It cannot be undone."</p>
            {fields::form_notice(&flash)}
            <PendingForm>
                <form class="stack close" method="post" action=RemoveAccount::url()>
                    {fields::confirmed_name(form, &flash)} {fields::password(form, Field::Password, "Your password", &flash)}
                    <p>
                        <button type="submit">"Remove account"</button>
                    </p>
                </form>
            </PendingForm>
        </section>
    }
}
