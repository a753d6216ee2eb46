//! The audit log: log lines about completed actions.

/// The `tracing` target of log lines about completed actions, such as a sign-in. Rate limits bound their number, so all of them
/// are written.
pub const AUDIT: &str = "latchkey::audit";
