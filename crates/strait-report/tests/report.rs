//! A report is well-formed, self-contained, honest about what it left out, and replaced whole.

use std::{collections::BTreeMap, error::Error, fs, path::Path};

use strait_report::{
    Axis, Better, Cell, Chart, Colour, Column, Content, Event, Figure, ImageCell, ImageFormat, ImageGrid, ImageRow,
    KeyNumber, Page, Panel, ReferenceLine, ReportError, Row, ScatterCell, ScatterGrid, ScatterRow, Section, Series,
    Shade, Table, Trajectories, TrajectoryPanel, Truth,
};

/// Text that breaks out of everything that is not escaped.
const HOSTILE: &str = r#"</title><script src="https://evil.example/x.js">alert('&amp;')</script> "x" <b"#;

fn chart(id: &str, points: Vec<(f64, f64)>) -> Chart {
    Chart {
        id: id.into(),
        title: HOSTILE.into(),
        caption: HOSTILE.into(),
        panels: vec![Panel {
            title: HOSTILE.into(),
            x: Axis::linear(HOSTILE),
            y: Axis::log(HOSTILE),
            series: vec![Series::line(HOSTILE, Colour::of(1), points)],
            references: vec![ReferenceLine { label: HOSTILE.into(), value: 0.2, colour: Colour::of(1) }],
            events: vec![Event { label: HOSTILE.into(), at: 1.0 }],
        }],
    }
}

fn scatter(points: Vec<[f64; 2]>) -> ScatterGrid {
    let cells = vec![ScatterCell { points, note: HOSTILE.into() }];
    ScatterGrid {
        id: "scatter".into(),
        title: HOSTILE.into(),
        caption: HOSTILE.into(),
        columns: vec![HOSTILE.into()],
        rows: vec![ScatterRow { label: HOSTILE.into(), colour: Colour::of(0), cells }],
        truth: Some(Truth { label: HOSTILE.into(), points: vec![[-1.0, -1.0], [1.0, 1.0]] }),
    }
}

fn images(values: Vec<f32>) -> ImageGrid {
    let cells = vec![ImageCell { values, note: String::new() }];
    ImageGrid {
        id: "images".into(),
        title: String::new(),
        caption: String::new(),
        format: ImageFormat { shade: Shade::Rgb, height: 1, width: 2 },
        columns: vec![HOSTILE.into()],
        last_is_truth: false,
        rows: vec![ImageRow { label: HOSTILE.into(), colour: Colour::of(0), cells }],
    }
}

fn trajectories(paths: Vec<Vec<[f64; 2]>>) -> Trajectories {
    let (colour, background) = (Colour::of(2), vec![[-1.0, -1.0], [1.0, 1.0]]);
    Trajectories {
        id: "trajectories".into(),
        title: HOSTILE.into(),
        caption: HOSTILE.into(),
        panels: vec![TrajectoryPanel { title: HOSTILE.into(), colour, paths, background, chords: true }],
    }
}

fn figures() -> Result<Vec<Figure>, ReportError> {
    Ok(vec![
        chart("chart", vec![(0.0, 1.0), (1.0, 0.5), (2.0, f64::NAN), (3.0, 0.3), (4.0, 0.25)]).draw()?,
        scatter(vec![[0.0, 0.5], [0.1, 0.5], [f64::INFINITY, 0.0], [1e9, 0.0]]).draw()?,
        images(vec![0.1, 0.9, f32::NAN, 0.0, 1.0, 7.0]).draw()?,
        trajectories(vec![vec![[0.0, 0.0], [0.5, 0.1]], vec![], vec![[0.0, f64::NAN]]]).draw()?,
    ])
}

fn page() -> Result<Page, ReportError> {
    let table = Table {
        title: HOSTILE.into(),
        note: HOSTILE.into(),
        columns: vec![Column { label: HOSTILE.into(), better: Better::Lower }],
        rows: vec![
            Row::method(HOSTILE, Colour::of(0), vec![Cell::spread(f64::NAN, f64::INFINITY)]),
            Row::reference(HOSTILE, vec![Cell::Text(HOSTILE.into())]),
        ],
    };
    let mut content: Vec<Content> = figures()?.into_iter().map(Content::from).collect();
    content.extend([table.into(), HOSTILE.into()]);
    let text = || HOSTILE.to_string();
    Ok(Page {
        title: text(),
        kicker: text(),
        lead: vec![text()],
        warnings: vec![text()],
        key_numbers: vec![KeyNumber { label: text(), value: text(), note: text() }],
        sections: vec![Section { heading: text(), content }],
        facts: vec![(text(), text())],
        // A control character has no place in XML, escaped or not.
        command: text() + "\u{1}",
        settings: text(),
        refresh: Some(5),
    })
}

