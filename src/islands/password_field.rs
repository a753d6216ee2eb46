//! Help with typing a password.

use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

use super::username_field::Verdict;
use crate::domain::{Password, Problem, Username};

/// Around a password input: a button that shows what is typed.
#[island]
pub fn PasswordField(children: Children) -> impl IntoView {
    let field = NodeRef::<html::Div>::new();
    let shown = RwSignal::new(false);
    let alive = RwSignal::new(false);
    Effect::new(move |_| alive.set(true));
    Effect::new(move |_| {
        let kind = if shown.get() { "text" } else { "password" };
        if let Some(input) = field.get().and_then(|field| field.query_selector("input").ok().flatten()) {
            // Set only when it differs: setting it moves the caret in some browsers.
            if input.get_attribute("type").as_deref() != Some(kind) {
                let _ = input.set_attribute("type", kind);
            }
        }
    });
    view! {
        <div class="password" node_ref=field>
            {children()}
            <button
                type="button"
                class="reveal"
                aria-label="Show password"
                aria-pressed=move || if shown.get() { "true" } else { "false" }
                hidden=move || !alive.get()
                on:click=move |_| shown.update(|shown| *shown = !*shown)
            >
                "Show"
            </button>
        </div>
    }
}

/// Around the field of a new password: says at once what the server would say. The list of common
/// passwords stays on the server.
#[island]
pub fn NewPasswordField(children: Children) -> impl IntoView {
    let verdict = RwSignal::new(wanted());
    view! {
        <div class="live" on:input=move |event| verdict.set(judge(&event_target::<HtmlInputElement>(&event)))>
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
        Ok(_) => Verdict::Good("Long enough.".to_owned()),
        Err(problem) => Verdict::Bad(problem),
    }
}

/// The name typed in the same form.
fn owner(input: &HtmlInputElement) -> Option<Username> {
    let name = input.form()?.query_selector("[name=username]").ok()??;
    Username::parse(&name.dyn_into::<HtmlInputElement>().ok()?.value()).ok()
}
