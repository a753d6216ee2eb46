//! Password inputs: the button that shows the password, and the hint for a new one.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlInputElement};

use super::dom;
use latchkey_types::{PasswordHint, Username};

/// Wraps a password input and adds a button that shows what is typed.
#[component]
pub fn PasswordField(children: Children) -> impl IntoView {
    view! {
        <div class="password" data-island="PasswordField">
            {children()}
            <button type="button" class="reveal" aria-label="Show password" aria-pressed="false">
                "Show"
            </button>
        </div>
    }
}

/// Shows and hides the password on a click.
pub fn attach_reveal(island: Element) {
    let Some(button) = dom::find_in(&island, "button.reveal") else {
        return;
    };
    let target = button.clone();
    dom::on(&target, "click", move |_| {
        if let Some(input) = dom::find_in(&island, "input[name]") {
            let show = input.get_attribute("type").as_deref() == Some("password");
            dom::set_attribute(&input, "type", Some(if show { "text" } else { "password" }));
            dom::set_attribute(&button, "aria-pressed", Some(if show { "true" } else { "false" }));
        }
    });
}

/// Wraps the field of a new password and shows at once what the server would say about its length.
#[component]
pub fn NewPasswordField(children: Children) -> impl IntoView {
    view! {
        <div class="live" data-island="NewPasswordField">
            {children()}
            <p class="hint" id="password-hint" aria-live="polite">
                {PasswordHint::Empty.sentence()}
            </p>
        </div>
    }
}

/// Updates the hint at every change.
pub fn attach_hint(island: &Element) {
    dom::on(island, "input", move |event| {
        if let Some(input) = dom::input_of(&event) {
            dom::forget_error(&input);
            let hint = PasswordHint::of(&input.value(), owner(&input).as_ref());
            dom::show_hint("#password-hint", hint.state(), &hint.sentence());
        }
    });
}

/// Returns the sign-in name that is typed in the same form.
fn owner(input: &HtmlInputElement) -> Option<Username> {
    let name = input.form()?.query_selector("[name=username]").ok()??;
    Username::parse(&name.dyn_into::<HtmlInputElement>().ok()?.value()).ok()
}
