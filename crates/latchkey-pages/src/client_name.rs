//! Names a client by its `User-Agent`, so that people recognise their devices. It is a guess, and nothing else depends on it.

use latchkey_store::{Client, ClientKind};

/// Marks of browsers in a `User-Agent`. The first match counts, because each browser also claims to be those below it.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Marks of operating systems in a `User-Agent`. The first match counts.
const SYSTEMS: [(&str, &str); 8] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
];

/// Returns the name of a client as people know it: `Firefox on Linux`, `curl 8.5.0`.
pub fn client_name(client: &Client) -> String {
    let found = |marks: &[(&str, &'static str)]| {
        marks
            .iter()
            .find(|(mark, _)| client.user_agent.contains(mark))
            .map(|(_, word)| *word)
    };
    if client.kind == ClientKind::Operator {
        return "The operator, on the server".to_owned();
    }
    match (found(&BROWSERS), found(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => program(client),
    }
}

/// Names a program by the first word of its `User-Agent`, which usually is `name/version`.
fn program(client: &Client) -> String {
    let first = client.user_agent.split_whitespace().next().unwrap_or_default();
    let (name, version) = first.split_once('/').unwrap_or((first, ""));
    match (name, client.kind) {
        ("", ClientKind::Api) => "A program".to_owned(),
        ("" | "Mozilla", _) => "A browser".to_owned(),
        (name, _) => format!("{name} {version}").trim_end().to_owned(),
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_named_as_people_know_them() {
        for (user_agent, words) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl 8.5.0"),
            ("python-requests/2.32.3", "python-requests 2.32.3"),
            ("something", "something"),
            ("", "A browser"),
        ] {
            assert_eq!(client_name(&Client::new(ClientKind::Browser, user_agent, None)), words);
        }
        assert_eq!(client_name(&Client::new(ClientKind::Api, "", None)), "A program");
    }
}
