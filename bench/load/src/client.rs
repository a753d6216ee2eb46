//! One connection: asks, waits for the whole answer, asks again.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::{Answer, field};
use crate::ask::Ask;
use crate::count::Count;

pub async fn run(ask: Rc<Ask>, count: Rc<Count>) {
    let mut connection: Option<Connection> = None;
    while ask.once_more() {
        let Some(mut value) = ask.values.take() else {
            // More connections than values that only one may use.
            return;
        };
        if !ask.refresh {
            ask.values.put_back(value.clone());
        }
        let begun = Instant::now();
        let mut at_work = match connection.take() {
            Some(connection) => connection,
            None => match Connection::open(&ask).await {
                Ok(connection) => connection,
                Err(error) => return count.fail(&error),
            },
        };
        ask.write(&mut at_work.request, &value.text);
        let answer = at_work.exchange().await;
        if ask.refresh {
            if let Ok(answer) = &answer {
                let body = &at_work.buffer[answer.body.clone()];
                if let (Some(refresh), Some(access)) = (field(body, "refresh_token"), field(body, "access_token")) {
                    (value.text, value.access) = (refresh, access);
                }
            }
            ask.values.put_back(value);
        }
        match answer {
            Ok(answer) => {
                count.note(&answer, begun.elapsed(), &at_work.buffer);
                connection = (!answer.closes).then_some(at_work);
            }
            Err(error) => count.fail(&error),
        }
    }
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(ask: &Ask) -> io::Result<Self> {
        let stream = TcpStream::connect(ask.to).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: Vec::new(),
            buffer: Vec::with_capacity(16 * 1024),
        })
    }

    async fn exchange(&mut self) -> io::Result<Answer> {
        self.stream.write_all(&self.request).await?;
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await?;
            if let Some(answer) = Answer::parse(&self.buffer, read == 0)? {
                return Ok(answer);
            }
        }
    }
}
