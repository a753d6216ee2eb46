//! The whole application in process, on a real SQLite file: every route and status.

mod api;
mod forms;
mod guard;
mod hostile;
mod pages;
mod support;
