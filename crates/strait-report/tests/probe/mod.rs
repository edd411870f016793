//! A browser that looks at a page, for the tests of pages.

use std::{error::Error, fs, io::Write, path::Path, process::Command};

/// What a page is asked, and what is wrong with it, a line each.
const PROBE: &str = include_str!("page.html");

const NAMES: [&str; 5] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

pub(crate) fn browser() -> Option<&'static str> {
    let answers = |name: &&&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    let found = NAMES.iter().find(answers).copied();
    if found.is_none() {
        // Past the test harness, which swallows what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: no page is looked at, for there is none of {NAMES:?}");
    }
    found
}

/// The lines of the probe on the page in `folder`.
pub(crate) fn looked_at(browser: &str, folder: &Path, dark: bool) -> Result<Vec<String>, Box<dyn Error>> {
    let probe = folder.join("probe.html");
    fs::write(&probe, PROBE)?;
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!dark));
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files", "--dump-dom"];
    let out = Command::new(browser)
        .args(flags)
        .args([&scheme, &profile, "--virtual-time-budget=20000", "--window-size=1400,1000"])
        .arg(format!("file://{}", probe.display()))
        .output()?;
    let page = String::from_utf8_lossy(&out.stdout).into_owned();
    let found = page.split_once("<pre id=\"found\">").and_then(|(_, rest)| rest.split_once("</pre>"));
    let (found, _) = found.ok_or_else(|| format!("no answer: {page:.300} {}", String::from_utf8_lossy(&out.stderr)))?;
    Ok(found.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect())
}
