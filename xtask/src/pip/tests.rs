//! Downloads that break, have wrong content or cannot begin, over the machine's own pip and an index on this machine.

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::cache::{Cache, sha256};
use crate::workspace::tests::script;

pub(crate) const FILE: &str = "pinned-1.0-py3-none-any.whl";

/// An index of one wheel on 127.0.0.1 that can break transfers off.
pub(crate) struct Index {
    port: u16,
    /// Transfers that break off half way, before the first that does not.
    breaks: Arc<AtomicUsize>,
    /// The first byte of each transfer that was asked for.
    pub(crate) transfers: Arc<Mutex<Vec<usize>>>,
}

impl Index {
    pub(crate) fn serve(wheel: &[u8], breaks: usize) -> Index {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let index = Index {
            port: listener.local_addr().unwrap().port(),
            breaks: Arc::new(AtomicUsize::new(breaks)),
            transfers: Arc::default(),
        };
        let (wheel, breaks, transfers) = (wheel.to_vec(), Arc::clone(&index.breaks), Arc::clone(&index.transfers));
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away is part of the test.
                let _ = respond(&stream.unwrap(), &wheel, &breaks, &transfers);
            }
        });
        index
    }

    /// The machine's Python, whose pip knows only this index.
    pub(crate) fn python(&self, folder: &Path) -> Python {
        let index = format!("http://127.0.0.1:{}/simple", self.port);
        python(folder, &format!("PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL={index} PIP_FIND_LINKS= exec python3 \"$@\""))
    }

    fn asked(&self) -> Vec<usize> {
        self.transfers.lock().unwrap().clone()
    }
}

fn respond(stream: &TcpStream, wheel: &[u8], breaks: &AtomicUsize, transfers: &Mutex<Vec<usize>>) -> io::Result<()> {
    use std::io::Write;
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    let mut first = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        first = line.strip_prefix("range: bytes=").map(|range| range.trim_end_matches('-').parse().unwrap()).or(first);
    }
    let mut out = stream;
    if request.contains("/simple/pinned/") {
        let page = format!("<!DOCTYPE html><a href=\"/files/{FILE}\">{FILE}</a>");
        return write!(
            out,
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}",
            page.len()
        );
    }
    if !request.contains(FILE) {
        return write!(out, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let from = first.unwrap_or(0).min(wheel.len());
    transfers.lock().unwrap().push(from);
    let status = if first.is_some() { "206 Partial Content" } else { "200 OK" };
    let rest = &wheel[from..];
    write!(out, "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
    let broken = breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
    out.write_all(if broken { &rest[..rest.len() / 2] } else { rest })
}

/// A `python3` that is a shell script.
pub(crate) fn python(folder: &Path, body: &str) -> Python {
    let bin = folder.join("bin");
    script(&bin.join("python3"), &format!("case \"$*\" in *version_info*) echo 3; exit;; esac\n{body}"));
    Python::on(Some(bin.as_os_str())).unwrap()
}

pub(crate) fn wheel_of(contents: &[u8]) -> Wheel {
    Wheel { file: FILE, sha256: sha256(contents).leak() }
}

/// A megabyte that no compression or repetition makes equal to a shifted copy of itself.
fn contents() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..1_000_000).map(|_| next()).collect()
}

#[test]
fn a_transfer_that_breaks_goes_on_where_it_stopped() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), contents());
    let index = Index::serve(&bytes, 2);
    let fetched = obtain(Some(&index.python(folder.path())), &wheel_of(&bytes), folder.path()).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(index.asked(), [0, 500_000, 750_000]);
    fetched.discard();
    assert!(!folder.path().join(format!("{FILE}.part")).exists());
}

#[test]
fn a_killed_download_goes_on_in_the_next_run() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), contents());
    let index = Index::serve(&bytes, 0);
    fs::write(folder.path().join(format!("{FILE}.part")), &bytes[..123_456]).unwrap();
    obtain(Some(&index.python(folder.path())), &wheel_of(&bytes), folder.path()).unwrap();
    assert_eq!(index.asked(), [123_456]);
}

#[test]
fn a_part_of_something_else_is_thrown_away_once() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), contents());
    let index = Index::serve(&bytes, 0);
    fs::write(folder.path().join(format!("{FILE}.part")), [7; 1000]).unwrap();
    let fetched = obtain(Some(&index.python(folder.path())), &wheel_of(&bytes), folder.path()).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), bytes);
    assert_eq!(index.asked(), [1000, 0]);
}

