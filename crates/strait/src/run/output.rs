//! What commands print. A reader that goes away, as `head` does, ends the printing and nothing else.

use crate::ProgramError;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Prints a line to stdout.
///
/// # Errors
/// `Io` where it cannot be written though somebody reads, as on a full disk.
pub fn print_line(line: &str) -> Result<(), ProgramError> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ProgramError::io(Path::new("stdout"))(error)),
        _ => Ok(()),
    }
}
