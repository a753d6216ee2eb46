//! Help with typing a password.

use leptos::ev::MouseEvent;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

use super::dom;
use super::username_field::Verdict;
use crate::domain::{Password, Problem, Strength, Username};

/// Around a password input: a button that shows what is typed.
#[island]
pub fn PasswordField(children: Children) -> impl IntoView {
    let shown = RwSignal::new(false);
    let toggle = move |event: MouseEvent| {
        shown.update(|shown| *shown = !*shown);
        if let Some(input) = dom::find_beside(&event, "input") {
            // Refused only by a document that is going away.
            let _ = input.set_attribute("type", if shown.get_untracked() { "text" } else { "password" });
        }
    };
    view! {
        <div class="password">
            {children()}
            <button
                type="button"
                class="reveal"
                aria-label="Show password"
                aria-pressed=move || if shown.get() { "true" } else { "false" }
                on:click=toggle
            >
                "Show"
            </button>
        </div>
    }
}

/// Around the field of a new password: says at once what the server would say, and how hard it looks to guess. The list
/// of common passwords stays on the server.
#[island]
pub fn NewPasswordField(children: Children) -> impl IntoView {
    let verdict = RwSignal::new(wanted());
    let on_input = move |event| {
        let input: HtmlInputElement = event_target(&event);
        dom::forget_error(&input);
        verdict.set(judge(&input));
    };
    view! {
        <div class="live" on:input=on_input>
            {children()}
            <p class="hint" id="password-hint" data-state=move || verdict.get().state() aria-live="polite">
                {move || verdict.get().sentence()}
            </p>
        </div>
    }
}

fn wanted() -> Verdict {
    Verdict::Wanted("8 to 128 characters. A few words are better than a mix of signs.")
}

fn judge(input: &HtmlInputElement) -> Verdict {
    match Password::parse(&input.value(), owner(input).as_ref()) {
        Err(Problem::Missing) => wanted(),
        Ok(password) => Verdict::Strength(Strength::of(password.expose())),
        Err(problem) => Verdict::Bad(problem),
    }
}

/// The name typed in the same form.
fn owner(input: &HtmlInputElement) -> Option<Username> {
    let name = input.form()?.query_selector("[name=username]").ok()??;
    Username::parse(&name.dyn_into::<HtmlInputElement>().ok()?.value()).ok()
}
