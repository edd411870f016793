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

/// The tests of a package whose names contain the filter; without one, those of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tests {
    /// Its name, with a slash and a feature where the tests need one.
    pub(super) package: &'static str,
    /// The file in its folder `tests`.
    pub(super) target: &'static str,
    pub(super) filter: &'static str,
}

/// The target of the tests within the sources of a package.
pub(super) const LIBRARY: &str = "lib";

impl Tests {
    /// What the test program takes to run these.
    pub(super) fn of_libtest(self) -> String {
        if self.filter.is_empty() { format!("{}::", self.target) } else { self.filter.to_owned() }
    }

    /// What cargo takes to choose their program.
    pub(super) fn program(self) -> &'static [&'static str] {
        if self.target == LIBRARY { &["--lib"] } else { &["--test", "suite"] }
    }

    /// The package's name, and the feature.
    pub(super) fn package(&self) -> (&'static str, Option<&'static str>) {
        self.package.split_once('/').map_or((self.package, None), |(name, feature)| (name, Some(feature)))
    }
}
