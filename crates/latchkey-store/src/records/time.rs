//! The unit of time.

/// Seconds since 1970-01-01 UTC, as in a JWT's NumericDate (RFC 7519 section 2).
pub type UnixSeconds = i64;
