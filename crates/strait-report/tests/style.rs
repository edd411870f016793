//! The page's colours can be read, by day and by night (WCAG 2.2, success criterion 1.4.3: a contrast of 4.5 for text).

use std::collections::BTreeMap;

const STYLE: &str = include_str!("../src/page.css");

/// The variables of the n-th block of `:root`.
fn variables(n: usize) -> BTreeMap<&'static str, &'static str> {
    let block = STYLE.split(":root{").nth(n + 1).and_then(|rest| rest.split('}').next()).unwrap();
    let pairs = block.split(';').filter_map(|pair| pair.strip_prefix("--")?.split_once(':'));
    pairs.collect()
}

/// Relative luminance of `#rrggbb`.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn text_stands_out_from_its_ground_by_day_and_by_night() {
    let (day, night) = (variables(0), variables(1));
    assert!(STYLE.contains("@media screen and (prefers-color-scheme:dark){\n:root{"));
    assert_eq!(day.keys().collect::<Vec<_>>(), night.keys().collect::<Vec<_>>(), "one scheme has a colour more");
    for (scheme, name) in [(&day, "day"), (&night, "night")] {
        for (text, ground) in
            [("text", "ground"), ("muted", "ground"), ("link", "ground"), ("text", "soft"), ("text", "warn")]
        {
            let found = contrast(scheme[text], scheme[ground]);
            assert!(found >= 4.5, "{name}: {text} on {ground} has a contrast of {found:.2}");
        }
    }
    assert!(luminance(night["ground"]) < 0.05 && luminance(day["ground"]) > 0.9);
}

#[test]
fn colours_of_the_page_are_variables() {
    // Outside of the two schemes and of figures, which are ink on paper, no colour is written out.
    let strange: Vec<&str> = STYLE
        .lines()
        .filter(|line| !line.starts_with(":root{") && !line.starts_with("figure .scroll{"))
        .filter(|line| line.contains('#'))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}

#[test]
fn contrast_is_that_of_the_standard() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    assert!((contrast("#777777", "#ffffff") - 4.48).abs() < 0.005);
}
