//! The kinds of settings.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use super::duration;
use super::setting::Kind;
use latchkey_core::secret::Secret;

/// Text that a function parses.
pub struct Text<T> {
    pub value_name: &'static str,
    pub parse: fn(&str) -> Result<T, String>,
}

impl<T: 'static> Kind for Text<T> {
    type Written = str;
    type Value = T;

    fn value_name(&self) -> String {
        self.value_name.to_owned()
    }

    fn parse(&self, text: &str) -> Result<T, String> {
        (self.parse)(text)
    }
}

/// The path of a file or a directory.
pub struct PathOf {
    pub value_name: &'static str,
}

impl Kind for PathOf {
    type Written = Path;
    type Value = PathBuf;

    fn value_name(&self) -> String {
        self.value_name.to_owned()
    }

    fn parse(&self, path: &Path) -> Result<PathBuf, String> {
        Ok(path.to_owned())
    }
}

/// A duration from one second to the longest, in seconds.
pub struct Duration {
    pub longest: &'static str,
}

impl Kind for Duration {
    type Written = str;
    type Value = i64;

    fn value_name(&self) -> String {
        "DURATION".to_owned()
    }

    fn parse(&self, text: &str) -> Result<i64, String> {
        duration::parse(text, self.longest)
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("at most `{}`", self.longest))
    }
}

/// A whole number within bounds.
pub struct Number {
    pub least: usize,
    pub most: usize,
}

impl Kind for Number {
    type Written = str;
    type Value = usize;

    fn value_name(&self) -> String {
        "NUMBER".to_owned()
    }

    fn parse(&self, text: &str) -> Result<usize, String> {
        let Self { least, most } = *self;
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("\"{}\" is not a number from {least} to {most}", text.escape_debug()))
    }

    fn bounds(&self) -> Option<String> {
        Some(format!("from {} to {}", self.least, self.most))
    }
}

/// One of two words.
pub struct Choice<T>(pub [(&'static str, T); 2]);

impl<T: Copy + Sync + 'static> Kind for Choice<T> {
    type Written = str;
    type Value = T;

    fn value_name(&self) -> String {
        let [(first, _), (second, _)] = self.0;
        format!("{first}|{second}")
    }

    fn parse(&self, text: &str) -> Result<T, String> {
        let [(first, _), (second, _)] = self.0;
        let chosen = self.0.iter().find(|(word, _)| *word == text);
        chosen
            .map(|(_, meaning)| *meaning)
            .ok_or_else(|| format!("\"{}\" is neither {first} nor {second}", text.escape_debug()))
    }
}

/// A secret.
pub struct SecretText;

impl Kind for SecretText {
    type Written = str;
    type Value = Secret;

    fn value_name(&self) -> String {
        "SECRET".to_owned()
    }

    fn parse(&self, text: &str) -> Result<Secret, String> {
        Secret::parse(text)
    }

    fn has_flag(&self) -> bool {
        false
    }
}

/// An address and a port to listen on.
pub const ADDRESS: Text<SocketAddr> = Text {
    value_name: "HOST:PORT",
    parse: address,
};

fn address(text: &str) -> Result<SocketAddr, String> {
    let addr: SocketAddr = text
        .replace("localhost:", "127.0.0.1:")
        .parse()
        .map_err(|_| format!("\"{text}\" is not an address and a port, such as 127.0.0.1:3000"))?;
    if addr.port() == 0 {
        return Err("port 0 is no port that people could use; choose one from 1 to 65535".into());
    }
    Ok(addr)
}

/// Text that is parsed later, with other settings.
pub const fn plain(value_name: &'static str) -> Text<String> {
    Text {
        value_name,
        parse: |text| Ok(text.to_owned()),
    }
}

/// A URI for contacting people (RFC 9116 section 2.5.3).
pub const CONTACT: Text<String> = Text {
    value_name: "URL",
    parse: contact,
};

fn contact(text: &str) -> Result<String, String> {
    let url = Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "mailto" | "https" | "tel"));
    // Written as the parser understood it, which contains no line break.
    url.map(String::from)
        .ok_or_else(|| format!("\"{}\" is not a URL such as mailto:security@example.org", text.escape_debug()))
}
