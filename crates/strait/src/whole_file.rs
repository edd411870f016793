//! Files that are whole or as they were before, whenever a program is killed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

/// Puts `bytes` in the place of the file at `path`. Two processes that do so leave what one of them wrote.
///
/// # Errors
/// The system's; the file is then as it was.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // What was half written only takes room; that it cannot be removed adds nothing to say.
        let _ = fs::remove_file(&temporary);
    }
    written
}
