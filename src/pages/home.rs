//! `/`: the home page, with links to the other pages.

use axum::response::Response;
use leptos::prelude::*;

use latchkey_axum::visitor::SignedIn;
use latchkey_pages::page::Page;
use latchkey_pages::shell::Mark;
use latchkey_types::User;

/// `GET /`
pub async fn home(page: Page, signed_in: Option<SignedIn>) -> Response {
    page.public("Latchkey", || view! { <Home user=signed_in.map(|signed_in| signed_in.user) /> })
}

#[component]
fn Home(user: Option<User>) -> impl IntoView {
    view! {
        <div class="welcome">
            <div class="stack">
                <h1>"Latchkey"</h1>
                {match user {
                    Some(user) => view! { <SignedInWelcome user /> }.into_any(),
                    None => view! { <Welcome /> }.into_any(),
                }}
            </div>
            <Mark class="mark" />
        </div>
        <ul class="places">
            <li>
                <a href="/dashboard">"Dashboard"</a>
                <p>"A protected page: your account, your access token and when it expires."</p>
            </li>
            <li>
                <a href="/sessions">"Sessions"</a>
                <p>"Where you are signed in. End any session at once."</p>
            </li>
            <li>
                <a href="/account">"Account"</a>
                <p>"Your name, your email, your password."</p>
            </li>
            <li>
                <a href="/docs">"API"</a>
                <p>"The same accounts for programs: a bearer token from " <code>"POST /token"</code> "."</p>
            </li>
        </ul>
    }
}

#[component]
fn Welcome() -> impl IntoView {
    view! {
        <p class="lead">"Accounts for people, tokens for programs, and pages that only signed-in users can see."</p>
        <p class="row">
            <a class="button primary" href="/login">
                "Sign in"
            </a>
            " "
            <a class="button" href="/signup">
                "Create account"
            </a>
        </p>
    }
}

#[component]
fn SignedInWelcome(user: User) -> impl IntoView {
    view! {
        <p class="lead">"Hello, " <strong>{user.username}</strong> ". You are signed in."</p>
        <p class="row">
            <a class="button primary" href="/dashboard">
                "Go to the dashboard"
            </a>
        </p>
    }
}