fn parse(text: &str) -> roxmltree::Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    roxmltree::Document::parse_with_options(text, options).unwrap_or_else(|error| panic!("not well-formed: {error}"))
}

struct Decoded {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

fn decode(bytes: &[u8]) -> Result<Decoded, Box<dyn Error>> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info()?;
    let mut samples = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let frame = reader.next_frame(&mut samples)?;
    assert_eq!(frame.color_type, png::ColorType::Rgb);
    let pixels = samples.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    Ok(Decoded { width: frame.width as usize, height: frame.height as usize, pixels })
}

/// The document refers to nothing but what it carries and the files beside it.
fn assert_self_contained(document: &roxmltree::Document<'_>, folder: &Path) {
    for node in document.descendants().filter(roxmltree::Node::is_element) {
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            match name {
                "href" | "src" => {
                    let beside = folder.join(value).is_file();
                    assert!(beside || value.starts_with("data:"), "{name}={value:.80}");
                }
                "style" => assert!(!value.contains("url("), "{value}"),
                _ => assert!(!name.starts_with("on"), "{name}={value}"),
            }
        }
        if matches!(node.tag_name().name(), "style" | "script") {
            let text = node.text().unwrap_or_default();
            let urls = text.matches("url(").count();
            assert_eq!(urls, text.matches("url(data:").count());
            assert!(!text.contains("@import") && !text.contains("http"), "{text:.80}");
        }
        assert!(!matches!(node.tag_name().name(), "link" | "iframe" | "object" | "base"));
    }
}

#[test]
fn the_page_and_its_figures_are_well_formed_and_self_contained() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let index = page()?.write(folder.path())?;
    let html = fs::read_to_string(index)?;
    let document = parse(&html);
    assert_self_contained(&document, folder.path());
    let elements = |name| document.descendants().filter(move |n| n.has_tag_name(name));
    assert_eq!(elements("script").count(), 1, "text became a script");
    assert_eq!(elements("figure").count(), 4);
    assert_eq!(elements("h1").next().and_then(|h1| h1.text()), Some(HOSTILE));
    let paragraphs = elements("p").filter(|p| p.text() == Some(HOSTILE));
    assert!(paragraphs.count() >= 3, "the lead, the text and the note are there as written");
    for figure in figures()? {
        let svg = fs::read_to_string(folder.path().join(format!("{}.svg", figure.id)))?;
        let document = parse(&svg);
        assert_self_contained(&document, folder.path());
        let label = document.root_element().attribute("aria-label");
        assert_eq!(label, Some(figure.alt.as_str()));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", figure.id);
    }
    Ok(())
}

#[test]
fn a_png_has_the_stated_size_and_shows_the_marks_of_the_svg() -> Result<(), Box<dyn Error>> {
    let mut dots = 0;
    for figure in figures()? {
        let image = decode(&figure.png)?;
        let svg = figure.svg();
        let document = parse(&svg);
        let size = |name| document.root_element().attribute(name).unwrap().parse::<f64>();
        let stated = (2.0 * size("width")?, 2.0 * size("height")?);
        assert_eq!((image.width as f64, image.height as f64), stated);
        let view = document.root_element().attribute("viewBox").unwrap();
        let origin: f64 = view.split(' ').next().unwrap().parse()?;
        // Of the dots at one place only the last can be seen.
        let mut seen = BTreeMap::new();
        for dot in document.descendants().filter(|node| node.has_tag_name("circle")) {
            if dot.attribute("fill-opacity").is_none() {
                let place = (dot.attribute("cx").unwrap(), dot.attribute("cy").unwrap());
                seen.insert(place, dot.attribute("fill").unwrap());
            }
        }
        for ((x, y), fill) in &seen {
            let pixel = |at: &str| at.parse::<f64>().map(|v| (2.0 * (v - origin)) as usize);
            let [red, green, blue] = image.pixels[pixel(y)? * image.width + pixel(x)?];
            assert_eq!(*fill, format!("#{red:02x}{green:02x}{blue:02x}"), "{}", figure.id);
        }
        dots += seen.len();
    }
    assert!(dots >= 8, "{dots}");
    Ok(())
}

