//! `--watch`: a page that follows a run changes nothing of it, is whole whenever it is read, and comes to rest.

use crate::common::process::{ended, send, start, until};
use crate::common::{Place, tensors};
use crate::side_by_side::probe;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

const REFRESH: &str = "http-equiv=\"refresh\"";

fn page(run: &Path) -> String {
    fs::read_to_string(run.join("report/index.html")).unwrap_or_default()
}

#[test]
fn a_watched_run_is_the_same_run() {
    let place = Place::new();
    place.train("a");
    let mut child = start(&place, &["train", "tiny.toml", "--name", "watched", "--watch"]);
    let run = place.path("runs/watched");
    let mut read = vec![];
    while child.try_wait().unwrap().is_none() {
        let page = page(&run);
        if !page.is_empty() && read.last() != Some(&page) {
            assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "half a page");
            read.push(page);
        }
        thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(read.iter().any(|page| page.contains("It has not logged a step yet.")));
    let last = read.iter().rfind(|page| page.contains("is being measured")).unwrap();
    for words in ["learned: 140 iterations, in ", "linear: ", "Losses, learned", "Losses, linear", REFRESH] {
        assert!(last.contains(words), "no `{words}`");
    }
    let report = page(&run);
    assert!(report.contains("Samples by number of evaluations") && !report.contains(REFRESH));
    for part in ["", "baseline"] {
        let (alone, watched) = (place.path("runs/a").join(part), run.join(part));
        assert!(tensors(&alone) == tensors(&watched), "`{part}` is trained otherwise where it is watched");
    }
}

#[test]
fn the_page_of_a_stopped_run_says_so_and_rests() {
    let place = Place::new();
    let long = ["train", "tiny.toml", "--name", "long", "--set", "phase.1.iterations=1000000", "--watch"];
    let child = start(&place, &long);
    let run = place.path("runs/long");
    let words = ["learned: iteration ", " of 1000080, phase together,", " s left.", REFRESH];
    until("page that goes on", || words.iter().all(|words| page(&run).contains(words)));
    send(&child, "INT");
    assert_eq!(ended(child).status.code(), Some(130));
    let text = page(&run);
    assert!(text.contains("stopped at step ") && text.contains("train --resume runs/long --watch"), "{text:.300}");
    assert!(!text.contains(REFRESH));
    // On every screen, by day and by night.
    let Some(browser) = probe::browser() else { return };
    for (dark, scheme) in [(false, "light"), (true, "dark")] {
        let found = probe::looked_at(browser, &run.join("report"), dark).unwrap();
        let whole = [format!("360 {scheme}"), format!("1280 {scheme}"), "without scripts".to_owned()];
        assert_eq!(found, whole.map(|screen| format!("{screen}: 0 sliders, 0 settings")));
    }
}
