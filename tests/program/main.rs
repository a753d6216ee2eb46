//! Tests that run the program: its commands, and a real server on a real port.

#![expect(clippy::expect_used, reason = "a test may expect what it wants")]
#![expect(clippy::print_stdout, reason = "measurements are for people to read")]

mod accounts;
mod commands;
mod connections;
mod files;
mod http2;
mod load;
mod logs;
mod nodes;
mod postgres;
mod restore;
mod server;
mod settings;
mod slow;
mod support;
mod tls;
mod trouble;
mod wire;