#[test]
fn what_is_not_finite_leaves_a_gap_and_is_counted() -> Result<(), Box<dyn Error>> {
    let lines = |figure: &Figure| {
        let svg = figure.svg();
        let document = parse(&svg);
        let curves = document.descendants().filter(|node| node.attribute("stroke-width") == Some("2"));
        curves.count()
    };
    let whole = (0..20).map(|i| (f64::from(i), 1.0 + f64::from(i)));
    let figure = chart("c", whole.clone().collect()).draw()?;
    assert_eq!((lines(&figure), figure.caption.as_str()), (1, HOSTILE));
    let broken = |(x, y)| match x as i32 {
        7 => (x, f64::NAN),
        8 => (x, f64::INFINITY),
        12 => (x, -1.0),
        _ => (x, y),
    };
    let figure = chart("c", whole.map(broken).collect()).draw()?;
    assert_eq!(lines(&figure), 3, "{}", figure.caption);
    assert!(figure.caption.contains("2 points are not finite and are left out."));
    assert!(figure.caption.contains("1 point is not positive on a logarithmic axis"));

    let figures = figures()?;
    let ends = [
        "1 point is not finite and is left out.",
        "1 sample is not finite and is left out. 1 sample is outside the frame and is left out.",
        "1 value is not finite; its pixel is pink.",
        "1 path is not finite everywhere and is left out.",
    ];
    for (figure, end) in figures.iter().zip(ends) {
        assert!(figure.caption.ends_with(end), "{}: {}", figure.id, figure.caption);
    }
    let nothing = chart("nothing", vec![(f64::NAN, f64::NAN); 3]).draw()?;
    assert!(nothing.svg().contains("no finite values"));
    Ok(())
}

#[test]
fn pixels_are_drawn_as_they_are() -> Result<(), Box<dyn Error>> {
    // One image of 1 x 2 pixels: red and blue, channel after channel.
    let figure = images(vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0]).draw()?;
    let pixels = decode(&figure.png)?.pixels;
    let count = |rgb: [u8; 3]| pixels.iter().filter(|pixel| **pixel == rgb).count();
    let (red, blue) = (count([255, 0, 0]), count([0, 0, 255]));
    assert_eq!(red, blue, "crisp halves");
    assert_eq!(red, 210 * 210, "105 units of the page, two pixels each");
    let first = |rgb: [u8; 3]| pixels.iter().position(|pixel| *pixel == rgb);
    assert!(first([255, 0, 0]) < first([0, 0, 255]), "red stands left");
    Ok(())
}

#[test]
fn many_points_make_no_large_page() -> Result<(), Box<dyn Error>> {
    let spike = |i: u32| if i == 123_456 { 1e6 } else { 1.0 + f64::from(i % 7) };
    let long = chart("long", (0..1_000_000).map(|i| (f64::from(i), spike(i))).collect()).draw()?;
    assert!(long.svg().len() < 100_000, "{}", long.svg().len());
    let top = |figure: &Figure| {
        let svg = figure.svg();
        let document = parse(&svg);
        let curve = document.descendants().find(|n| n.attribute("stroke-width") == Some("2"));
        let path = curve.and_then(|curve| curve.attribute("d")).unwrap();
        let heights = path.split(['M', 'L']).filter_map(|place| place.split(' ').nth(1));
        heights.map(|y| y.parse::<f64>().unwrap()).fold(f64::INFINITY, f64::min)
    };
    let short = chart("short", vec![(0.0, 1.0), (123_456.0, 1e6), (999_999.0, 1.0)]).draw()?;
    assert_eq!(top(&long), top(&short), "the spike is still there");

    let cloud = |k: i32| {
        (0..10_000).map(move |i| {
            let (angle, radius) = (f64::from(i * k) * 2.4, f64::from(i % 100) / 100.0);
            [radius * angle.cos(), radius * angle.sin()]
        })
    };
    let mut grid = scatter(vec![]);
    grid.columns = vec!["n".into(); 5];
    let cells = |k: i32| (1..=5).map(move |j| ScatterCell { points: cloud(k * j).collect(), note: String::new() });
    grid.rows =
        (1..=3).map(|k| ScatterRow { label: "m".into(), colour: Colour::of(0), cells: cells(k).collect() }).collect();
    let size = grid.draw()?.svg().len();
    assert!(size < 800_000, "{size}");
    Ok(())
}

