//! A page in a browser, as its reader has it: on a telephone and on a desk, by day and by night, with and without scripts.
//! Nothing is tested where there is no Chromium, and that is said.

use std::{error::Error, fs};

use crate::probe::{browser, looked_at};
use strait_report::Page;

#[allow(dead_code)]
#[path = "../examples/report_gallery.rs"]
mod gallery;

#[test]
fn a_page_is_read_on_every_screen() -> Result<(), Box<dyn Error>> {
    let Some(browser) = browser() else { return Ok(()) };
    for dark in [false, true] {
        let folder = tempfile::tempdir()?;
        gallery::page()?.write(folder.path())?;
        let found = looked_at(browser, folder.path(), dark)?;
        let scheme = if dark { "dark" } else { "light" };
        let whole = |wide: u32| format!("{wide} {scheme}: 2 sliders, 10 settings");
        let (answers, faults): (Vec<String>, Vec<String>) =
            found.into_iter().partition(|line| line.contains("sliders"));
        assert!(faults.is_empty(), "\n{}", faults.join("\n"));
        assert_eq!(answers, [whole(360), whole(1280), "without scripts: 2 sliders, 10 settings".into()]);
    }
    Ok(())
}

#[test]
fn each_fault_of_a_page_is_noticed() -> Result<(), Box<dyn Error>> {
    let Some(browser) = browser() else { return Ok(()) };
    let html = gallery::page()?.html()?;
    let faults = [
        ("</header>", "</header><div style=\"width:500px\">wide</div>", "360 light: wider than the screen: DIV"),
        ("</header>", "</header><img src=\"none.png\" alt=\"nothing\"/>", "360 light: a picture is missing: none.png"),
        ("</header>", "</header><img src=\"data:,\"/>", "360 light: without an alternative text: IMG"),
        ("<h2>Samples</h2>", "<h4>Samples</h4>", "360 light: H4 after H1"),
        ("--muted:#5f6670", "--muted:#9f9f9f", "360 light: a contrast of 2.6"),
        ("input.addEventListener", "input.removeEventListener", "360 light: the slider at 1 shows"),
        ("hidden=\"hidden\"", "", "without scripts: a slider that does nothing"),
        ("<figure id=\"samples-4", "<figure hidden=\"hidden\" id=\"samples-4", "without scripts: a figure is hidden"),
    ];
    let mut broken = html.clone();
    for (from, to, _) in faults {
        assert!(broken.contains(from), "{from}");
        broken = broken.replacen(from, to, 1);
    }
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("index.html"), broken)?;
    let found = looked_at(browser, folder.path(), false)?.join("\n");
    for (_, _, said) in faults {
        assert!(found.contains(said), "{said} is not among\n{found}");
    }
    Ok(())
}

#[test]
fn a_page_of_nothing_is_a_page() -> Result<(), Box<dyn Error>> {
    let html = Page { refresh: Some(7), ..Page::default() }.html()?;
    assert!(html.contains("<meta http-equiv=\"refresh\" content=\"7\"/>"));
    assert!(!Page::default().html()?.contains("http-equiv"));
    Ok(())
}
