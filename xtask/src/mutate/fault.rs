//! A fault that is put into the source, and the tests that must find it.

/// A text in a source file, its replacement, and the tests that must fail.
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
    /// Its name, with a slash and a feature where the tests need one.
    pub(super) package: &'static str,
    pub(super) target: &'static str,
    pub(super) filter: &'static str,
}

impl Tests {
    /// The package's name, and the feature.
    pub(super) fn package(&self) -> (&'static str, Option<&'static str>) {
        self.package.split_once('/').map_or((self.package, None), |(name, feature)| (name, Some(feature)))
    }
}
