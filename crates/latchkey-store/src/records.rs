//! Plain data types for what the rows hold, shared by the rules and the queries.

mod account;
mod audit_event;
mod client;
mod end_reason;
mod known_device;
mod rate;
mod refresh_token;
mod revocation;
mod session;
mod session_end;
mod session_id;
mod session_page;
mod time;

pub use account::{Account, HashedPassword, InitialRole, NewUser};
pub use audit_event::{AuditEvent, EventKind, NewEvent};
pub use client::{Client, ClientKind};
pub use end_reason::EndReason;
pub use known_device::KnownDevice;
pub use rate::{Rate, RetryAfter};
pub use refresh_token::{Counter, Salt};
pub use revocation::{Horizon, MAX_TOKEN_LIFE, Revocation, Revoked};
pub use session::{NewSession, Refund, Rotation, Session};
pub use session_end::{Ended, Ending, SessionScope};
pub use session_id::SessionId;
pub use session_page::{COUNT_CAP, Counted, SessionPage};
pub use time::UnixSeconds;