#[test]
fn another_file_under_the_pinned_name_is_refused() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), contents());
    let index = Index::serve(&bytes, 0);
    let failure = obtain(Some(&index.python(folder.path())), &wheel_of(b"pinned"), folder.path()).unwrap_err();
    assert!(matches!(&failure, Failure::Checksum { found, .. } if *found == sha256(&bytes)), "{failure}");
    assert!(!folder.path().join(format!("{FILE}.part")).exists());
}

#[test]
fn a_short_outage_is_sat_out() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let body = "echo x >> LOG; test $(wc -l < LOG) -ge 3 || exit 10; printf whole > \"$3\"";
    let python = python(folder.path(), &body.replace("LOG", &log.to_string_lossy()));
    let fetched = obtain(Some(&python), &wheel_of(b"whole"), folder.path()).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), b"whole");
}

#[test]
fn a_transfer_that_never_moves_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let failing = python(folder.path(), "echo 'connection reset' >&2; exit 10");
    let failure = obtain(Some(&failing), &wheel_of(b"x"), folder.path()).unwrap_err();
    assert!(failure.to_string().contains("connection reset"), "{failure}");
}

#[test]
fn a_full_disk_is_a_failure_of_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let full = python(folder.path(), "echo 28 >&2; exit 13");
    let failure = obtain(Some(&full), &wheel_of(b"x"), folder.path()).unwrap_err();
    assert!(
        matches!(failure, Failure::File { ref error, .. } if error.kind() == io::ErrorKind::StorageFull),
        "{failure}"
    );
}

#[test]
fn two_at_once_fetch_once() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), contents());
    let index = Index::serve(&bytes, 1);
    let (python, cache) = (index.python(folder.path()), Cache::at(folder.path().join("cache")));
    let target = folder.path().join("done");
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let _lock = cache.lock("thing").unwrap();
                if !target.exists() {
                    let fetched = obtain(Some(&python), &wheel_of(&bytes), &cache.downloads()).unwrap();
                    fs::copy(&fetched.path, &target).unwrap();
                    fetched.discard();
                }
            });
        }
    });
    assert_eq!(fs::read(&target).unwrap(), bytes);
    assert_eq!(index.asked(), [0, 500_000]);
}

#[test]
fn without_network_python_or_pip_it_says_what_to_place_where() {
    let folder = tempfile::tempdir().unwrap();
    let downloads = folder.path().join("downloads");
    let offline =
        "PIP_CONFIG_FILE=/dev/null PIP_INDEX_URL=http://127.0.0.1:9/simple PIP_FIND_LINKS= exec python3 \"$@\"";
    for (python, reason) in [
        (Some(python(&folder.path().join("a"), offline)), "pip cannot reach its index"),
        (Some(python(&folder.path().join("b"), "exec python3 -I -S \"$@\"")), "python3 has no pip"),
        (None, "python3 is not on PATH"),
    ] {
        let said = obtain(python.as_ref(), &wheel_of(b"x"), &downloads).unwrap_err().to_string();
        assert!(said.starts_with(&format!("cannot fetch pinned==1.0: {reason}")), "{said}");
        assert!(said.contains(&format!("place {FILE} in {} and run again", downloads.display())), "{said}");
        assert_eq!(said.lines().count(), 1);
    }
}

#[test]
fn a_file_that_the_index_does_not_list_is_named() {
    let (folder, bytes) = (tempfile::tempdir().unwrap(), contents());
    let index = Index::serve(&bytes, 0);
    let wheel = Wheel { file: "pinned-2.0-py3-none-any.whl", sha256: "" };
    let said = obtain(Some(&index.python(folder.path())), &wheel, folder.path()).unwrap_err().to_string();
    assert!(said.contains("pip's index does not list pinned-2.0-py3-none-any.whl"), "{said}");
}

#[test]
fn a_placed_file_needs_no_python_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let placed = folder.path().join(FILE);
    fs::write(&placed, b"right").unwrap();
    obtain(None, &wheel_of(b"right"), folder.path()).unwrap().discard();
    assert!(placed.exists());
    let failure = obtain(None, &wheel_of(b"other"), folder.path()).unwrap_err();
    assert!(matches!(failure, Failure::Checksum { .. }), "{failure}");
    assert!(placed.exists());
}

#[test]
fn a_pip_that_is_built_differently_is_called_as_a_person_would() {
    let folder = tempfile::tempdir().unwrap();
    let body = format!(
        "case \"$1\" in -c) echo 'no such module' >&2; exit 12;; esac\n\
         while [ \"$1\" != --dest ]; do shift; done; mkdir \"$2\"; printf whole > \"$2/{FILE}\""
    );
    let fetched = obtain(Some(&python(folder.path(), &body)), &wheel_of(b"whole"), folder.path()).unwrap();
    assert_eq!(fs::read(&fetched.path).unwrap(), b"whole");
}
