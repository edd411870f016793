use crate::{IoError, open};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;

/// The SHA-256 of a file, in hexadecimal digits, as `sha256sum` prints it.
///
/// # Errors
/// `System` where it cannot be read.
pub fn sha256(path: &Path) -> Result<String, IoError> {
    let (mut file, mut digest, mut part) = (open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut part).map_err(IoError::system(path))? {
            0 => return Ok(hexadecimal(&digest.finalize())),
            n => digest.update(&part[..n]),
        }
    }
}

/// The SHA-256 of bytes, in hexadecimal digits.
///
/// ```
/// assert!(strait_io::sha256_of(b"").starts_with("e3b0c44298fc1c14"));
/// ```
pub fn sha256_of(bytes: &[u8]) -> String {
    hexadecimal(&digest_of(bytes))
}

/// The SHA-256 of bytes.
pub fn digest_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
