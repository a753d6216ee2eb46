//! Asks a server the same thing over and over on connections that are kept, and prints what came of it as JSON.
//!
//! ```text
//! load --to 127.0.0.1:3000 [--method GET] --path /protected [--header 'Name: value']… [--body TEXT]
//!      [--values FILE] [--refresh] [--keep FILE] [--connections 32] (--seconds 5 | --count 200)
//! ```
//!
//! `{}` in a path, a header or the body stands for the next line of `--values`, `{ip}` for another address each time.
//! With `--refresh` the line is a refresh token: whoever uses it has it alone, and the file holds the successors in the
//! end. `--keep` writes down the last access token that each line got.

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

/// On one thread: it has one core to itself.
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
