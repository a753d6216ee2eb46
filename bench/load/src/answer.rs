//! Parses HTTP answers: where they end, their status and their body.

use std::io;
use std::ops::Range;

pub struct Answer {
    pub status: u16,
    /// The body as it was sent. A chunked body includes the chunk sizes.
    pub body: Range<usize>,
    /// Whether the server closes the connection after it.
    pub closes: bool,
}

impl Answer {
    /// Parses an answer. Returns `None` while a part of it is missing.
    pub fn parse(bytes: &[u8], ended: bool) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut headers);
        let begin = match head.parse(bytes).map_err(io::Error::other)? {
            httparse::Status::Complete(begin) => begin,
            httparse::Status::Partial if ended => return Err(io::ErrorKind::UnexpectedEof.into()),
            httparse::Status::Partial => return Ok(None),
        };
        let header = |name: &str| {
            head.headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name))
                .map(|header| header.value)
        };
        let says = |name: &str, word: &[u8]| header(name).is_some_and(|value| value.eq_ignore_ascii_case(word));
        let status = head.code.unwrap_or_default();
        let end = if status == 204 || status == 304 {
            Some(begin)
        } else if says("transfer-encoding", b"chunked") {
            end_of_chunks(bytes, begin)?
        } else if let Some(length) = header("content-length") {
            let length: usize = str::from_utf8(length)
                .ok()
                .and_then(|length| length.parse().ok())
                .ok_or(io::ErrorKind::InvalidData)?;
            (bytes.len() >= begin + length).then_some(begin + length)
        } else {
            ended.then_some(bytes.len())
        };
        if end.is_none() && ended {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(end.map(|end| Self {
            status,
            body: begin..end,
            closes: ended || says("connection", b"close"),
        }))
    }
}

fn end_of_chunks(bytes: &[u8], mut at: usize) -> io::Result<Option<usize>> {
    loop {
        match httparse::parse_chunk_size(&bytes[at..]).map_err(|_| io::ErrorKind::InvalidData)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete((line, size)) => {
                at += line + usize::try_from(size).map_err(io::Error::other)? + 2;
                if at > bytes.len() {
                    return Ok(None);
                }
                if size == 0 {
                    return Ok(Some(at));
                }
            }
        }
    }
}

/// Returns a string field of a JSON object. The string must not contain escapes.
pub fn field(json: &[u8], name: &str) -> Option<String> {
    let json = str::from_utf8(json).ok()?;
    let (_, after) = json.split_once(&format!("\"{name}\":\""))?;
    after.split_once('"').map(|(text, _)| text.to_owned())
}
