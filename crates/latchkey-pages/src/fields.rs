//! Renders form fields: label, input, hint and error. What the last post left in the flash cookie fills them.
//!
//! If a page has several forms, each form has a name, and the ids of its fields begin with that name.

use std::borrow::Cow;

use leptos::prelude::*;

use latchkey_axum::flash::Flash;
use latchkey_islands::{NewPasswordField, PasswordField, UsernameField};
use latchkey_types::{Field, Problem};

/// Renders the sign-in name of an existing account.
pub fn username(flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of("", Field::Username);
    let input = username_input(&place, flash, "username", place.error.clone());
    labelled(&place, "Sign-in name", flash, input.into_any())
}

/// Renders the sign-in name of a new account, with a hint that checks it while it is typed.
pub fn new_username(flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of("", Field::Username);
    let input = username_input(&place, flash, "username", format!("username-hint {}", place.error));
    labelled(
        &place,
        "Sign-in name",
        flash,
        view! { <UsernameField>{input}</UsernameField> }.into_any(),
    )
}

/// Renders the field where users type their sign-in name to confirm an action.
pub fn confirmed_name(form: &str, flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of(form, Field::Username);
    let input = username_input(&place, flash, "off", place.error.clone());
    labelled(&place, "Type your sign-in name", flash, input.into_any())
}

fn username_input(place: &Place, flash: &Flash, autocomplete: &'static str, described_by: String) -> impl IntoView + use<> {
    view! {
        <input
            id=place.id.clone()
            name="username"
            type="text"
            autocomplete=autocomplete
            autocapitalize="none"
            spellcheck="false"
            required
            value=flash.typed("username").to_owned()
            aria-describedby=described_by
            aria-invalid=invalid(place, flash)
        />
    }
}

/// Renders the password of an existing account.
pub fn password(form: &str, field: Field, label: &'static str, flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of(form, field);
    let input = password_input(&place, flash, "current-password", place.error.clone());
    labelled(&place, label, flash, view! { <PasswordField>{input}</PasswordField> }.into_any())
}

/// Renders a new password, with a hint that checks it while it is typed.
pub fn new_password(form: &str, field: Field, label: &'static str, flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of(form, field);
    let input = password_input(&place, flash, "new-password", format!("password-hint {}", place.error));
    let checked = view! {
        <NewPasswordField>
            <PasswordField>{input}</PasswordField>
        </NewPasswordField>
    };
    labelled(&place, label, flash, checked.into_any())
}

fn password_input(place: &Place, flash: &Flash, autocomplete: &'static str, described_by: String) -> impl IntoView + use<> {
    view! {
        <input
            id=place.id.clone()
            name=place.field.name()
            type="password"
            autocomplete=autocomplete
            required
            aria-describedby=described_by
            aria-invalid=invalid(place, flash)
        />
    }
}

/// Renders the optional email address with its stored or last typed value.
pub fn email(form: &str, label: &'static str, value: &str, flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of(form, Field::Email);
    let hint = format!("{}-hint", place.id);
    // Not type=email, because browsers would apply their own rules and show their own messages.
    let input = view! {
        <input
            id=place.id.clone()
            name="email"
            type="text"
            inputmode="email"
            autocomplete="email"
            autocapitalize="none"
            spellcheck="false"
            value=value.to_owned()
            aria-describedby=format!("{hint} {}", place.error)
            aria-invalid=invalid(&place, flash)
        />
        <p class="hint" id=hint>
            "Never shown to other users."
        </p>
    };
    labelled(&place, label, flash, input.into_any())
}

/// A line of text in a form that the app adds.
pub fn text(form: &str, field: Field, label: &'static str, flash: &Flash) -> impl IntoView + use<> {
    let place = Place::of(form, field);
    let input = view! {
        <input
            id=place.id.clone()
            name=field.name()
            type="text"
            required
            value=flash.typed(field.name()).to_owned()
            aria-describedby=place.error.clone()
            aria-invalid=invalid(&place, flash)
        />
    };
    labelled(&place, label, flash, input.into_any())
}

/// A field in its form, with the ids that connect label, input and error.
struct Place {
    field: Field,
    id: String,
    error: String,
}

impl Place {
    fn of(form: &str, field: Field) -> Self {
        let id = if form.is_empty() {
            field.name().to_owned()
        } else {
            format!("{form}-{}", field.name())
        };
        Self {
            field,
            error: format!("{id}-error"),
            id,
        }
    }
}

/// Renders the label above an input and its error below.
fn labelled(place: &Place, label: &'static str, flash: &Flash, input: AnyView) -> impl IntoView + use<> {
    let problem = flash.problem(place.field);
    view! {
        <div class="field">
            <label for=place.id.clone()>{label}</label>
            {input}
            <p class="error" id=place.error.clone()>
                {problem.as_ref().map(Problem::to_string)}
            </p>
        </div>
    }
}

fn invalid(place: &Place, flash: &Flash) -> Option<&'static str> {
    flash.problem(place.field).map(|_| "true")
}

/// Renders the notice for the whole form, if there is one.
pub fn form_notice(flash: &Flash) -> impl IntoView + use<> {
    flash.notice.map(|notice| {
        if notice.is_error() {
            alert(notice.sentence()).into_any()
        } else {
            view! {
                <p class="note" role="status">
                    {notice.sentence()}
                </p>
            }
            .into_any()
        }
    })
}

/// Renders a sentence about something that went wrong.
pub fn alert(sentence: impl Into<Cow<'static, str>>) -> impl IntoView {
    view! {
        <p class="alert" role="alert">
            {sentence.into()}
        </p>
    }
}
