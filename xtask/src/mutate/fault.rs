//! A fault that is put into the source, and the tests that are there for it.

/// A text in a source file, what takes its place, and the tests that must see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fault {
    /// What is wrong then, in words.
    pub(super) name: &'static str,
    pub(super) file: &'static str,
    pub(super) find: &'static str,
    pub(super) put: &'static str,
    pub(super) tests: Tests,
}

/// The tests of one target of a package whose names contain the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tests {
    pub(super) package: &'static str,
    pub(super) target: &'static str,
    pub(super) filter: &'static str,
}
