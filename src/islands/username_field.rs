//! What the sign-in name rules say of a name while it is typed.

use leptos::prelude::*;

use super::dom;
use crate::domain::{Problem, Strength, Username};

/// Around the input of a new sign-in name: says at once what the server would say.
#[island]
pub fn UsernameField(children: Children) -> impl IntoView {
    let verdict = RwSignal::new(judge(""));
    let on_input = move |event| {
        dom::forget_error(&event_target(&event));
        verdict.set(judge(&event_target_value(&event)));
    };
    view! {
        <div class="live" on:input=on_input>
            {children()}
            <p class="hint" id="username-hint" data-state=move || verdict.get().state() aria-live="polite">
                {move || verdict.get().sentence()}
            </p>
        </div>
    }
}

/// A hint beside a field.
#[derive(Clone, PartialEq)]
pub enum Verdict {
    /// Nothing typed yet: what is wanted.
    Wanted(&'static str),
    /// Within the rules: what is kept.
    Good(String),
    /// Within the rules: how good it is.
    Strength(Strength),
    /// Outside them.
    Bad(Problem),
}

impl Verdict {
    /// For the style: nothing, `ok`, `weak` or `wrong`.
    pub fn state(&self) -> Option<&'static str> {
        match self {
            Verdict::Wanted(_) => None,
            Verdict::Strength(Strength::Weak) => Some("weak"),
            Verdict::Good(_) | Verdict::Strength(_) => Some("ok"),
            Verdict::Bad(_) => Some("wrong"),
        }
    }

    /// For the reader.
    pub fn sentence(&self) -> String {
        match self {
            Verdict::Wanted(rule) => (*rule).to_owned(),
            Verdict::Good(sentence) => sentence.clone(),
            Verdict::Strength(strength) => strength.sentence().to_owned(),
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
