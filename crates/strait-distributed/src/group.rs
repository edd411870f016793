use crate::ffi::{self, Gloo};
use crate::sentry::{Answer, LINGER, Sentry, Word, ask};
use crate::store::{Store, milliseconds, text};
use crate::{GroupError, Place, RankState};
use std::cell::Cell;
use std::net::SocketAddr;
use std::ptr;
use std::thread;
use std::time::{Duration, Instant};
use strait_autodiff::AutodiffError;
use strait_autodiff::ffi::{Outcome, check, handle, own_each_of};
use tch::{Device, Tensor};

/// A group of processes that work on one thing: c10d's, over Gloo.
///
/// Every rank calls the same operations in the same order. If a rank does not reach an operation, the operation ends
/// with an error on all others: at once if its process has ended, else when the deadline is over. Tensors on a GPU go
/// through the host's memory, except under the feature `nccl`.
///
/// ```
/// use strait_distributed::{Group, Place};
/// use std::time::Duration;
/// use tch::Tensor;
/// // A group of one, at a port that is free; see `Place::of_environment` for those that a launcher starts.
/// let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
/// let given = [("MASTER_ADDR", "127.0.0.1".to_owned()), ("MASTER_PORT", port.to_string()), ("RANK", "0".into()),
///     ("WORLD_SIZE", "1".into())];
/// let place = Place::of(|name| given.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone()))?;
/// let group = Group::join(place.expect("a place"))?;
/// let x = Tensor::from_slice(&[1.0f32, 2.0]);
/// group.sum(&x)?;
/// assert_eq!(x, Tensor::from_slice(&[1.0f32, 2.0]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Group {
    // Dropped in this order: the group writes to the store as long as it lives.
    gloo: Handle,
    store: Store,
    sentry: Sentry,
    place: Place,
    /// The address and the token of each rank's sentry.
    ranks: Ranks,
    /// Whether this rank has said why it leaves, or need not.
    ended: Cell<bool>,
    /// How long this rank has been in operations.
    spent: Cell<Duration>,
}

type Ranks = Vec<(SocketAddr, String)>;

/// The longest pause between two questions of a rank that waits for others to come.
const MEETING: Duration = Duration::from_millis(300);

/// Keeps the store of a group that failed to meet until each rank that came has read why, or for a while.
fn until_read(place: &Place, store: &Store) {
    let is_there = |name: &str, rank: usize| store.counted(&place.key(name, rank)).is_ok_and(|count| count > 0);
    let reads = |rank: usize| is_there("claim", rank) && !is_there("read", rank);
    let begun = Instant::now();
    while (0..place.world).any(reads) && begun.elapsed() < LINGER {
        thread::sleep(Duration::from_millis(20));
    }
}

#[derive(Debug)]
struct Handle(*mut Gloo);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it was made by `join` and is freed once.
        unsafe { ffi::strait_group_free(self.0) }
    }
}

impl Group {
    /// Meets the other ranks; returns when all are there.
    ///
    /// # Errors
    /// `Port`, `Unreachable`, `Taken`, `World`, or `Absent`, which names the ranks that did not come within the deadline.
    pub fn join(place: Place) -> Result<Self, GroupError> {
        let unreachable =
            |error: String| GroupError::Unreachable { address: place.address(), problem: brief(&error).to_owned() };
        let serves = place.rank == 0 && !place.agent;
        let store = Store::open(&place.host, place.port, serves, place.deadline).map_err(|error| {
            let problem = error.to_string();
            let in_use = serves && ["EADDRINUSE", "in use"].iter().any(|words| problem.contains(words));
            if in_use { GroupError::Port { address: place.address() } } else { unreachable(problem) }
        })?;
        match Self::assemble(&place, &store) {
            Ok((gloo, sentry, ranks)) => {
                let (ended, spent) = (Cell::new(false), Cell::default());
                Ok(Self { gloo, store, sentry, place, ranks, ended, spent })
            }
            Err(error) => {
                let _ = store.count(&place.key("read", place.rank));
                if serves {
                    until_read(&place, &store);
                }
                Err(error)
            }
        }
    }

