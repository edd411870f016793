//! The loop of every suite: it draws cases, checks the laws on each, shrinks a broken case, and reports it in one line.

use crate::samples::distance;
use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use std::fmt::{self, Debug, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tch::Tensor;

/// A broken law: whose, which, on what case, and how.
#[derive(Clone, thiserror::Error)]
#[error("{subject} breaks {law:?}: {detail} [{case}]")]
pub struct Broken<Law: Debug, Case: Display> {
    /// The name that the check was given.
    pub subject: String,
    /// The law.
    pub law: Law,
    /// What was found and what was expected.
    pub detail: String,
    /// The smallest case found that breaks it.
    pub case: Box<Case>,
}

/// The same line as `Display`, so that `unwrap` in a test prints it.
impl<Law: Debug, Case: Display> Debug for Broken<Law, Case> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

/// A law that does not hold on one case.
pub(crate) struct Fault<Law> {
    pub(crate) law: Law,
    pub(crate) detail: String,
}

impl<Law> Fault<Law> {
    pub(crate) fn new(law: Law, detail: impl Into<String>) -> Self {
        Self { law, detail: detail.into() }
    }
}

/// Refuses two tensors that are further apart than `tolerance`, in units of 1 + |b|.
pub(crate) fn hold<Law>(law: Law, what: &str, a: &Tensor, b: &Tensor, tolerance: f64) -> Result<(), Fault<Law>> {
    let off = distance(a, b);
    if off <= tolerance { Ok(()) } else { Err(Fault::new(law, format!("{what} is off by {off:.3e}"))) }
}

/// How many cases a suite draws where nothing else is said: each shape of up to six dimensions meets each of three gates and
/// either half about five times. Every fault that is planted in the crates above shows within a third of them.
pub(crate) const CASES: u32 = 96;

/// Draws this many cases (`PROPTEST_CASES` sets another number), and shrinks a broken one so far.
pub(crate) fn config(cases: u32) -> Config {
    let default = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { default.cases } else { cases };
    Config { cases, failure_persistence: None, max_shrink_iters: 200, ..default }
}

/// One thread for libtorch as long as it lives: the tensors of cases are small, and a second thread only costs.
struct OneThread {
    before: i32,
}

impl OneThread {
    fn start() -> Self {
        let before = tch::get_num_threads();
        tch::set_num_threads(1);
        Self { before }
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}

/// Examines cases, the same in every run. A panic, and whatever else no law accounts for, is reported under `runs`.
pub(crate) fn run<Law: Debug, Case: Debug + Display + Default>(
    subject: &str,
    runs: Law,
    config: Config,
    cases: &impl Strategy<Value = Case>,
    examine: impl Fn(&Case) -> Result<(), Fault<Law>>,
) -> Result<(), Broken<Law, Case>> {
    let _one_thread = OneThread::start();
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(cases, |case| examine(&case).map_err(|fault| TestCaseError::fail(fault.detail)));
    let (fault, case) = match outcome {
        Ok(()) => return Ok(()),
        Err(TestError::Abort(reason)) => (Fault::new(runs, reason.to_string()), Case::default()),
        Err(TestError::Fail(reason, case)) => {
            // proptest keeps the words of a fault, not its law. A panic is not met again: it keeps its own words.
            let fault = match catch_unwind(AssertUnwindSafe(|| examine(&case))) {
                Ok(Err(fault)) => fault,
                Ok(Ok(())) => Fault::new(runs, format!("fails only sometimes: {reason}")),
                Err(_) => Fault::new(runs, reason.to_string()),
            };
            (fault, case)
        }
    };
    Err(Broken { subject: subject.to_owned(), law: fault.law, detail: fault.detail, case: Box::new(case) })
}
