//! Printing to stdout. If the reader closes the pipe, as `head` does, printing stops and the command continues.

use crate::ProgramError;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

/// Prints a line to stdout.
///
/// # Errors
/// `Io` where it cannot be written for another reason than a closed pipe, as on a full disk.
pub fn print_line(line: &str) -> Result<(), ProgramError> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(ProgramError::io(Path::new("stdout"))(error)),
        _ => Ok(()),
    }
}