    fn assemble(place: &Place, store: &Store) -> Result<(Handle, Sentry, Ranks), GroupError> {
        let until = Instant::now() + place.deadline;
        let unreachable =
            |error: String| GroupError::Unreachable { address: place.address(), problem: brief(&error).to_owned() };
        let own = place.own_address()?;
        let sentry = Sentry::start(own).map_err(|error| unreachable(error.to_string()))?;
        let fail = |error: AutodiffError| unreachable(error.to_string());
        let key = |name: &str, rank: usize| place.key(name, rank);
        if store.count(&key("claim", place.rank)).map_err(fail)? != 1 {
            return Err(GroupError::Taken { rank: place.rank, address: place.address() });
        }
        let own = format!("{} {} {}", place.world, sentry.address, sentry.token);
        // Nothing yet: c10d complains of a key that is not there.
        store.set(&place.left(place.rank), "").map_err(fail)?;
        store.set(&key("at", place.rank), &own).map_err(fail)?;
        let mut ranks = vec![];
        for rank in 0..place.world {
            let left = until.saturating_duration_since(Instant::now());
            let Ok(found) = store.get(&key("at", rank), left) else {
                let here = |rank: &usize| store.get(&key("at", *rank), Duration::from_millis(1)).is_err();
                let absent: Vec<usize> = (0..place.world).filter(here).collect();
                if absent.contains(&place.rank) {
                    return Err(unreachable("rank 0, which held the store, has ended".into()));
                }
                let (world, address, seconds) = (place.world, place.address(), place.deadline.as_secs_f64());
                return Err(GroupError::Absent { absent, world, address, seconds });
            };
            let mut words = found.split(' ');
            let mut word = || words.next().unwrap_or_default();
            let (world, address, token) = (word().parse().unwrap_or(0), word().parse(), word().to_owned());
            if world != place.world {
                return Err(GroupError::World { rank: place.rank, here: place.world, other: rank, there: world });
            }
            ranks.push((address.map_err(|_| unreachable(format!("rank {rank} says `{found}`")))?, token));
        }
        let (interface, address) = (place.interface.as_deref().map(text), text(&sentry.address.ip().to_string()));
        let mut result = ptr::null_mut();
        // SAFETY: the texts live through the call, the store longer than the group; `result` is written on success.
        check(unsafe {
            ffi::strait_group_join(
                store.raw(),
                place.rank as i32,
                place.world as i32,
                interface.as_ref().map_or(ptr::null(), |name| name.as_ptr()),
                address.as_ptr(),
                milliseconds(place.deadline),
                &raw mut result,
            )
        })
        .map_err(fail)?;
        Ok((Handle(result), sentry, ranks))
    }

    /// Which of the ranks this process is, from 0.
    pub fn rank(&self) -> usize {
        self.place.rank
    }

    /// How many ranks there are.
    pub fn world(&self) -> usize {
        self.place.world
    }

    /// What the launcher said.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Gives a tensor the values that it has on rank `root`, in place.
    ///
    /// # Errors
    /// `Lost`, or `Told`; `Engine` for a kind of numbers that Gloo does not carry.
    pub fn broadcast(&self, tensor: &Tensor, root: usize) -> Result<(), GroupError> {
        self.staged("broadcast", tensor, |host| {
            // SAFETY: the group lives as long as `self`, the tensor through the call.
            unsafe { ffi::strait_group_broadcast(self.gloo.0, handle(host), root as i32) }
        })
    }

    /// The sum over all ranks, in place: the same to the bit on every rank.
    ///
    /// # Errors
    /// As `broadcast`.
    pub fn sum(&self, tensor: &Tensor) -> Result<(), GroupError> {
        self.staged("all-reduce", tensor, |host| {
            // SAFETY: as above.
            unsafe { ffi::strait_group_sum(self.gloo.0, handle(host)) }
        })
    }

    /// The mean over all ranks, in place.
    ///
    /// # Errors
    /// As `broadcast`.
    pub fn average(&self, tensor: &Tensor) -> Result<(), GroupError> {
        self.sum(tensor)?;
        let world = self.world() as f64;
        let divided = tch::no_grad(|| tensor.shallow_clone().f_div_scalar_(world));
        divided.map(drop).map_err(|error| engine("all-reduce", &error.into()))
    }

    /// The tensor of every rank, in the order of the ranks; all have one shape and kind.
    ///
    /// # Errors
    /// As `broadcast`.
    pub fn all_gather(&self, tensor: &Tensor) -> Result<Vec<Tensor>, GroupError> {
        let mut found = vec![ptr::null_mut(); self.world()];
        let host = host(tensor).map_err(|error| engine("all-gather", &error))?;
        self.run("all-gather", || {
            // SAFETY: as above; as many results are written as there are ranks.
            unsafe { ffi::strait_group_all_gather(self.gloo.0, handle(&host), found.as_mut_ptr(), found.len()) }
        })?;
        // SAFETY: on success they are fresh tensors that nothing else owns.
        Ok(unsafe { own_each_of(found) })
    }

