//! The load: one thread beside the service's core that keeps many connections going, closed loop or open loop.
//!
//! Closed: so many connections, each sends its next request when it has its answer; finds what the service can do. Open: a
//! schedule fixed in advance, whatever the answers are; latency counts from when a request was due, so that a service (or
//! this thread) that falls behind cannot hide it. The thread never sleeps: waking it would be paid for by the service.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::{Events, Interest, Poll, Token};
use rustls::ClientConfig;

use super::wire::{Connection, Reply, Step};

/// Connections that an open loop keeps at most.
const MOST_CONNECTIONS: usize = 6_000;
/// No answer at all for so long ends the run.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where requests go.
#[derive(Clone)]
pub struct Target {
    /// Address.
    pub address: SocketAddr,
    /// For TLS: what to trust, and the name to ask for.
    pub tls: Option<(Arc<ClientConfig>, String)>,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug)]
pub enum Pace {
    /// Each of so many connections sends when it has its answer.
    Closed(usize),
    /// So many a second, come what may.
    Open(f64),
}

/// What came back.
#[derive(Default)]
pub struct Answers {
    /// Bodies of the answers with status 200, where they are kept.
    pub bodies: Vec<String>,
    /// Time from when a request was due to its answer: status 200.
    pub served: Latencies,
    /// The same: status 429 or 503 with `Retry-After`.
    pub turned_away: Latencies,
    /// One body of those.
    pub turned_away_body: String,
    /// Answers of other kinds and connections that broke, with an example.
    pub faults: Vec<String>,
    /// How many faults there were.
    pub fault_count: usize,
    /// Most connections that were open at once.
    pub connections: usize,
    /// From the first request to the last answer.
    pub took: Duration,
}

/// Times, sorted once all are there.
#[derive(Default)]
pub struct Latencies(Vec<u32>);

impl Latencies {
    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The time that this share of the requests stayed under, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let last = self.0.len().saturating_sub(1);
        f64::from(self.0.get((last as f64 * share) as usize).copied().unwrap_or_default()) / 1e3
    }

    fn note(&mut self, took: Duration) {
        self.0.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }
}

/// What to do with the bodies of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bodies {
    /// Keep them.
    Keep,
    /// Count them.
    Drop,
}

struct Slot {
    connection: Connection,
    /// When the request that is under way was due.
    due: Option<Instant>,
}

struct Run<'a> {
    target: &'a Target,
    requests: &'a [Vec<u8>],
    count: usize,
    pace: Pace,
    bodies: Bodies,
    poll: Poll,
    slots: Vec<Option<Slot>>,
    /// Connections at rest, the latest first: the pool grows only when all are busy.
    idle: Vec<usize>,
    vacant: Vec<usize>,
    open: usize,
    next: usize,
    done: usize,
    answers: Answers,
}

/// Sends `count` requests, over and over again those that are given, and waits for every answer.
///
/// # Errors
/// When no connection can be made, or nothing comes for 30 s. What the service answers is no error here.
pub fn fire(target: &Target, requests: &[Vec<u8>], count: usize, pace: Pace, bodies: Bodies) -> Result<Answers> {
    ensure!(!requests.is_empty(), "nothing to send");
    super::service::off_service_core(|| {
        let mut run = Run {
            target,
            requests,
            count,
            pace,
            bodies,
            poll: Poll::new()?,
            slots: Vec::new(),
            idle: Vec::new(),
            vacant: Vec::new(),
            open: 0,
            next: 0,
            done: 0,
            answers: Answers::default(),
        };
        run.go()?;
        let mut answers = run.answers;
        answers.served.0.sort_unstable();
        answers.turned_away.0.sort_unstable();
        Ok(answers)
    })?
}

