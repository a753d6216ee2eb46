//! The countdown to the expiry of the access token.

use std::time::Duration;

use leptos::prelude::*;
use web_sys::Element;

use super::token_clock;

/// Shows the remaining lifetime beside the token. Its child is the text from the server, which visitors without WASM see.
/// Screen readers do not announce it, because an announcement every second would be unbearable.
#[component]
pub fn Countdown(children: Children) -> impl IntoView {
    view! {
        <span class="countdown" role="timer" data-countdown="" data-island="Countdown">
            {children()}
        </span>
    }
}

/// Updates the countdown every second.
pub fn attach(island: Element) {
    let show = move || {
        if let Some(left) = token_clock::seconds_left() {
            island.set_text_content(Some(&clock(left.max(0))));
        }
    };
    set_interval(show, Duration::from_secs(1));
}

/// Formats a number of seconds as `14:59`, or as `2:14:59` from one hour on.
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
    fn the_countdown_shows_hours_only_from_one_hour_on() {
        assert_eq!(clock(899), "14:59");
        assert_eq!(clock(0), "0:00");
        assert_eq!(clock(3600), "1:00:00");
    }
}
