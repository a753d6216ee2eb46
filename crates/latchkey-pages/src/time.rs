//! Renders times for people to read, in UTC.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use leptos::prelude::*;

use latchkey_store::UnixSeconds;

/// Renders a date: `24 November 2026`.
pub fn date(seconds: UnixSeconds) -> impl IntoView {
    time(seconds, "%-d %B %Y")
}

/// Renders a time to the minute: `24 November 2026, 08:47 UTC`.
pub fn minute(seconds: UnixSeconds) -> impl IntoView {
    time(seconds, "%-d %B %Y, %H:%M UTC")
}

/// Renders a time to the second: `24 Nov 2026, 08:47:12 UTC`.
pub fn second(seconds: UnixSeconds) -> impl IntoView {
    time(seconds, "%-d %b %Y, %H:%M:%S UTC")
}

fn time(seconds: UnixSeconds, format: &'static str) -> impl IntoView {
    Timestamp::from_second(seconds).ok().map(|at| {
        let text = at.to_zoned_datetime(TimeZone::UTC).strftime(format).to_string();
        view! { <time datetime=at.to_string()>{text}</time> }
    })
}
