//! `/docs`: the reference of the API, generated from its OpenAPI description.

use axum::response::Response;
use leptos::prelude::*;

use axum::extract::State;
use latchkey_axum::api::openapi;
use latchkey_axum::api::openapi::{FormField, Operation};
use latchkey_axum::state::AppState;
use latchkey_islands::CopyButton;
use latchkey_pages::assets;
use latchkey_pages::page::Page;

/// `GET /docs`
pub async fn docs(State(state): State<AppState>, page: Page) -> Response {
    let origin = state.config.public_url.origin();
    page.public("API", || view! { <Reference operations=openapi::operations() origin /> })
}

#[component]
fn Reference<'a>(operations: Vec<Operation>, origin: &'a str) -> impl IntoView + use<> {
    let contents = operations
        .iter()
        .map(|operation| {
            view! {
                <li>
                    <a href=format!("#{}", operation.id())>{title(operation)}</a>
                </li>
            }
        })
        .collect_view();
    let entries = operations.into_iter().map(|operation| entry(operation, origin)).collect_view();
    view! {
        <h1>"API"</h1>
        <p class="lead">
            "Programs use the same accounts as people: get a token from " <code>"POST /token"</code> ", then send it in the "
            <code>"Authorization"</code> " header. The OpenAPI description is at " <a href="/openapi.json">"/openapi.json"</a> "."
        </p>
        <div class="reference">
            <nav class="contents" aria-label="Operations">
                <ul>{contents}</ul>
            </nav>
            <div class="stack">{entries}</div>
        </div>
        <script type="module" src=assets::url("try.js")></script>
    }
}

fn title(operation: &Operation) -> impl IntoView + use<> {
    view! {
        <span class="method" data-method=operation.method.clone()>
            {operation.method.to_uppercase()}
        </span>
        " "
        <code>{operation.path.clone()}</code>
    }
}

fn entry(operation: Operation, origin: &str) -> impl IntoView + use<> {
    let id = operation.id();
    let title_id = format!("{id}-title");
    let heading_id = title_id.clone();
    let curl: Vec<String> = variants(&operation).map(|form| curl_line(&operation, form, origin)).collect();
    view! {
        <article class="operation panel stack close" id=id aria-labelledby=title_id>
            <h2 id=heading_id>{title(&operation)}</h2>
            <p>{with_code(&format!("{}. {}", operation.summary, operation.description))}</p>
            {parameters(&operation)}
            {answers(&operation)}
            <h3>"With curl"</h3>
            <CopyButton>
                <pre class="code" tabindex="0" role="group" aria-label="curl command">
                    <code>{curl.join("\n")}</code>
                </pre>
            </CopyButton>
            {tries(&operation)}
        </article>
    }
}

fn parameters(operation: &Operation) -> Option<impl IntoView + use<>> {
    let token = operation.needs_token.then(|| {
        row(
            "Authorization".to_owned(),
            Some("header"),
            "`Bearer` followed by the access token.".to_owned(),
        )
    });
    let fields = operation.forms.iter().flatten().map(|field| {
        let place = if field.required { "form" } else { "form, optional" };
        row(field.name.clone(), Some(place), field.description.clone())
    });
    let rows: Vec<_> = token.into_iter().chain(fields).collect();
    (!rows.is_empty()).then(|| table("Parameters", "Name", rows))
}

fn answers(operation: &Operation) -> impl IntoView + use<> {
    let rows = operation
        .answers
        .iter()
        .map(|(status, meaning)| row(status.clone(), None, meaning.clone()))
        .collect();
    table("Responses", "Status", rows)
}

fn table<V: IntoView + 'static>(title: &'static str, first: &'static str, rows: Vec<V>) -> impl IntoView {
    view! {
        <h3>{title}</h3>
        <table>
            <thead class="visually-hidden">
                <tr>
                    <th scope="col">{first}</th>
                    <th scope="col">"Meaning"</th>
                </tr>
            </thead>
            <tbody>{rows}</tbody>
        </table>
    }
}

fn row(name: String, place: Option<&'static str>, meaning: String) -> impl IntoView {
    view! {
        <tr>
            <th scope="row">
                <code>{name}</code>
                {place.map(|place| view! { <small>{place}</small> })}
            </th>
            <td>{with_code(&meaning)}</td>
        </tr>
    }
}

/// Renders text in which `backticks` mark code, as in the OpenAPI descriptions.
fn with_code(text: &str) -> impl IntoView + use<> {
    text.split('`')
        .enumerate()
        .map(|(at, part)| {
            let part = part.to_owned();
            if at % 2 == 1 {
                view! { <code>{part}</code> }.into_any()
            } else {
                part.into_any()
            }
        })
        .collect_view()
}

/// Returns the forms that an operation accepts, or one form without fields if it accepts none.
fn variants(operation: &Operation) -> impl Iterator<Item = &[FormField]> {
    let none: Option<&[FormField]> = operation.forms.is_empty().then_some(&[]);
    operation.forms.iter().map(Vec::as_slice).chain(none)
}

fn curl_line(operation: &Operation, form: &[FormField], origin: &str) -> String {
    let token = if operation.needs_token {
        " -H \"Authorization: Bearer $TOKEN\""
    } else {
        ""
    };
    let fields: String = form
        .iter()
        .filter(|field| field.required)
        .map(|field| match fixed(field) {
            Some(value) => format!(" -d {}={value}", field.name),
            None => format!(" --data-urlencode {}=…", field.name),
        })
        .collect();
    format!("curl{token}{fields} {origin}{}", operation.path)
}

/// Returns the value of a field that always has the same value.
fn fixed(field: &FormField) -> Option<&str> {
    (field.name == "grant_type").then(|| field.schema["example"].as_str()).flatten()
}

fn tries(operation: &Operation) -> impl IntoView + use<> {
    let forms = variants(operation)
        .enumerate()
        .map(|(at, form)| try_it(operation, at, form))
        .collect_view();
    view! {
        <div class="try" hidden>
            <h3>"Try it"</h3>
            {forms}
            <output class="code answer"></output>
        </div>
    }
}

fn try_it(operation: &Operation, at: usize, form: &[FormField]) -> impl IntoView + use<> {
    let id = format!("{}-{at}", operation.id());
    let token = operation.needs_token.then(|| input(&id, "Authorization", "Access token", false));
    let fields = form
        .iter()
        .filter(|field| field.required)
        .map(|field| match fixed(field) {
            Some(value) => view! { <input type="hidden" name=field.name.clone() value=value.to_owned() /> }.into_any(),
            None => input(&id, &field.name, &field.name, field.schema["format"] == "password").into_any(),
        })
        .collect_view();
    let (method, path) = (operation.method.clone(), operation.path.clone());
    view! {
        <form class="stack close" method=method action=path autocomplete="off">
            {token}
            {fields}
            <p>
                <button type="submit">"Send"</button>
            </p>
        </form>
    }
}

fn input(operation: &str, name: &str, label: &str, secret: bool) -> impl IntoView + use<> {
    let id = format!("{operation}-{}", name.to_lowercase());
    let (name, label) = (name.to_owned(), label.to_owned());
    view! {
        <div class="field">
            <label for=id.clone()>{label}</label>
            <input id=id name=name type=if secret { "password" } else { "text" } autocomplete="off" autocapitalize="none" spellcheck="false" />
        </div>
    }
}
