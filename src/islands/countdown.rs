//! How long the access token still lives.

use std::time::Duration;

use leptos::{html, prelude::*};

use super::dom;

/// Counts down beside the token. Its child is the server's own text, for readers without WASM.
/// Not announced by screen readers: a voice every second would be unbearable.
#[island]
pub fn Countdown(children: Children) -> impl IntoView {
    let place = NodeRef::<html::Span>::new();
    Effect::new(move |_| {
        show(place);
        set_interval(move || show(place), Duration::from_secs(1));
    });
    view! {
        <span class="countdown" role="timer" data-countdown node_ref=place>
            {children()}
        </span>
    }
}

fn show(place: NodeRef<html::Span>) {
    if let (Some(place), Some(end)) = (place.get_untracked(), dom::session_end()) {
        let left = ((end - js_sys::Date::now()) / 1000.0).max(0.0);
        place.set_text_content(Some(&clock(left)));
    }
}

/// `14:59`, or `2:14:59` from an hour on; seconds in.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and saturating is fine"
)]
pub fn clock(seconds: f64) -> String {
    let seconds = seconds as u32;
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
        assert_eq!(clock(899.9), "14:59");
        assert_eq!(clock(0.0), "0:00");
        assert_eq!(clock(3600.0), "1:00:00");
    }
}
