//! The rows of a `<dl class="facts">`.

use leptos::prelude::*;

/// Renders one name and its value. The type is erased, because the compiler cannot handle view types nested this deeply.
pub fn fact(name: &'static str, value: impl IntoView + 'static) -> AnyView {
    view! {
        <div>
            <dt>{name}</dt>
            <dd>{value}</dd>
        </div>
    }
    .into_any()
}
