//! One connection: sends a request, waits for the complete answer, and repeats.

use std::io;
use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::answer::Answer;
use crate::ask::Ask;
use crate::count::Count;

pub async fn run(ask: Rc<Ask>, count: Rc<Count>) {
    let mut connection: Option<Connection> = None;
    while ask.once_more() {
        let Some(mut value) = ask.values.take() else {
            // There are more connections than values, and each value may be used by one connection only.
            return;
        };
        if !ask.refresh {
            ask.values.put_back(value.clone());
        }
        let begun = Instant::now();
        match exchange(connection.take(), &ask, &value.text).await {
            Ok((answer, at_work)) => {
                count.note(&answer, begun.elapsed(), &at_work.buffer);
                if ask.refresh {
                    value.learn(&at_work.buffer[answer.body.clone()]);
                }
                connection = (!answer.closes).then_some(at_work);
            }
            Err(error) => count.fail(&error),
        }
        if ask.refresh {
            ask.values.put_back(value);
        }
    }
}

async fn exchange(connection: Option<Connection>, ask: &Ask, value: &str) -> io::Result<(Answer, Connection)> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => Connection::open(ask).await?,
    };
    ask.write(&mut connection.request, value);
    let answer = connection.exchange().await?;
    Ok((answer, connection))
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