    /// The tensor of every rank, in the order of the ranks, on rank `root`; nothing on the others.
    ///
    /// # Errors
    /// As `broadcast`.
    pub fn gather(&self, tensor: &Tensor, root: usize) -> Result<Vec<Tensor>, GroupError> {
        let mut found = vec![ptr::null_mut(); self.world()];
        let host = host(tensor).map_err(|error| engine("gather", &error))?;
        self.run("gather", || {
            let (to, world) = (found.as_mut_ptr(), found.len());
            // SAFETY: as above; on other ranks the results are null.
            unsafe { ffi::strait_group_gather(self.gloo.0, handle(&host), root as i32, to, world) }
        })?;
        // SAFETY: as above.
        Ok(unsafe { own_each_of(found) })
    }

    /// Waits until every rank is here.
    ///
    /// # Errors
    /// `Lost`, or `Told`.
    pub fn barrier(&self) -> Result<(), GroupError> {
        // SAFETY: as above.
        self.run("barrier", || unsafe { ffi::strait_group_barrier(self.gloo.0) })
    }

    /// Waits until every rank is here: as long as a working rank takes, if it answers. Use it after work of unequal
    /// length.
    ///
    /// # Errors
    /// `Lost` for a rank that has ended, has left, or has not answered for as long as the deadline.
    pub fn meet(&self) -> Result<(), GroupError> {
        let (operation, number) = ("meeting", self.sentry.begin());
        let mut heard: Vec<Option<Instant>> = vec![Some(Instant::now()); self.world()];
        heard[self.rank()] = None;
        let mut pause = Duration::from_millis(10);
        while heard.iter().any(Option::is_some) {
            for (rank, (address, token)) in self.ranks.iter().enumerate() {
                let Some(last) = heard[rank] else { continue };
                match ask(*address, token, self.rank()) {
                    Ok(Answer::At(at)) if at >= number => heard[rank] = None,
                    Ok(Answer::At(_)) => heard[rank] = Some(Instant::now()),
                    Err(RankState::Silent) if last.elapsed() < self.place.deadline => {}
                    _ => return Err(self.explain(operation, number, None)),
                }
            }
            thread::sleep(pause);
            pause = (pause * 2).min(MEETING);
        }
        // Nobody goes before all have seen that all are here.
        self.barrier()
    }

    /// The next number of a count that all ranks take from, from 0: each number goes to one rank. What is counted has a name.
    ///
    /// # Errors
    /// `Lost` where rank 0, which holds the count, is no more.
    pub fn take(&self, name: &str) -> Result<u64, GroupError> {
        let key = format!("strait/{}/take/{name}", self.place.attempt);
        let count = self.store.count(&key).map_err(|error| self.explain("share", self.sentry.now(), Some(&error)))?;
        Ok(count.unsigned_abs() - 1)
    }

    /// A question to ask from any thread, without waiting for an operation: whether rank 0 has ended, or is leaving.
    pub fn first_has_left(&self) -> impl Fn() -> bool + Send + use<> {
        let ((address, token), own) = (self.ranks[0].clone(), self.rank());
        move || !matches!(ask(address, &token, own), Ok(Answer::At(_)) | Err(RankState::Silent))
    }

    /// How long this rank has been in operations, waiting for others included.
    pub fn spent(&self) -> Duration {
        self.spent.get()
    }

    /// Leaves for a reason of this rank's own: the others learn it when they miss this one. Waits until all know, some seconds
    /// at most. Nothing where the group has ended already.
    pub fn leave(&self, cause: &str) {
        if !self.ended.get() {
            self.say(Word::Own(cause.to_owned()));
        }
    }

