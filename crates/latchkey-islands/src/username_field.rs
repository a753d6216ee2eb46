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
                {judge("").sentence()}
            </p>
        </div>
    }
}

/// Updates the hint at every change.
pub fn attach(island: &Element) {
    dom::on(island, "input", move |event| {
        if let Some(input) = dom::input_of(&event) {
            dom::forget_error(&input);
            let verdict = judge(&input.value());
            dom::show_hint("#username-hint", verdict.state(), &verdict.sentence());
        }
    });
}

/// A hint beside a field.
#[derive(Clone, PartialEq)]
pub enum Verdict {
    /// The field is empty: the rule for a name.
    Wanted(&'static str),
    /// The name follows the rules: the name under which the user will sign in.
    Good(String),
    /// The name breaks a rule.
    Bad(Problem),
}

impl Verdict {
    /// Returns the value of `data-state` for the style sheet: none, `ok` or `wrong`.
    pub fn state(&self) -> Option<&'static str> {
        match self {
            Verdict::Wanted(_) => None,
            Verdict::Good(_) => Some("ok"),
            Verdict::Bad(_) => Some("wrong"),
        }
    }

    /// Returns the sentence of the hint.
    pub fn sentence(&self) -> String {
        match self {
            Verdict::Wanted(rule) => (*rule).to_owned(),
            Verdict::Good(sentence) => sentence.clone(),
            Verdict::Bad(problem) => problem.to_string(),
        }
    }
}

fn judge(typed: &str) -> Verdict {
    match Username::parse_new(typed) {
        Err(Problem::Missing) => Verdict::Wanted("3 to 32 letters, digits, dots, dashes or underscores. Everybody can see it."),
        Ok(name) => Verdict::Good(format!("You will sign in as {name}.")),
        Err(problem) => Verdict::Bad(problem),
    }
}
