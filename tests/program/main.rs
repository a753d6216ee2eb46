//! The program from outside: its commands, and a real server on a real port.

mod commands;
mod server;
mod support;
mod tls;
