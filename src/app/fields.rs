//! The fields of forms: label, input, hint, error. Plain functions of what the last post had to say.

use leptos::prelude::*;

use crate::domain::{Field, Problem};
use crate::islands::{NewPasswordField, PasswordField, UsernameField};
use crate::server::flash::Flash;

/// The sign-in name of an account that is there.
pub fn username(flash: &Flash) -> impl IntoView + use<> {
    labelled(
        Field::Username,
        "Sign-in name",
        flash,
        username_input(flash, "username-error").into_any(),
    )
}

/// The sign-in name of an account to be made, judged while it is typed.
pub fn new_username(flash: &Flash) -> impl IntoView + use<> {
    let input = username_input(flash, "username-hint username-error");
    labelled(
        Field::Username,
        "Sign-in name",
        flash,
        view! { <UsernameField>{input}</UsernameField> }.into_any(),
    )
}

fn username_input(flash: &Flash, described_by: &'static str) -> impl IntoView + use<> {
    view! {
        <input
            id="username"
            name="username"
            type="text"
            autocomplete="username"
            autocapitalize="none"
            spellcheck="false"
            required
            value=flash.typed("username").to_owned()
            aria-describedby=described_by
            aria-invalid=invalid(flash, Field::Username)
        />
    }
}

/// The password of an account that is there.
pub fn current_password(flash: &Flash) -> impl IntoView + use<> {
    let input = password_input(flash, "current-password", "password-error");
    labelled(
        Field::Password,
        "Password",
        flash,
        view! { <PasswordField>{input}</PasswordField> }.into_any(),
    )
}

/// A new password, judged while it is typed.
pub fn new_password(flash: &Flash) -> impl IntoView + use<> {
    let input = password_input(flash, "new-password", "password-hint password-error");
    let field = view! {
        <NewPasswordField>
            <PasswordField>{input}</PasswordField>
        </NewPasswordField>
    };
    labelled(Field::Password, "Password", flash, field.into_any())
}

fn password_input(flash: &Flash, autocomplete: &'static str, described_by: &'static str) -> impl IntoView + use<> {
    view! {
        <input
            id="password"
            name="password"
            type="password"
            autocomplete=autocomplete
            required
            aria-describedby=described_by
            aria-invalid=invalid(flash, Field::Password)
        />
    }
}

/// The optional address.
pub fn email(flash: &Flash) -> impl IntoView + use<> {
    // Not type=email: browsers would judge by rules of their own, in words of their own.
    let input = view! {
        <input
            id="email"
            name="email"
            type="text"
            inputmode="email"
            autocomplete="email"
            autocapitalize="none"
            spellcheck="false"
            value=flash.typed("email").to_owned()
            aria-describedby="email-hint email-error"
            aria-invalid=invalid(flash, Field::Email)
        />
        <p class="hint" id="email-hint">
            "Never shown to anybody else."
        </p>
    };
    labelled(Field::Email, "Email (optional)", flash, input.into_any())
}

/// Around an input: its label above, what is wrong with it below.
fn labelled(field: Field, label: &'static str, flash: &Flash, input: AnyView) -> impl IntoView + use<> {
    let problem = flash.problem(field);
    view! {
        <div class="field">
            <label for=field.name()>{label}</label>
            {input}
            <p class="error" id=format!("{}-error", field.name())>
                {problem.as_ref().map(Problem::to_string)}
            </p>
        </div>
    }
}

fn invalid(flash: &Flash, field: Field) -> Option<&'static str> {
    flash.problem(field).map(|_| "true")
}

/// The sentence for the whole form, if there is one.
pub fn form_notice(flash: &Flash) -> impl IntoView + use<> {
    flash.notice.map(|notice| {
        if notice.is_error() {
            view! {
                <p class="alert" role="alert">
                    {notice.sentence()}
                </p>
            }
        } else {
            view! {
                <p class="note" role="status">
                    {notice.sentence()}
                </p>
            }
        }
    })
}