    /// Says why this rank leaves, and waits until each other rank has asked, or leaves itself.
    fn say(&self, word: Word) {
        self.ended.set(true);
        if let (Word::Own(cause), true) = (&word, self.rank() > 0) {
            let _ = self.store.set(&self.place.left(self.rank()), &cause.replace('\n', " "));
        }
        self.sentry.say(word);
        let (begun, mut know) = (Instant::now(), self.sentry.told());
        know.insert(self.rank());
        while know.len() < self.world() && begun.elapsed() < LINGER {
            for (rank, (address, token)) in self.ranks.iter().enumerate() {
                if !know.contains(&rank) && !matches!(ask(*address, token, self.rank()), Ok(Answer::At(_))) {
                    know.insert(rank);
                }
            }
            thread::sleep(Duration::from_millis(20));
            know.extend(self.sentry.told());
        }
    }

    /// The group has ended for a reason that every rank has found.
    pub(crate) fn end(&self) {
        self.ended.set(true);
    }

    /// An operation that works in place on the host's memory.
    fn staged(
        &self,
        operation: &'static str,
        tensor: &Tensor,
        call: impl FnOnce(&Tensor) -> Outcome,
    ) -> Result<(), GroupError> {
        let failed = |error: AutodiffError| engine(operation, &error);
        let host = host(tensor).map_err(failed)?;
        self.run(operation, || call(&host))?;
        if host.data_ptr() != tensor.data_ptr() {
            tch::no_grad(|| tensor.shallow_clone().f_copy_(&host)).map_err(|error| failed(error.into()))?;
        }
        Ok(())
    }

    fn run(&self, operation: &'static str, call: impl FnOnce() -> Outcome) -> Result<(), GroupError> {
        let (number, begun) = (self.sentry.begin(), Instant::now());
        let done = check(call()).map_err(|error| self.explain(operation, number, Some(&error)));
        self.spent.set(self.spent.get() + begun.elapsed());
        done
    }

    /// Asks the other ranks for their state, and passes the result on to ranks that ask later. `error`: that of c10d,
    /// if any.
    fn explain(&self, operation: &'static str, number: u64, error: Option<&AutodiffError>) -> GroupError {
        let (mut lost, mut late, mut left, mut found) = (vec![], vec![], vec![], None);
        let mut served = self.rank() == 0 || self.place.agent;
        for (rank, (address, token)) in self.ranks.iter().enumerate().filter(|(rank, _)| *rank != self.rank()) {
            match ask(*address, token, self.rank()) {
                Ok(Answer::At(at)) => {
                    served |= rank == 0;
                    if at < number {
                        late.push((rank, RankState::Late));
                    }
                }
                Ok(Answer::Leaves(Word::Own(cause))) => left.push((rank, RankState::Left { cause })),
                Ok(Answer::Leaves(Word::Found(words))) => found = Some(words),
                // It left before it was asked, for this rank was at work, and has said why.
                Err(RankState::Gone) if served => {
                    match self.store.get(&self.place.left(rank), Duration::from_secs(1)) {
                        Ok(said) if !said.is_empty() => left.push((rank, RankState::Left { cause: said })),
                        _ => lost.push((rank, RankState::Gone)),
                    }
                }
                Err(loss) => lost.push((rank, loss)),
            }
        }
        let seconds = self.place.deadline.as_secs_f64();
        // A rank that left said why; what another found is older than what is found now; one that is late is so for them.
        let error = match (left.is_empty(), found, lost.is_empty(), late.is_empty()) {
            (false, ..) => GroupError::Lost { lost: left, operation, number, seconds },
            (_, Some(words), ..) => GroupError::Told { words },
            (_, _, false, _) => GroupError::Lost { lost, operation, number, seconds },
            (.., false) => GroupError::Lost { lost: late, operation, number, seconds },
            _ => error.map_or_else(
                || GroupError::Engine { operation, problem: "a rank was lost, and answers again".into() },
                |error| engine(operation, error),
            ),
        };
        self.say(Word::Found(error.to_string()));
        error
    }
}

/// The tensor where it can be sent from: itself, where it lies row by row on the CPU or, under NCCL, on a GPU.
fn host(tensor: &Tensor) -> Result<Tensor, AutodiffError> {
    let stays = cfg!(feature = "nccl") && tensor.device().is_cuda();
    let tensor = if stays { tensor.detach() } else { tensor.detach().f_to_device(Device::Cpu)? };
    Ok(tensor.f_contiguous()?)
}

fn engine(operation: &'static str, error: &AutodiffError) -> GroupError {
    GroupError::Engine { operation, problem: brief(&error.to_string()).to_owned() }
}

/// libtorch's message without the location in its source.
fn brief(text: &str) -> &str {
    text.strip_prefix("libtorch: ").unwrap_or(text)
}
