//! How long the access token still lives.

use std::time::Duration;

use leptos::prelude::*;
use web_sys::Element;

use super::token_clock;

/// Counts down beside the token. Its child is the server's own text, for readers without WASM.
/// Not announced by screen readers: a voice every second would be unbearable.
#[component]
pub fn Countdown(children: Children) -> impl IntoView {
    view! {
        <span class="countdown" role="timer" data-countdown="" data-island="Countdown">
            {children()}
        </span>
    }
}

/// Counts down every second.
pub fn attach(island: Element) {
    let show = move || {
        if let Some(left) = token_clock::seconds_left() {
            island.set_text_content(Some(&clock(left.max(0))));
        }
    };
    set_interval(show, Duration::from_secs(1));
}

/// `14:59`, or `2:14:59` from an hour on; seconds in.
pub fn clock(seconds: i32) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::clock;

    #[test]
    fn a_clock_shows_hours_only_when_there_are_any() {
        assert_eq!(clock(899), "14:59");
        assert_eq!(clock(0), "0:00");
        assert_eq!(clock(3600), "1:00:00");
    }
}
