//! One keep-alive connection of the load: plain or TLS, never blocking, one request at a time.
//!
//! `load` owns many of these and asks each to go on when its socket may be read or written. It knows as much of HTTP/1.1 as
//! answers with a declared length need, and nothing of tokens.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Longest head of an answer that is believed.
const MAX_HEAD: usize = 16 * 1024;
/// Longest body.
const MAX_BODY: usize = 1024 * 1024;

/// A connection, and what is under way on it.
pub struct Connection {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    /// Bytes of the answer so far.
    inbox: Vec<u8>,
    /// Bytes that the socket did not take at once.
    outbox: Vec<u8>,
    sent: usize,
}

/// The end of a connection's step.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// More has to come.
    Waiting,
    /// The answer is whole.
    Answered(Reply),
    /// The other side closed, before an answer was whole.
    Closed,
}

/// An answer's head, and where its body stands among the bytes that were read.
#[derive(Debug, PartialEq, Eq)]
pub struct Reply {
    /// Status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after: Option<u32>,
    /// Whether the other side closes after this.
    pub closes: bool,
    /// The body.
    pub body: Range<usize>,
}

impl Connection {
    /// Begins a connection; `tls` holds the name to ask for.
    ///
    /// # Errors
    /// When no socket can be had.
    pub fn open(address: SocketAddr, tls: Option<(&Arc<ClientConfig>, &str)>) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        let tls = match tls {
            None => None,
            Some((config, name)) => {
                let name = ServerName::try_from(name.to_owned()).context("no name for TLS")?;
                Some(Box::new(ClientConnection::new(Arc::clone(config), name)?))
            }
        };
        Ok(Self { stream, tls, inbox: Vec::new(), outbox: Vec::new(), sent: 0 })
    }

    /// The socket, to be registered.
    pub fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    /// A request to send; goes on at once where it can.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn send(&mut self, request: &[u8]) -> Result<()> {
        self.inbox.clear();
        match &mut self.tls {
            None => {
                self.outbox.clear();
                self.outbox.extend_from_slice(request);
                self.sent = 0;
            }
            Some(tls) => tls.writer().write_all(request)?,
        }
        self.write()
    }

    /// Writes what is due as far as the socket takes it.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn write(&mut self) -> Result<()> {
        match &mut self.tls {
            None => {
                while self.sent < self.outbox.len() {
                    match self.stream.write(&self.outbox[self.sent..]) {
                        Ok(n) => self.sent += n,
                        Err(e) if is_later(&e) => return Ok(()),
                        Err(e) => return Err(e.into()),
                    }
                }
            }
            Some(tls) => {
                while tls.wants_write() {
                    match tls.write_tls(&mut self.stream) {
                        Ok(_) => {}
                        Err(e) if is_later(&e) => return Ok(()),
                        Err(e) => return Err(e.into()),
                    }
                }
            }
        }
        Ok(())
    }

    /// Reads what has come.
    ///
    /// # Errors
    /// When the socket fails, or what comes is no answer.
    pub fn read(&mut self) -> Result<Step> {
        let mut buffer = [0_u8; 16 * 1024];
        let mut closed = false;
        match &mut self.tls {
            None => loop {
                match self.stream.read(&mut buffer) {
                    Ok(0) => {
                        closed = true;
                        break;
                    }
                    Ok(n) => {
                        self.inbox.extend_from_slice(&buffer[..n]);
                        // Less than asked for: the socket is empty, and will tell when it is not.
                        if n < buffer.len() {
                            break;
                        }
                    }
                    Err(e) if is_later(&e) => break,
                    Err(e) => return Err(e.into()),
                }
            },
            Some(tls) => {
                loop {
                    match tls.read_tls(&mut self.stream) {
                        Ok(0) => {
                            closed = true;
                            break;
                        }
                        Ok(_) => {
                            tls.process_new_packets()?;
                        }
                        Err(e) if is_later(&e) => break,
                        Err(e) => return Err(e.into()),
                    }
                    loop {
                        match tls.reader().read(&mut buffer) {
                            Ok(0) => break,
                            Ok(n) => self.inbox.extend_from_slice(&buffer[..n]),
                            Err(e) if is_later(&e) => break,
                            Err(e) => return Err(e.into()),
                        }
                    }
                }
                // The handshake's own answers.
                self.write()?;
            }
        }
        match read_reply(&self.inbox)? {
            Some(reply) => Ok(Step::Answered(reply)),
            None if closed => Ok(Step::Closed),
            None => Ok(Step::Waiting),
        }
    }

    /// Lets go of an answer that was looked at, so that what comes next is told from it.
    pub fn clear(&mut self) {
        self.inbox.clear();
    }

    /// The body of an answer.
    pub fn body(&self, reply: &Reply) -> &[u8] {
        self.inbox.get(reply.body.clone()).unwrap_or_default()
    }
}

/// Not an error: the socket has nothing, or takes nothing, or is not connected yet.
fn is_later(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}

fn read_reply(bytes: &[u8]) -> Result<Option<Reply>> {
    let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
        ensure!(bytes.len() <= MAX_HEAD, "the head of an answer does not end");
        return Ok(None);
    };
    let head = std::str::from_utf8(&bytes[..end]).context("the head of an answer is no text")?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
    let Some(status) = status else { bail!("`{first}` is no status line") };
    let mut reply = Reply { status, retry_after: None, closes: false, body: 0..0 };
    let mut length = None;
    for (name, value) in lines.filter_map(|l| l.split_once(':')) {
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.parse::<usize>().with_context(|| format!("Content-Length is `{value}`"))?);
        } else if name.eq_ignore_ascii_case("retry-after") {
            reply.retry_after = value.parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            reply.closes = value.eq_ignore_ascii_case("close");
        }
    }
    let length = length.context("an answer without Content-Length")?;
    ensure!(length <= MAX_BODY, "an answer of {length} bytes");
    let start = end + 4;
    if bytes.len() < start + length {
        return Ok(None);
    }
    ensure!(bytes.len() == start + length, "more came than one answer");
    reply.body = start..start + length;
    Ok(Some(reply))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_when_they_are_whole() {
        let whole = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 7\r\nContent-Length: 2\r\n\r\n{}";
        for cut in 0..whole.len() {
            assert_eq!(read_reply(&whole[..cut]).unwrap(), None, "{cut}");
        }
        let reply = read_reply(whole).unwrap().unwrap();
        assert_eq!((reply.status, reply.retry_after, &whole[reply.body]), (503, Some(7), &b"{}"[..]));
        assert!(read_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(read_reply(b"SSH-2.0\r\n\r\n").is_err());
        assert!(read_reply(b"HTTP/1.1 204 No\r\nContent-Length: 0\r\n\r\nx").is_err());
    }
}
