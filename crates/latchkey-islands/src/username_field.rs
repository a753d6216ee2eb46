//! What the sign-in name rules say of a name while it is typed.

use leptos::prelude::*;
use web_sys::Element;

use super::dom;
use latchkey_types::{Problem, Username};

/// Around the input of a new sign-in name: says at once what the server would say.
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

/// Judges the name at every change.
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
    /// Nothing typed yet: what is wanted.
    Wanted(&'static str),
    /// Within the rules: what is kept.
    Good(String),
    /// Outside them.
    Bad(Problem),
}

impl Verdict {
    /// For the style: nothing, `ok` or `wrong`.
    pub fn state(&self) -> Option<&'static str> {
        match self {
            Verdict::Wanted(_) => None,
            Verdict::Good(_) => Some("ok"),
            Verdict::Bad(_) => Some("wrong"),
        }
    }

    /// For the reader.
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
