//! The database: named queries and changes for SQLite and PostgreSQL, and the plain records that they read and write.
//!
//! Holds no rule: what an account may do, when a session ends and which sign-ins are refused is decided in `latchkey-core`.

mod account_lock;
mod audit_events;
pub mod database_url;
mod end_all;
mod engine;
mod error;
mod live_sessions;
mod records;
mod removed_accounts;
mod revocations;
mod session_ends;
mod session_use;
mod sessions;
mod store;
mod throttles;
pub mod transfer;
mod users;

pub use database_url::DatabaseUrl;
pub use engine::{Inspection, OpenMode, Restored};
pub use error::StoreError;
pub use records::*;
pub use store::Store;
