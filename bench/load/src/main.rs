//! Sends the same request repeatedly on keep-alive connections, and prints a summary as JSON.
//!
//! ```text
//! load --to 127.0.0.1:3000 [--method GET] --path /protected [--header 'Name: value']… [--body TEXT]
//!      [--values FILE] [--refresh] [--keep FILE] [--connections 32] (--seconds 5 | --count 200)
//! ```
//!
//! In a path, a header or the body, `{}` is replaced by the next line of `--values` and `{ip}` by a different address each time.
//! With `--refresh` each line is a refresh token. Only one connection uses it at a time, and at the end the file is overwritten
//! with the successors. `--keep` writes the last access token of each line to a file.

mod answer;
mod ask;
mod client;
mod count;
mod values;

use std::process::exit;
use std::rc::Rc;

use tokio::task::LocalSet;

use crate::ask::Ask;
use crate::count::Count;

/// Runs on one thread, because the load has one core to itself.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let ask = Ask::read().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        exit(2)
    });
    let (ask, count) = (Rc::new(ask), Rc::new(Count::new()));
    let clients = LocalSet::new();
    for _ in 0..ask.connections {
        clients.spawn_local(client::run(Rc::clone(&ask), Rc::clone(&count)));
    }
    clients.await;
    println!("{}", count.summary());
    if ask.refresh
        && let Err(error) = ask.values.write()
    {
        eprintln!("error: {error}");
        exit(1);
    }
}
