//! Who asks for something, as far as it said.

use std::net::IpAddr;

use crate::KnownDevice;

/// What kind of client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Holds its tokens in cookies.
    Browser,
    /// Sends them itself.
    Api,
    /// The command line: begins no sessions, but ends some.
    Operator,
}

impl ClientKind {
    /// The word in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClientKind::Browser => "browser",
            ClientKind::Api => "api",
            ClientKind::Operator => "operator",
        }
    }

    /// The kind of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [ClientKind::Browser, ClientKind::Api, ClientKind::Operator]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What kind.
    pub kind: ClientKind,
    /// Its `User-Agent`, cut to [`Client::MAX_USER_AGENT`] characters.
    pub user_agent: String,
    /// Its network address, where that is known.
    pub address: Option<IpAddr>,
    /// The known devices that its cookie proves, each of one account.
    pub devices: Vec<KnownDevice>,
}

impl Client {
    /// Longest `User-Agent` kept, in characters.
    pub const MAX_USER_AGENT: usize = 256;

    /// A client that calls itself something.
    pub fn new(kind: ClientKind, user_agent: &str, address: Option<IpAddr>) -> Self {
        Self {
            kind,
            user_agent: user_agent.chars().filter(|c| !c.is_control()).take(Self::MAX_USER_AGENT).collect(),
            address,
            devices: Vec::new(),
        }
    }

    /// Whoever types commands on the server's machine.
    pub const fn operator() -> Self {
        Self {
            kind: ClientKind::Operator,
            user_agent: String::new(),
            address: None,
            devices: Vec::new(),
        }
    }
}
