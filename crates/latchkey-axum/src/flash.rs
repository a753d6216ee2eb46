//! The message that a posted form leaves for the next page, in a signed cookie that lives for a minute. It works without
//! JavaScript and leaves nothing in the URL. Because it is signed, no one else can put words into it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use latchkey_core::keys;
use latchkey_core::keys::Use;
use latchkey_core::secret::Secret;
use latchkey_store::UnixSeconds;
use latchkey_types::{Field, Problem};

/// Life of the cookie, in seconds.
pub const LIFE: i64 = 60;

/// Longest typed value that is shown again, in bytes of JSON, because a cookie must stay below 4096 bytes.
const MAX_VALUE: usize = 512;

/// What the next page is told: codes, never sentences and never a password.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flash {
    /// The page that may show it, with its query if the page has several addresses.
    pub page: String,
    /// The form, if the page has several.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// A sentence for the whole page, by its code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<Notice>,
    /// The typed values, by field name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub typed: BTreeMap<String, String>,
    /// The codes of problems, by field name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub problems: BTreeMap<String, String>,
}

/// Sentences for a whole page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// See [`Notice::sentence`].
    BadCredentials,
    /// See [`Notice::sentence`].
    SignupClosed,
    /// Seconds to wait.
    Throttled(i64),
    /// See [`Notice::sentence`].
    Busy,
    /// See [`Notice::sentence`].
    Unavailable,
    /// See [`Notice::sentence`].
    SignedOut,
    /// See [`Notice::sentence`].
    SessionEnded,
    /// See [`Notice::sentence`].
    SessionGone,
    /// See [`Notice::sentence`].
    OthersEnded,
    /// See [`Notice::sentence`].
    PasswordChanged,
    /// See [`Notice::sentence`].
    EmailChanged,
    /// See [`Notice::sentence`].
    AccountRemoved,
    /// A form that an app added has saved something.
    Saved,
}

impl Notice {
    /// Returns the sentence.
    pub fn sentence(self) -> Cow<'static, str> {
        let fixed = match self {
            Notice::Throttled(seconds) => return Cow::Owned(throttled(seconds)),
            Notice::BadCredentials => "The sign-in name or the password is wrong.",
            Notice::SignupClosed => "Sign-up is closed. Ask the operator of this site for an account.",
            Notice::Busy => "Too many people are signing in right now. Try again in a few seconds.",
            Notice::Unavailable => "This is not available right now. Nothing was changed. Try again in a moment.",
            Notice::SignedOut => "You are signed out.",
            Notice::SessionEnded => "The session was ended.",
            Notice::SessionGone => "That session had already ended.",
            Notice::OthersEnded => "All your other sessions were ended.",
            Notice::PasswordChanged => "Your password was changed.",
            Notice::EmailChanged => "Your email address was changed.",
            Notice::AccountRemoved => "Your account was removed.",
            Notice::Saved => "Saved.",
        };
        Cow::Borrowed(fixed)
    }

    /// Returns whether something went wrong.
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Notice::BadCredentials | Notice::SignupClosed | Notice::Throttled(_) | Notice::Busy | Notice::Unavailable
        )
    }
}

impl Flash {
    /// Returns the part that concerns one form of the page.
    #[must_use]
    pub fn of(&self, form: &str) -> Self {
        if self.form == form { self.clone() } else { Self::default() }
    }

    /// Keeps what was typed, cut to what a cookie can hold.
    pub fn keep(&mut self, field: &str, typed: &str) {
        let mut room = MAX_VALUE;
        let fits = |c: &char| {
            let length = match *c {
                '"' | '\\' => 2,
                // `\u0001`
                c if c.is_ascii_control() => 6,
                c => c.len_utf8(),
            };
            room.checked_sub(length).map(|left| room = left).is_some()
        };
        self.typed.insert(field.to_owned(), typed.chars().take_while(fits).collect());
    }

