//! The values that differ from one request to the next, such as tokens, names and cookies.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::PathBuf;

use crate::answer::field;

pub struct Values {
    free: RefCell<VecDeque<Value>>,
    from: Option<PathBuf>,
    keep: Option<PathBuf>,
}

#[derive(Clone)]
pub struct Value {
    pub text: String,
    /// The access token that was issued with this refresh token.
    pub access: String,
}

impl Value {
    /// Replaces the tokens by their successors, if the answer contains any.
    pub fn learn(&mut self, body: &[u8]) {
        if let (Some(refresh), Some(access)) = (field(body, "refresh_token"), field(body, "access_token")) {
            (self.text, self.access) = (refresh, access);
        }
    }
}

impl Values {
    pub fn read(from: Option<PathBuf>, keep: Option<PathBuf>) -> io::Result<Self> {
        let text = from.as_ref().map_or_else(|| Ok("\n".to_owned()), fs::read_to_string)?;
        let free = text
            .lines()
            .map(|line| Value {
                text: line.to_owned(),
                access: String::new(),
            })
            .collect();
        Ok(Self {
            free: RefCell::new(free),
            from,
            keep,
        })
    }

    /// Takes the value that was used longest ago. No other connection can take it until it is put back.
    pub fn take(&self) -> Option<Value> {
        self.free.borrow_mut().pop_front()
    }

    pub fn put_back(&self, value: Value) {
        self.free.borrow_mut().push_back(value);
    }

    /// Overwrites the file of refresh tokens with their successors, and writes the access tokens to the file of `--keep`.
    pub fn write(&self) -> io::Result<()> {
        let values = self.free.borrow();
        if let Some(file) = &self.from {
            fs::write(file, values.iter().map(|value| format!("{}\n", value.text)).collect::<String>())?;
        }
        if let Some(file) = &self.keep {
            let given = values.iter().filter(|value| !value.access.is_empty());
            fs::write(file, given.map(|value| format!("{}\n", value.access)).collect::<String>())?;
        }
        Ok(())
    }
}
