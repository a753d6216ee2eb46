//! The formats that decide who a visitor is: cookies, headers and tokens. Any bytes are parsed or refused, and only genuine ones
//! are accepted.
//!
//! Each test runs a few hundred cases; `make fuzz` runs a million.

#![expect(clippy::expect_used, reason = "a failed expectation fails the test")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use latchkey_axum::cookies::{CookieKind, Cookies};
use latchkey_axum::visitor::bearer_token;
use latchkey_core::keys;
use latchkey_core::keys::Use;
use latchkey_core::refresh_tokens::{Presented, RefreshTokens};
use latchkey_core::secret::{Secret, Secrets};
use latchkey_core::tokens::TokenGrant;
use latchkey_core::tokens::{AccessTokens, Algorithm};
use latchkey_store::{Salt, SessionId};
use latchkey_types::{Role, User, UserId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const NOW: i64 = 1_800_000_000;
const LIFE: i64 = 900;
const ISSUER: &str = "http://localhost:3000";

fn secret() -> Secret {
    Secret::parse("Qm9-uL2wTzX8rVbN4kYc7JfHs1GdPa6EoKiWt3MxRyU").expect("a valid secret")
}

fn tokens(algorithm: Algorithm) -> AccessTokens {
    AccessTokens::new(ISSUER, &Secrets::of(secret()), algorithm, LIFE)
}

fn issue(session: [u8; 16], counter: u32) -> TokenGrant {
    TokenGrant {
        session: SessionId::from_bytes(session),
        counter,
        now: NOW,
        expires_at: NOW + 10 * LIFE,
    }
}

fn user(name: &str) -> User {
    User {
        id: UserId("0193".into()),
        username: name.into(),
        roles: vec![Role::User],
    }
}

/// Generates bytes that a header may hold, in which words that matter to our parsers are more frequent than by chance.
fn header_bytes() -> impl Strategy<Value = Vec<u8>> {
    let words = select(vec![
        "latchkey",
        "__Host-latchkey",
        "latchkey-refresh",
        "%5F%5FHost-latchkey",
        "Bearer",
        "bearer",
        "Basic",
        "=",
        "==",
        ";",
        "; ",
        ",",
        " ",
        "\t",
        "\"",
        "$Version=1",
        "a.b.c",
        "eyJ0eXAiOiJhdCtqd3QifQ",
        "%0d%0a",
        "%",
    ]);
    let piece = prop_oneof![
        4 => words.prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(prop_oneof![Just(b'\t'), 32..=126_u8, 128..=255_u8], 0..12),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn headers(name: header::HeaderName, values: &[Vec<u8>]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(&name, HeaderValue::from_bytes(value).expect("a header"));
    }
    headers
}

/// Changes a token once: replaces, removes or inserts a character, or cuts off the end.
fn changed(token: &str, kind: u8, at: usize, to: char) -> String {
    let at = at % token.len();
    let mut changed = token.to_owned();
    match kind % 4 {
        0 => changed.replace_range(at..=at, &to.to_string()),
        1 => drop(changed.remove(at)),
        2 => changed.insert(at, to),
        _ => changed.truncate(at),
    }
    changed
}

/// Generates JSON of the depth and shape that claims have.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        (NOW - 2000..NOW + 2000).prop_map(Into::into),
        any::<f64>().prop_map(|number| serde_json::json!(number)),
        ".{0,12}".prop_map(Into::into),
        select(vec![
            ISSUER,
            "user",
            "admin",
            "0193",
            "01930000-0000-7000-8000-000000000000",
            "AAAAAAAAAAAAAAAAAAAAAA"
        ])
        .prop_map(Into::into),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Into::into),
            inner.prop_map(|value| serde_json::json!({ "sub": value }))
        ]
    })
}