impl Run<'_> {
    fn go(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(1024);
        let started = Instant::now();
        let (mut last_done, mut last_at) = (0, started);
        while self.done < self.count {
            let now = Instant::now();
            while self.next < self.count {
                let due = match self.pace {
                    Pace::Closed(_) => now,
                    Pace::Open(rate) => started + Duration::from_secs_f64(self.next as f64 / rate),
                };
                let most = if let Pace::Closed(connections) = self.pace { connections } else { MOST_CONNECTIONS };
                if due > now || !self.send(due, most)? {
                    break;
                }
            }
            match self.poll.poll(&mut events, Some(Duration::ZERO)) {
                Ok(()) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e.into()),
            }
            for event in &events {
                self.step(event.token().0, event.is_writable());
            }
            if self.done > last_done {
                (last_done, last_at) = (self.done, now);
            } else if now - last_at > PATIENCE {
                bail!("no answer for {} s, {} of {} were there", PATIENCE.as_secs(), self.done, self.count);
            }
        }
        self.answers.took = started.elapsed();
        Ok(())
    }

    /// Sends the next request; `false` when every connection is busy and there may be no more.
    fn send(&mut self, due: Instant, most: usize) -> Result<bool> {
        let key = match self.idle.pop() {
            Some(key) => key,
            None if self.open >= most => return Ok(false),
            None => self.connect()?,
        };
        let request = &self.requests[self.next % self.requests.len()];
        self.next += 1;
        if let Some(slot) = self.slots.get_mut(key).and_then(Option::as_mut) {
            slot.due = Some(due);
            if let Err(error) = slot.connection.send(request) {
                self.close(key, &format!("sending failed: {error:#}"));
            }
        }
        Ok(true)
    }

    fn connect(&mut self) -> Result<usize> {
        let tls = self.target.tls.as_ref().map(|(config, name)| (config, name.as_str()));
        let mut connection = Connection::open(self.target.address, tls)
            .with_context(|| format!("no connection to {} beside {} others", self.target.address, self.open))?;
        let key = self.vacant.pop().unwrap_or(self.slots.len());
        self.poll.registry().register(connection.stream(), Token(key), Interest::READABLE.add(Interest::WRITABLE))?;
        let slot = Some(Slot { connection, due: None });
        match self.slots.get_mut(key) {
            Some(vacant) => *vacant = slot,
            None => self.slots.push(slot),
        }
        self.open += 1;
        self.answers.connections = self.answers.connections.max(self.open);
        Ok(key)
    }

    fn step(&mut self, key: usize, writable: bool) {
        let Some(slot) = self.slots.get_mut(key).and_then(Option::as_mut) else { return };
        if writable && slot.connection.stream().peer_addr().is_ok() {
            let _ = slot.connection.stream().set_nodelay(true);
            if let Err(error) = slot.connection.write() {
                return self.close(key, &format!("sending failed: {error:#}"));
            }
        }
        match slot.connection.read() {
            Ok(Step::Waiting) => {}
            Ok(Step::Closed) => self.close(key, "the service closed the connection"),
            Ok(Step::Answered(reply)) => self.answered(key, &reply),
            Err(error) => self.close(key, &format!("{error:#}")),
        }
    }

    fn answered(&mut self, key: usize, reply: &Reply) {
        let Some(slot) = self.slots.get_mut(key).and_then(Option::as_mut) else { return };
        let Some(due) = slot.due.take() else { return self.close(key, "an answer that nobody asked for") };
        let (took, body) = (due.elapsed(), slot.connection.body(reply));
        let answers = &mut self.answers;
        match (reply.status, reply.retry_after) {
            (200, _) => {
                answers.served.note(took);
                if self.bodies == Bodies::Keep {
                    answers.bodies.push(String::from_utf8_lossy(body).into_owned());
                }
            }
            (429 | 503, Some(1..)) => {
                answers.turned_away.note(took);
                if answers.turned_away_body.is_empty() {
                    answers.turned_away_body = String::from_utf8_lossy(body).into_owned();
                }
            }
            (status, _) => {
                let text = format!("{status}: {}", String::from_utf8_lossy(body));
                answers.fault(text);
            }
        }
        slot.connection.clear();
        self.done += 1;
        if reply.closes {
            self.forget(key);
        } else {
            self.idle.push(key);
        }
    }

    /// A connection that ended: a fault when a request was under way.
    fn close(&mut self, key: usize, why: &str) {
        if self.slots.get(key).and_then(Option::as_ref).is_some_and(|s| s.due.is_some()) {
            self.answers.fault(why.to_owned());
            self.done += 1;
        }
        self.idle.retain(|k| *k != key);
        self.forget(key);
    }

    fn forget(&mut self, key: usize) {
        if let Some(slot) = self.slots.get_mut(key)
            && let Some(mut gone) = slot.take()
        {
            let _ = self.poll.registry().deregister(gone.connection.stream());
            self.vacant.push(key);
            self.open -= 1;
        }
    }
}

impl Answers {
    /// Notes what went wrong.
    fn fault(&mut self, text: String) {
        self.fault_count += 1;
        if self.faults.len() < 5 {
            self.faults.push(text);
        }
    }

    /// Everything must have been served.
    ///
    /// # Errors
    /// What was not.
    pub fn all_served(self) -> Result<Self> {
        ensure!(self.fault_count == 0, "{} requests failed, so: {}", self.fault_count, self.faults.join(" | "));
        let away = self.turned_away.count();
        ensure!(away == 0, "{away} requests were turned away, so: {}", self.turned_away_body);
        Ok(self)
    }
}