#[test]
fn a_report_is_replaced_whole_or_not_at_all() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("deep/report");
    let write = |title: &str| -> Result<_, ReportError> {
        let figures = ["a", "b"].map(|id| chart(id, vec![(0.0, 1.0)]).draw().map(Content::from));
        let content = figures.into_iter().collect::<Result<_, _>>()?;
        let sections = vec![Section { heading: title.into(), content }];
        Page { title: title.into(), sections, ..Page::default() }.write(&report)
    };
    let index = write("first")?;
    let files = || -> Vec<_> {
        let entries = fs::read_dir(&report).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let complete = files();
    assert_eq!(complete, ["a.png", "a.svg", "b.png", "b.svg", "index.html"]);

    // A folder stands where a file should go: the system refuses the last step.
    fs::remove_file(report.join("b.png"))?;
    fs::create_dir(report.join("b.png"))?;
    match write("second") {
        Err(ReportError::File { path, .. }) => assert!(path.ends_with("b.png"), "{path:?}"),
        other => panic!("{other:?}"),
    }
    assert!(fs::read_to_string(&index)?.contains("<h1>first</h1>"));
    assert_eq!(files(), complete, "nothing half written is left behind");
    Ok(())
}

#[test]
fn what_cannot_be_drawn_is_a_typed_error() -> Result<(), Box<dyn Error>> {
    for id in ["", "Loss", "a b", "../a", "index", "1a"] {
        assert!(matches!(chart(id, vec![]).draw(), Err(ReportError::Id { .. })), "{id:?}");
    }
    let empty = Chart { panels: vec![], ..chart("c", vec![]) };
    assert!(matches!(empty.draw(), Err(ReportError::Empty { what: "panels", .. })));
    let mut crooked = scatter(vec![]);
    crooked.columns.push("more".into());
    let found = crooked.draw();
    assert!(matches!(found, Err(ReportError::Columns { found: 1, expected: 2, .. })));
    let torn = images(vec![0.0; 7]).draw();
    assert!(matches!(torn, Err(ReportError::Tiles { found: 7, tile: 6, .. })));
    let none = ImageGrid { format: ImageFormat { height: 0, ..images(vec![]).format }, ..images(vec![]) };
    assert!(matches!(none.draw(), Err(ReportError::Empty { what: "pixels", .. })));

    let figure = chart("twice", vec![(0.0, 1.0)]).draw()?;
    let content = vec![figure.clone().into(), figure.into()];
    let page = Page { sections: vec![Section { heading: String::new(), content }], ..Page::default() };
    let folder = tempfile::tempdir()?;
    assert!(matches!(page.write(folder.path()), Err(ReportError::DuplicateId { .. })));
    assert_eq!(fs::read_dir(folder.path())?.count(), 0, "nothing is written before the check");
    Ok(())
}

#[test]
fn a_slider_has_a_figure_for_each_setting() -> Result<(), Box<dyn Error>> {
    let counts = ["1 evaluation", "4 evaluations"];
    let cell = |k: usize| ScatterCell { points: vec![[k as f64, 0.5]], note: format!("W2 {k}") };
    let rows = vec![ScatterRow { label: "m".into(), colour: Colour::of(0), cells: vec![cell(0), cell(1)] }];
    let grid = ScatterGrid { columns: counts.map(Into::into).into(), rows, ..scatter(vec![]) };
    let cell = |k: usize| ImageCell { values: vec![0.2 * k as f32; 6], note: format!("W2 {k}") };
    let rows = vec![ImageRow { label: "m".into(), colour: Colour::of(0), cells: vec![cell(0), cell(1), cell(2)] }];
    let columns = counts.into_iter().chain(["real"]).map(Into::into).collect();
    let pictures = ImageGrid { columns, last_is_truth: true, rows, ..images(vec![]) };
    for slider in [grid.slider("s", "")?, pictures.slider("s", "")?] {
        assert_eq!(slider.figures.len(), 2);
        for (k, figure) in slider.figures.iter().enumerate() {
            assert_eq!(figure.title, counts[k]);
            assert!(figure.id.ends_with(["-1-evaluation", "-4-evaluations"][k]), "{}", figure.id);
            assert!(figure.alt.contains(&format!("m at {}: W2 {k}.", counts[k])), "{}", figure.alt);
            assert!(!figure.alt.contains(&format!("W2 {}", 1 - k)), "{}", figure.alt);
        }
        let folder = tempfile::tempdir()?;
        let files = slider.figures.iter().map(|figure| format!("{}.png", figure.id)).collect::<Vec<_>>();
        let section = Section { heading: "s".into(), content: vec![slider.into()] };
        Page { sections: vec![section], ..Page::default() }.write(folder.path())?;
        assert!(files.iter().all(|file| folder.path().join(file).is_file()), "{files:?}");
    }
    Ok(())
}