proptest! {
    #[test]
    fn a_cookie_is_read_only_if_it_is_sent_exactly_once_under_its_name(values in vec(header_bytes(), 0..4), https in any::<bool>()) {
        let cookies = Cookies::new("latchkey", https);
        let read = headers(header::COOKIE, &values);
        for cookie in [CookieKind::Access, CookieKind::Refresh, CookieKind::Flash] {
            let name = cookies.name(cookie).as_bytes();
            // The same rule, implemented in another way.
            let joined = values.join(&b';');
            let mut found = Vec::new();
            for part in joined.split(|byte| *byte == b';') {
                if let Some(rest) = part.trim_ascii_start().strip_prefix(name)
                    && let Some(value) = rest.trim_ascii_start().strip_prefix(b"=")
                {
                    found.push(value.trim_ascii());
                }
            }
            let expected = match found[..] {
                [value] if value.iter().all(u8::is_ascii_graphic) => Some(value),
                _ => None,
            };
            prop_assert_eq!(cookies.read(&read, cookie).map(str::as_bytes), expected);
        }
    }

    #[test]
    fn an_authorization_header_holds_one_bearer_token_or_none(values in vec(header_bytes(), 0..3)) {
        let read = headers(header::AUTHORIZATION, &values);
        if let Ok(token) = bearer_token(&read) {
            prop_assert_eq!(values.len(), 1);
            prop_assert!(values[0].len() > 6 && values[0][..7].eq_ignore_ascii_case(b"bearer "));
            prop_assert!(tokens(Algorithm::Hs256).verify(token, NOW).is_err());
        }
    }

    #[test]
    fn any_text_as_a_refresh_token_is_refused(text in "[A-Za-z0-9_-]{71}|.{0,200}") {
        let tokens = RefreshTokens::new(&Secrets::of(secret()));
        let salt = Salt::generate();
        prop_assert!(!Presented::parse(&text).is_some_and(|token| tokens.verify(&token, &salt)));
    }

    #[test]
    fn a_changed_refresh_token_is_refused(session in any::<[u8; 16]>(), counter in any::<u32>(), kind in any::<u8>(), at in any::<usize>(), to in "[A-Za-z0-9_=+/. -]") {
        let tokens = RefreshTokens::new(&Secrets::of(secret()));
        let salt = Salt::generate();
        let good = tokens.make(SessionId::from_bytes(session), counter, &salt);
        prop_assert!(Presented::parse(&good).is_some_and(|token| tokens.verify(&token, &salt)));
        let changed = changed(&good, kind, at, to.chars().next().expect("one"));
        prop_assert!(changed == good || !Presented::parse(&changed).is_some_and(|token| tokens.verify(&token, &salt)));
    }

    #[test]
    fn any_text_as_an_access_token_is_refused(text in "[A-Za-z0-9_-]{0,80}(\\.[A-Za-z0-9_-]{0,120}){0,4}|.{0,300}") {
        prop_assert!(tokens(Algorithm::Hs256).verify(&text, NOW).is_err());
    }

    #[test]
    fn an_access_token_can_be_verified(session in any::<[u8; 16]>(), counter in any::<u32>(), name in "\\PC{0,40}", epoch in any::<i64>()) {
        let tokens = tokens(Algorithm::Hs256);
        let token = tokens.issue(&user(&name), epoch, &issue(session, counter));
        prop_assert_eq!(&*tokens.verify(&token.jwt, NOW).expect("a valid token"), &token.claims);
    }

    #[test]
    fn a_changed_access_token_is_refused(kind in any::<u8>(), at in any::<usize>(), to in "[A-Za-z0-9_=+/. -]") {
        let tokens = tokens(Algorithm::Hs256);
        let good = tokens.issue(&user("ada"), 0, &issue([7; 16], 3)).jwt;
        let changed = changed(&good, kind, at, to.chars().next().expect("one"));
        prop_assert!(changed == good || tokens.verify(&changed, NOW).is_err());
    }

    #[test]
    fn correctly_signed_claims_are_accepted_only_with_our_issuer_audience_and_lifetime(
        which in select(vec!["iss", "aud", "sub", "sid", "jti", "iat", "exp", "username", "roles", "epoch", "other"]),
        value in json(),
    ) {
        let tokens = tokens(Algorithm::Hs256);
        let token = tokens.issue(&user("ada"), 0, &issue([7; 16], 3));
        let (header, _) = token.jwt.split_once('.').expect("parts");
        let mut claims = serde_json::to_value(&token.claims).expect("JSON");
        claims[which] = value;
        let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let tag = aws_lc_rs::hmac::sign(&keys::mac_key(&secret(), Use::AccessToken), message.as_bytes());
        let signed = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()));
        if let Ok(read) = tokens.verify(&signed, NOW) {
            prop_assert_eq!((read.iss.as_str(), read.aud.as_str()), (ISSUER, ISSUER));
            prop_assert!(read.exp > NOW && read.exp - read.iat <= LIFE && read.iat <= NOW + 300);
        }
    }
}
