//! Times for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use leptos::prelude::*;

use latchkey_store::UnixSeconds;

/// `24 November 2026`.
pub fn date(seconds: UnixSeconds) -> impl IntoView {
    time(seconds, "%-d %B %Y")
}

/// `24 November 2026, 08:47 UTC`.
pub fn minute(seconds: UnixSeconds) -> impl IntoView {
    time(seconds, "%-d %B %Y, %H:%M UTC")
}

/// `24 Nov 2026, 08:47:12 UTC`.
pub fn second(seconds: UnixSeconds) -> impl IntoView {
    time(seconds, "%-d %b %Y, %H:%M:%S UTC")
}

fn time(seconds: UnixSeconds, format: &'static str) -> impl IntoView {
    Timestamp::from_second(seconds).ok().map(|at| {
        let text = at.to_zoned_datetime(TimeZone::UTC).strftime(format).to_string();
        view! { <time datetime=at.to_string()>{text}</time> }
    })
}
