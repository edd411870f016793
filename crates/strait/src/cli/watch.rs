//! `train --watch`: a page that follows a run.

use crate::ProgramError;
use crate::config::Config;
use crate::page::live::{Live, LiveState, LiveTraining};
use crate::run::command::CommandContext;
use crate::run::folder::RunFolder;
use crate::training::context::RunContext;
use crate::training::made_pairs::teacher_folder;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// The least time between two pages.
const EVERY: Duration = Duration::from_secs(5);
/// As many times as long as a page took to write nothing is written: less than half a percent of one core.
const REST: u32 = 200;

/// The page of a run: it reads the run's folder alone, so that nothing that is trained depends on it.
pub(super) struct Watch(Live);

impl Watch {
    pub(super) fn new(config: &Config, context: &RunContext, folder: &RunFolder, command: &CommandContext<'_>) -> Self {
        let mut parts = vec![LiveTraining::new(config.method(), config, folder.clone())];
        let (mut below, mut before) = (folder.clone(), config.teacher());
        while let Some(config) = before {
            below = RunFolder::of(&teacher_folder(&below));
            parts.insert(0, LiveTraining::new("teacher", &config, below.clone()));
            before = config.teacher();
        }
        if let Some(baseline) = config.baseline().filter(|_| config.evaluate.baseline) {
            let below = RunFolder::of(&folder.path().join("baseline"));
            parts.push(LiveTraining::new(baseline.method(), &baseline, below));
        }
        let (dataset, resume_command) = (context.data.points.name().to_owned(), command.resume_command.clone());
        Self(Live { folder: folder.clone(), dataset, parts, resume_command })
    }

    /// Works, and writes the page meanwhile.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> Result<T, ProgramError>) -> Result<T, ProgramError> {
        match self.0.write(LiveState::Trains) {
            Ok(page) => info!("{}: it follows the run", page.display()),
            Err(error) => warn!("there is no page to watch: {error}"),
        }
        let (working, over) = mpsc::channel::<()>();
        let page = &self.0;
        let writes = move || {
            let mut rest = EVERY;
            while over.recv_timeout(rest) == Err(RecvTimeoutError::Timeout) {
                let began = Instant::now();
                if let Err(error) = page.write(LiveState::Trains) {
                    return warn!("the page is no longer written: {error}");
                }
                rest = EVERY.max(began.elapsed() * REST);
            }
        };
        let done = thread::scope(|scope| {
            scope.spawn(writes);
            let done = work();
            drop(working); // which ends the other thread
            done
        });
        if done.is_ok() {
            self.say(LiveState::Measures);
        }
        done
    }

    /// What ended the run before its report was there.
    pub(super) fn stopped(&self, error: &ProgramError) {
        self.say(LiveState::Stopped(&error.to_string()));
    }

    fn say(&self, state: LiveState<'_>) {
        if let Err(error) = self.0.write(state) {
            warn!("the page says no longer where the run stands: {error}");
        }
    }
}
