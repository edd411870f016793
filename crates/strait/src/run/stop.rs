//! Signals: the first one stops the program, with a checkpoint if it is training; a second one ends it at once, unless it is SIGTERM,
//! which a batch system sends twice within moments (Slurm at a time limit: to the step, and by `srun`).

use crate::ProgramError;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What is said of work that has no more to say of where it stands.
pub const STOPPED: &str = "stopped; nothing that was written is lost";
/// The exit code of a program that was interrupted.
const CODE: i32 = 130;
/// How often the signal thread checks whether work that answers by itself has ended.
const LOOK: Duration = Duration::from_millis(20);
/// The time that work which answered by itself has to report where it stopped.
const GRACE: Duration = Duration::from_millis(500);
/// The time that work which can be left has to answer: the program ends within two seconds, and saving takes some of them.
const PATIENCE: Duration = Duration::from_secs(1);

/// What leaves a work that goes on: it saves what it can, and says how the program ends.
type Rescue = Box<dyn FnOnce() -> ProgramError + Send>;
/// Whether another process, which saves for this one, has ended.
type HasLeft = Box<dyn Fn() -> bool + Send>;

/// Whether the program was asked to stop, and whether work is running that answers by itself.
///
/// Every file of a run is written atomically, so the program may end between any two instructions. Only a training
/// has something to save.
#[derive(Default)]
pub struct Stop {
    asked: AtomicBool,
    answered: AtomicBool,
    said: AtomicBool,
    /// Held while it is used, so that the work does not go on meanwhile.
    rescue: Mutex<Option<Rescue>>,
    /// Of a process that saves nothing itself.
    followed: Mutex<Option<HasLeft>>,
}

impl Stop {
    /// Answers SIGINT, SIGTERM and SIGHUP, unless SIGHUP is ignored, as under `nohup`. The process ends without running
    /// destructors: libtorch's crash where threads still compute.
    ///
    /// # Errors
    /// `Argument` where the system takes no handler.
    pub fn on_signals() -> Result<Arc<Self>, ProgramError> {
        let stop = Arc::new(Self::default());
        let watched: Vec<i32> =
            [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|s| *s != SIGHUP || !is_ignored(*s)).collect();
        let refused =
            |error: io::Error| ProgramError::Argument { argument: "signals".into(), problem: error.to_string() };
        let mut signals = Signals::new(watched).map_err(refused)?;
        let answer = Arc::clone(&stop);
        let listen = move || {
            for signal in signals.forever() {
                if answer.asked.swap(true, SeqCst) {
                    if signal == SIGTERM {
                        continue;
                    }
                    low_level::exit(CODE);
                }
                let answer = Arc::clone(&answer);
                thread::spawn(move || answer.leave_unless_answered());
            }
        };
        thread::Builder::new().name("signals".into()).spawn(listen).map_err(refused)?;
        Ok(stop)
    }

    /// Whether the running work should end, and save what it can.
    pub fn is_asked(&self) -> bool {
        self.asked.load(SeqCst)
    }

    /// Work that checks [`is_asked`](Self::is_asked) and ends by itself.
    pub fn answered_by<T>(&self, work: impl FnOnce() -> T) -> T {
        self.answered.store(true, SeqCst);
        let done = work();
        self.answered.store(false, SeqCst);
        done
    }

    /// Work that cannot check [`is_asked`](Self::is_asked) before it is done, within work that answers. Where it lasts more
    /// than a second after the program was asked to stop, `rescue` saves what it can from another thread, and the program ends as
    /// it says.
    pub fn left_by<T>(&self, rescue: impl FnOnce() -> ProgramError + Send + 'static, work: impl FnOnce() -> T) -> T {
        *self.rescue() = Some(Box::new(rescue));
        let done = work();
        *self.rescue() = None;
        done
    }

    /// From now on, work that answers is left once another process has ended, if it lasts a second after the program was asked to
    /// stop: it would wait for that process.
    pub fn follow(&self, has_left: impl Fn() -> bool + Send + 'static) {
        *self.followed() = Some(Box::new(has_left));
    }

    fn followed(&self) -> MutexGuard<'_, Option<HasLeft>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rescue(&self) -> MutexGuard<'_, Option<Rescue>> {
        self.rescue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave_unless_answered(&self) {
        let asked = Instant::now();
        loop {
            while self.answered.load(SeqCst) {
                thread::sleep(LOOK);
                if asked.elapsed() > PATIENCE {
                    let mut held = self.rescue();
                    if let Some(rescue) = held.take() {
                        self.leave(&rescue().to_string());
                    }
                    drop(held);
                    if self.followed().as_ref().is_some_and(|has_left| has_left()) {
                        self.leave("the first rank has ended");
                    }
                }
            }
            thread::sleep(GRACE);
            if !self.answered.load(SeqCst) {
                break;
            }
        }
        self.leave(STOPPED);
    }

    /// From now on the process ends without a word: another says why.
    pub fn hush(&self) {
        self.said.store(true, SeqCst);
    }

    /// Says why and ends the process, without destructors. Whoever comes second adds nothing.
    pub fn leave(&self, why: &str) -> ! {
        if !self.said.swap(true, SeqCst) {
            let _ = writeln!(io::stderr(), "strait: {why}");
        }
        low_level::exit(CODE);
    }
}

/// Whether the process was started with a signal ignored, where the system says so.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_answers_only_while_it_is_under_way() {
        let stop = Stop::default();
        assert!(stop.left_by(|| unreachable!("nobody asked"), || stop.rescue().is_some()));
        assert!(stop.rescue().is_none());
        assert!(!stop.is_asked() && !stop.answered.load(SeqCst));
        assert!(stop.answered_by(|| stop.answered.load(SeqCst)));
        assert!(!stop.answered.load(SeqCst));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn rust_ignores_a_broken_pipe_and_nothing_else() {
        // SIGINT and SIGHUP are ignored in whatever a shell put into the background.
        assert!(is_ignored(signal_hook::consts::SIGPIPE) && !is_ignored(signal_hook::consts::SIGUSR1));
    }
}
