//! The parts that all pages share: the head, the header with the navigation, and the footer.

use leptos::prelude::*;

use super::visit::Visit;
use crate::assets;
use latchkey_axum::dev_reload;
use latchkey_axum::visitor::{SignedIn, Visitor};
use latchkey_types::User;

/// Renders the whole document around `main`. For the islands, the root element has the session id, the seconds until its access
/// token expires, and the name of the channel between tabs.
pub fn shell(visit: Visit, title: &str, class: &'static str, main: AnyView) -> impl IntoView {
    let session = match &visit.visitor {
        Visitor::SignedIn(signed_in) => Some(signed_in.claims.sid.to_string()),
        Visitor::Anonymous | Visitor::Ended(_) => Some(String::new()),
        Visitor::Unknown => None,
    };
    let user = visit.visitor.signed_in().map(|SignedIn { user, .. }| user);
    let title = if title == "Latchkey" {
        title.to_owned()
    } else {
        format!("{title} · Latchkey")
    };
    view! {
        <!DOCTYPE html>
        <html lang="en" data-channel=visit.channel data-session=session data-ends-in=visit.ends_in.map(|seconds| seconds.to_string())>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="description" content="Sign in, see where you are signed in, and end any session at once." />
                <meta name="color-scheme" content="light dark" />
                <title>{title}</title>
                <link rel="icon" href=assets::url("favicon.svg") type="image/svg+xml" />
                <link rel="stylesheet" href=assets::url("pkg/latchkey.css") />
                {scripts()}
            </head>
            <body>
                <a class="skip" href="#main">
                    "Skip to content"
                </a>
                <header class="site-header">
                    <a class="brand" href="/">
                        <Mark class="logo" />
                        "Latchkey"
                    </a>
                    {navigation(user, &visit.path)}
                </header>
                <main id="main" class=class tabindex="-1">
                    {main}
                </main>
                <footer class="site-footer">
                    <p>"Latchkey · MIT or Apache-2.0"</p>
                </footer>
            </body>
        </html>
    }
}

/// Loads the islands. No script is inline. The script itself requests the WASM, so that browsers that cannot run it do not load it.
fn scripts() -> impl IntoView {
    assets::has_islands().then(|| {
        view! {
            <link rel="modulepreload" href=assets::url("pkg/latchkey.js") />
            <script type="module" src=assets::url("boot.js") data-wasm=assets::url("pkg/latchkey.wasm")></script>
            {dev_reload::port().map(|port| view! { <script type="module" src=format!("{}?port={port}", assets::url("reload.js"))></script> })}
        }
    })
}

fn navigation(user: Option<User>, here: &str) -> AnyView {
    let link = |href: &'static str, text: &'static str| {
        let current = (here == href).then_some("page");
        view! {
            <li>
                <a href=href aria-current=current>
                    {text}
                </a>
            </li>
        }
    };
    match user {
        None => view! {
            <nav aria-label="Main">
                <ul>
                    {link("/login", "Sign in")} {link("/signup", "Create account")} {link("/docs", "API")}
                </ul>
            </nav>
        }
        .into_any(),
        Some(user) => view! {
            <nav aria-label="Main">
                <ul>
                    {link("/dashboard", "Dashboard")} {link("/sessions", "Sessions")} {link("/account", "Account")} {link("/docs", "API")}
                </ul>
                <div class="who">
                    <p>"Signed in as " <strong>{user.username}</strong></p>
                    <form method="post" action="/api/log_out">
                        <button type="submit">"Sign out"</button>
                    </form>
                </div>
            </nav>
        }
        .into_any(),
    }
}

/// Draws the logo, a latchkey.
#[component]
pub fn Mark(
    /// The CSS class of the drawing.
    class: &'static str,
) -> impl IntoView {
    view! {
        <svg class=class width="18" height="27" viewBox="5 2 18 27" aria-hidden="true">
            <path
                fill="currentColor"
                fill-rule="evenodd"
                d="M11 16.73a7.5 7.5 0 1 1 4 0v2.77h5v3h-5V25h8v4H11zM13 6.3a3.2 3.2 0 1 0 0 6.4 3.2 3.2 0 0 0 0-6.4"
            />
        </svg>
    }
}
