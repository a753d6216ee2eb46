//! Tries a call of the API from its reference page.

use leptos::{ev, prelude::*, task::spawn_local};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{FormData, Headers, HtmlFormElement, RequestInit, Response, UrlSearchParams};

/// Around the form of one operation: sends it as a program would and shows the answer. A field
/// named `Authorization` becomes that header; the others become the form body.
#[island]
pub fn TryIt(children: Children) -> impl IntoView {
    let answer = RwSignal::new(String::new());
    let alive = RwSignal::new(false);
    Effect::new(move |_| alive.set(true));
    let send = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let form: HtmlFormElement = event_target(&event);
        answer.set("Waiting for the answer…".to_owned());
        spawn_local(async move {
            answer.set(call(&form).await.unwrap_or_else(|_| "The server could not be reached.".to_owned()));
        });
    };
    view! {
        <div class="try" hidden=move || !alive.get() on:submit=send>
            {children()}
            <output class="code answer">{move || Some(answer.get()).filter(|answer| !answer.is_empty())}</output>
        </div>
    }
}

async fn call(form: &HtmlFormElement) -> Result<String, JsValue> {
    let fields = FormData::new_with_form(form)?;
    let headers = Headers::new()?;
    if let Some(token) = fields.get("Authorization").as_string().filter(|token| !token.trim().is_empty()) {
        headers.set("Authorization", &format!("Bearer {}", token.trim()))?;
    }
    fields.delete("Authorization");

    let request = RequestInit::new();
    let method = form.get_attribute("method").unwrap_or_default().to_ascii_uppercase();
    request.set_method(&method);
    request.set_headers(&headers);
    // A bearer token speaks for itself: no cookie goes with it.
    request.set_credentials(web_sys::RequestCredentials::Omit);
    if method == "POST" {
        request.set_body(UrlSearchParams::new_with_str_sequence_sequence(&fields)?.as_ref());
    }

    let path = form.get_attribute("action").unwrap_or_default();
    let response: Response = JsFuture::from(window().fetch_with_str_and_init(&path, &request))
        .await?
        .dyn_into()?;
    let body = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
    let mut shown = format!("{} {}\n", response.status(), response.status_text());
    for name in ["content-type", "www-authenticate", "retry-after"] {
        if let Some(value) = response.headers().get(name)? {
            shown.push_str(&format!("{name}: {value}\n"));
        }
    }
    Ok(format!("{shown}\n{body}"))
}
