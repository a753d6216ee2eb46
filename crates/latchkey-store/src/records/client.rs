//! The client that sends a request, as far as it identifies itself.

use std::net::IpAddr;

use crate::KnownDevice;

/// The kind of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// A browser, which holds its tokens in cookies.
    Browser,
    /// An API client, which sends its tokens itself.
    Api,
    /// The command line, which begins no sessions but ends some.
    Operator,
}

impl ClientKind {
    /// Returns the word for this kind in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            ClientKind::Browser => "browser",
            ClientKind::Api => "api",
            ClientKind::Operator => "operator",
        }
    }

    /// Returns the kind that a word stands for.
    pub fn parse(word: &str) -> Option<Self> {
        [ClientKind::Browser, ClientKind::Api, ClientKind::Operator]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The kind of client.
    pub kind: ClientKind,
    /// The `User-Agent` header, cut to [`Client::MAX_USER_AGENT`] characters.
    pub user_agent: String,
    /// The network address, if known.
    pub address: Option<IpAddr>,
    /// The known devices that its cookie proves, each for one account.
    pub devices: Vec<KnownDevice>,
}

impl Client {
    /// The longest stored `User-Agent`, in characters.
    pub const MAX_USER_AGENT: usize = 256;

    /// Creates a client; removes control characters from the `User-Agent` and cuts it to [`Client::MAX_USER_AGENT`].
    pub fn new(kind: ClientKind, user_agent: &str, address: Option<IpAddr>) -> Self {
        Self {
            kind,
            user_agent: user_agent.chars().filter(|c| !c.is_control()).take(Self::MAX_USER_AGENT).collect(),
            address,
            devices: Vec::new(),
        }
    }

    /// Returns the client of commands that are run on the server's machine.
    pub const fn operator() -> Self {
        Self {
            kind: ClientKind::Operator,
            user_agent: String::new(),
            address: None,
            devices: Vec::new(),
        }
    }
}