    /// Returns what was typed into a field.
    pub fn typed(&self, field: &str) -> &str {
        self.typed.get(field).map_or("", String::as_str)
    }

    /// Returns what is wrong with a field.
    pub fn problem(&self, field: Field) -> Option<Problem> {
        Problem::from_code(self.problems.get(field.name())?)
    }
}

/// Returns how long to wait, rounded up.
fn throttled(seconds: i64) -> String {
    let (count, unit) = if seconds > 90 {
        ((seconds + 59) / 60, "minute")
    } else {
        (seconds, "second")
    };
    let s = if count == 1 { "" } else { "s" };
    format!("There were too many tries. Try again in {count} {unit}{s}.")
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    until: UnixSeconds,
    flash: Flash,
}

/// Seals and opens the cookie's value.
pub struct FlashBox {
    key: hmac::Key,
}

impl FlashBox {
    /// Derives the key that signs flash cookies.
    pub fn new(secret: &Secret) -> Self {
        Self {
            key: keys::mac_key(secret, Use::Flash),
        }
    }

    /// The cookie's value: base64url of JSON, a dot, base64url of its MAC.
    ///
    /// # Panics
    /// Never: strings can be encoded.
    pub fn seal(&self, flash: &Flash, now: UnixSeconds) -> String {
        let sealed = Sealed {
            until: now + LIFE,
            flash: flash.clone(),
        };
        #[expect(clippy::expect_used, reason = "strings and a number")]
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&sealed).expect("JSON"));
        let mac = hmac::sign(&self.key, body.as_bytes());
        format!("{body}.{}", URL_SAFE_NO_PAD.encode(mac.as_ref()))
    }

    /// What a page may show, if the cookie is ours, still fresh and meant for it.
    pub fn open(&self, value: &str, page: &str, now: UnixSeconds) -> Option<Flash> {
        let (body, mac) = value.split_once('.')?;
        hmac::verify(&self.key, body.as_bytes(), &URL_SAFE_NO_PAD.decode(mac).ok()?).ok()?;
        let sealed: Sealed = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let path = sealed.flash.page.split('?').next();
        (now < sealed.until && path == Some(page)).then_some(sealed.flash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use latchkey_core::secret::generate;

    fn flash_box() -> FlashBox {
        FlashBox::new(&Secret::parse(&generate()).expect("good"))
    }

    fn flash() -> Flash {
        let mut flash = Flash {
            page: "/login".into(),
            notice: Some(Notice::BadCredentials),
            ..Flash::default()
        };
        flash.keep("username", "ada");
        flash
    }

    #[test]
    fn it_is_opened_by_its_page_within_a_minute() {
        let flash_box = flash_box();
        let value = flash_box.seal(&flash(), 100);
        assert_eq!(flash_box.open(&value, "/login", 159), Some(flash()));
        assert_eq!(flash_box.open(&value, "/login", 160), None);
        assert_eq!(flash_box.open(&value, "/signup", 100), None);
    }

    #[test]
    fn nobody_else_can_make_one() {
        let value = flash_box().seal(&flash(), 100);
        assert_eq!(flash_box().open(&value, "/login", 100), None);
        for value in ["", ".", "a.b", "é", "e30.", &value[1..]] {
            assert_eq!(flash_box().open(value, "/login", 100), None);
        }
    }

    #[test]
    fn long_values_are_cut_so_that_the_cookie_stays_small() {
        for (long, kept) in [
            ("é", MAX_VALUE),
            ("\u{1}", MAX_VALUE / 6),
            ("\"", MAX_VALUE / 2),
            ("\u{1f511}", MAX_VALUE),
        ] {
            let mut flash = flash();
            for field in ["username", "email", "next"] {
                flash.keep(field, &long.repeat(5000));
            }
            assert!(flash_box().seal(&flash, 100).len() < 3500, "{long:?}");
            assert_eq!(flash.typed("email").len(), kept, "{long:?}");
        }
    }
}
