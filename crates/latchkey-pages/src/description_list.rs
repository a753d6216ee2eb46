//! Names and values, for a `<dl class="facts">`.

use leptos::prelude::*;

/// One of them. Erases its type: nested as they are, the compiler would give up on them.
pub fn fact(name: &'static str, value: impl IntoView + 'static) -> AnyView {
    view! {
        <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
        </div>
    }
    .into_any()
}
