//! How ranks ask each other about their state when a wait fails.
//!
//! c10d reports that a connection broke, but not which rank caused it. So each rank has a thread that answers one
//! question: how many steps it has taken, and whether it is leaving. Its address is known to all ranks from the start.
//! A process that has ended refuses the connection; a process that is stopped accepts it and does not answer.

use crate::RankState;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a rank that leaves waits to be asked why.
pub(crate) const LINGER: Duration = Duration::from_secs(4);

/// Why a rank leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// For a reason of its own.
    Own(String),
    /// For what it found of another.
    Found(String),
}

/// A rank's answer about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The operations that it has begun.
    At(u64),
    /// That it leaves, and why.
    Leaves(Word),
}

#[derive(Debug, Default)]
struct State {
    operations: AtomicU64,
    word: Mutex<Option<Word>>,
    asked: Mutex<BTreeSet<usize>>,
}

/// The thread that answers for this rank.
#[derive(Debug)]
pub(crate) struct Sentry {
    state: Arc<State>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// A token that identifies it, because its address may belong to another process later.
    pub(crate) token: String,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sentry {
    /// Listens at an address of this machine.
    pub(crate) fn start(at: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((at, 0))?;
        let address = listener.local_addr()?;
        let token = format!("{}-{}", std::process::id(), address.port());
        let state = Arc::new(State::default());
        let sentry = Self { state: Arc::clone(&state), address, token: token.clone() };
        let listen = move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(&stream, &state, &token);
            }
        };
        thread::Builder::new().name("sentry".into()).spawn(listen)?;
        Ok(sentry)
    }

    /// One more operation begins: its number.
    pub(crate) fn begin(&self) -> u64 {
        self.state.operations.fetch_add(1, SeqCst) + 1
    }

    /// The operations that have begun.
    pub(crate) fn now(&self) -> u64 {
        self.state.operations.load(SeqCst)
    }

    /// Sets the reason why this rank leaves. Only the first call counts.
    pub(crate) fn say(&self, word: Word) {
        locked(&self.state.word).get_or_insert(word);
    }

    /// The ranks that asked and were told that this one leaves.
    pub(crate) fn told(&self) -> BTreeSet<usize> {
        locked(&self.state.asked).clone()
    }
}

fn answer(mut stream: &TcpStream, state: &State, token: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(ANSWER))?;
    stream.set_write_timeout(Some(ANSWER))?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let word = locked(&state.word).clone();
    let one_line = |text: &str| text.replace('\n', " ");
    let said = match &word {
        None => format!("at {}", state.operations.load(SeqCst)),
        Some(Word::Own(text)) => format!("own {}", one_line(text)),
        Some(Word::Found(text)) => format!("found {}", one_line(text)),
    };
    writeln!(stream, "{token} {said}")?;
    if let (Some(_), Ok(rank)) = (word, line.trim().parse()) {
        locked(&state.asked).insert(rank);
    }
    Ok(())
}

/// Asks the rank at an address; the asker says which it is.
pub(crate) fn ask(address: SocketAddr, token: &str, asker: usize) -> Result<Answer, RankState> {
    let connected = TcpStream::connect_timeout(&address, ANSWER);
    let mut stream = connected.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => RankState::Gone,
        _ => RankState::Silent,
    })?;
    let mut exchange = || -> io::Result<String> {
        stream.set_read_timeout(Some(ANSWER))?;
        writeln!(stream, "{asker}")?;
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line)?;
        Ok(line)
    };
    let line = exchange().map_err(|error| match error.kind() {
        // It ended while it was asked.
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => RankState::Gone,
        _ => RankState::Silent,
    })?;
    let rest = line.trim_end().strip_prefix(token).and_then(|rest| rest.strip_prefix(' ')).ok_or(RankState::Gone)?;
    match rest.split_once(' ') {
        Some(("at", number)) => number.parse().map(Answer::At).map_err(|_| RankState::Gone),
        Some(("own", text)) => Ok(Answer::Leaves(Word::Own(text.to_owned()))),
        Some(("found", text)) => Ok(Answer::Leaves(Word::Found(text.to_owned()))),
        _ => Err(RankState::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_rank_says_how_far_it_has_come_and_why_it_leaves() {
        let sentry = Sentry::start([127, 0, 0, 1].into()).unwrap();
        let ask = || ask(sentry.address, &sentry.token, 1);
        assert_eq!(ask(), Ok(Answer::At(0)));
        sentry.begin();
        assert_eq!(ask(), Ok(Answer::At(1)));
        assert!(sentry.told().is_empty());
        sentry.say(Word::Own("a full\ndisk".into()));
        assert_eq!(ask(), Ok(Answer::Leaves(Word::Own("a full disk".into()))));
        // The asker can read its answer before the answering thread notes it.
        let begun = Instant::now();
        while !sentry.told().contains(&1) {
            assert!(begun.elapsed() < ANSWER, "an answer was given and never noted");
            thread::yield_now();
        }
        sentry.say(Word::Found("something else".into()));
        assert_eq!(ask(), Ok(Answer::Leaves(Word::Own("a full disk".into()))));
    }

    #[test]
    fn one_that_has_ended_and_one_that_is_stopped_are_told_apart() {
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(gone, "t", 0), Err(RankState::Gone));
        // The system takes connections for a process that does not.
        let stopped = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_eq!(ask(stopped.local_addr().unwrap(), "t", 0), Err(RankState::Silent));
        let other = Sentry::start([127, 0, 0, 1].into()).unwrap();
        assert_eq!(ask(other.address, "of another process", 0), Err(RankState::Gone));
    }
}
