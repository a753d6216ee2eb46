//! The hint that checks a new sign-in name while it is typed.

use leptos::prelude::*;
use web_sys::Element;

use super::dom;
use latchkey_types::{Problem, Username};

/// Wraps the input of a new sign-in name and shows at once what the server would say about it.
#[component]
pub fn UsernameField(children: Children) -> impl IntoView {
    view! {
        <div class="live" data-island="UsernameField">
            {children()}
            <p class="hint" id="username-hint" aria-live="polite">
                {hint_for("").sentence()}
            </p>
        </div>
    }
}

/// Updates the hint at every change.
pub fn attach(island: &Element) {
    dom::on(island, "input", move |event| {
        if let Some(input) = dom::input_of(&event) {
            dom::forget_error(&input);
            let hint = hint_for(&input.value());
            dom::show_hint("#username-hint", hint.state(), &hint.sentence());
        }
    });
}

/// The hint beside the field of a new sign-in name.
#[derive(Clone, PartialEq)]
pub enum NameHint {
    /// The field is empty: the rule for a name.
    Wanted(&'static str),
    /// The name follows the rules: the name under which the user will sign in.
    Good(String),
    /// The name breaks a rule.
    Bad(Problem),
}

impl NameHint {
    /// Returns the value of `data-state` for the style sheet: none, `ok` or `wrong`.
    pub fn state(&self) -> Option<&'static str> {
        match self {
            NameHint::Wanted(_) => None,
            NameHint::Good(_) => Some("ok"),
            NameHint::Bad(_) => Some("wrong"),
        }
    }

    /// Returns the sentence of the hint.
    pub fn sentence(&self) -> String {
        match self {
            NameHint::Wanted(rule) => (*rule).to_owned(),
            NameHint::Good(sentence) => sentence.clone(),
            NameHint::Bad(problem) => problem.to_string(),
        }
    }
}

fn hint_for(typed: &str) -> NameHint {
    match Username::parse_new(typed) {
        Err(Problem::Missing) => NameHint::Wanted("3 to 32 letters, digits, dots, dashes or underscores. Everybody can see it."),
        Ok(name) => NameHint::Good(format!("You will sign in as {name}.")),
        Err(problem) => NameHint::Bad(problem),
    }
}
