//! The figures of a run.

use super::method::{Headline, Method, colour_of, measured};
use crate::evaluation::classes::ClassReference;
use crate::evaluation::diagnostics::evaluations;
use crate::evaluation::lines::Lines;
use crate::evaluation::reference::Reference;
use crate::evaluation::samples::Samples;
use crate::evaluation::scores::{Metric, Scores};
use crate::run::metrics::MetricsLine;
use strait_report::{
    Axis, Chart, Colour, Content, Event, Figure, ImageCell, ImageGrid, ImageRow, Panel, Reference as Line, ReportError,
    ScatterCell, ScatterGrid, ScatterRow, Series, Trajectories, TrajectoryPanel, Truth, significant,
};
use tch::{Kind, Tensor};

/// Points of a scatter cell and images of a grid cell.
const POINTS: i64 = 2000;
const TILES: i64 = 25;
/// Classes that are drawn.
const CLASSES: usize = 12;

/// The first two coordinates of the first points.
pub(crate) fn points(x: &Tensor, most: i64) -> Vec<[f64; 2]> {
    let x = x.flatten(1, -1).narrow(0, 0, most.min(x.size()[0])).to_kind(Kind::Double).to_device(tch::Device::Cpu);
    let flat = |column: i64| Vec::<f64>::try_from(x.select(1, column).contiguous()).unwrap_or_default();
    let last = (x.size()[1] - 1).min(1);
    flat(0).into_iter().zip(flat(last)).map(|(a, b)| [a, b]).collect()
}

/// All counts of evaluations side by side, and larger one at a time.
pub(super) fn samples(methods: &[Method<'_>], reference: &Reference) -> Result<Vec<Content>, ReportError> {
    let (title, caption) = ("One count at a time", "The same samples; the arrow keys move the slider.");
    let (all, each) = match images(methods, reference) {
        Some(grid) => (grid.draw()?, grid.slider(title, caption)?),
        None => {
            let grid = scatter(methods, reference);
            (grid.draw()?, grid.slider(title, caption)?)
        }
    };
    let each = (each.figures.len() > 1).then(|| each.into());
    Ok([all.into()].into_iter().chain(each).collect())
}

pub(super) fn columns(methods: &[Method<'_>]) -> Vec<String> {
    methods.first().map_or(vec![], |m| m.measured.samples.iter().map(|s| evaluations(s.nfe)).collect())
}

fn scatter(methods: &[Method<'_>], reference: &Reference) -> ScatterGrid {
    let headline = Headline::new(reference);
    let row = |method: &Method<'_>| ScatterRow {
        label: method.name().into(),
        colour: method.colour(),
        cells: method
            .measured
            .samples
            .iter()
            .map(|s| ScatterCell { points: points(&s.x, POINTS), note: headline.note(&s.scores) })
            .collect(),
    };
    let wide = if reference.data.size()[1..] == [2] { "" } else { " The first two coordinates are shown." };
    ScatterGrid {
        id: "samples".into(),
        title: "Samples by number of evaluations".into(),
        caption: format!("From the same source points in every cell.{wide}"),
        columns: columns(methods),
        rows: methods.iter().map(row).collect(),
        truth: Some(Truth { label: "data".into(), points: points(&reference.data, POINTS) }),
    }
}

/// The samples of each class of a method, in its own colour; None where there are no classes.
pub(super) fn classes(method: &Method<'_>, reference: &Reference) -> Result<Option<Figure>, ReportError> {
    let shown = &reference.classes[..reference.classes.len().min(CLASSES)];
    if shown.is_empty() || method.measured.summary.classes.is_empty() {
        return Ok(None);
    }
    let note = |sample: &Samples, class: i64| {
        let found = sample.classes.iter().find(|found| found.class == class);
        found.map_or_else(String::new, |found| {
            format!("{} {} · floor {}", heading(&found.metric), significant(found.value), significant(found.floor))
        })
    };
    let of = |x: &Tensor, class: &ClassReference| x.index_select(0, &class.places);
    let label = |class: &ClassReference| format!("class {}", class.class);
    let (id, title) = ("classes".to_owned(), format!("Samples of each class, {}", method.name()));
    let caption =
        "Under each class from the source points of its own places; beside each its distance to the real points of \
                   the class."
            .into();
    let samples = &method.measured.samples;
    Ok(Some(match reference.picture {
        Some(picture) => {
            let cell = |x: &Tensor, note: String| ImageCell { values: picture.values(x, TILES), note };
            let row = |(i, class): (usize, &ClassReference)| {
                let mut cells: Vec<_> =
                    samples.iter().map(|sample| cell(&of(&sample.x, class), note(sample, class.class))).collect();
                cells.push(cell(&class.points, String::new()));
                ImageRow { label: label(class), colour: Colour::of(i), cells }
            };
            let mut columns = columns(std::slice::from_ref(method));
            columns.push("real images".into());
            let rows = shown.iter().enumerate().map(row).collect();
            ImageGrid { id, title, caption, format: picture.format, columns, last_is_truth: true, rows }.draw()?
        }
        None => {
            let row = |(i, class): (usize, &ClassReference)| ScatterRow {
                label: label(class),
                colour: Colour::of(i),
                cells: samples
                    .iter()
                    .map(|sample| ScatterCell {
                        points: points(&of(&sample.x, class), POINTS),
                        note: note(sample, class.class),
                    })
                    .collect(),
            };
            ScatterGrid {
                id,
                title,
                caption,
                columns: columns(std::slice::from_ref(method)),
                rows: shown.iter().enumerate().map(row).collect(),
                truth: Some(Truth { label: "data".into(), points: points(&reference.data, POINTS) }),
            }
            .draw()?
        }
    }))
}

/// A metric of classes in a few letters.
pub(super) fn heading(metric: &str) -> &'static str {
    if metric == "w2" { "W2" } else { "sliced W2" }
}

/// None of data that are no images.
fn images(methods: &[Method<'_>], reference: &Reference) -> Option<ImageGrid> {
    let picture = reference.picture?;
    let cell = |x: &Tensor, note: String| ImageCell { values: picture.values(x, TILES), note };
    let headline = Headline::new(reference);
    let row = |method: &Method<'_>| {
        let samples = &method.measured.samples;
        let mut cells: Vec<_> = samples.iter().map(|s| cell(&s.x, headline.note(&s.scores))).collect();
        cells.push(cell(&reference.data, format!("floor {}", significant(headline.of(&reference.floor)))));
        ImageRow { label: method.name().into(), colour: method.colour(), cells }
    };
    let mut columns = columns(methods);
    columns.push("real images".into());
    Some(ImageGrid {
        id: "samples".into(),
        title: "Samples by number of evaluations".into(),
        caption: "The first 25 samples from the same source points in every cell, none chosen; the real images are of \
                  the split that the numbers are measured on."
            .into(),
        format: picture.format,
        columns,
        last_is_truth: true,
        rows: methods.iter().map(row).collect(),
    })
}

/// Single images along the flow; None of data that are no images.
pub(super) fn image_trajectories(methods: &[Method<'_>], reference: &Reference) -> Option<ImageGrid> {
    let picture = reference.picture?;
    let galleries: Vec<_> = methods.iter().filter_map(|method| Some((method, method.gallery.as_ref()?))).collect();
    let times = &galleries.first()?.1.trajectories;
    let cell = |x: &Tensor| ImageCell { values: picture.values(x, TILES), note: String::new() };
    Some(ImageGrid {
        id: "image-trajectories".into(),
        title: "Single images along the flow".into(),
        caption: "The same 25 source points at each time, by Euler steps along the velocity.".into(),
        format: picture.format,
        columns: times.iter().map(|(t, _)| format!("t = {t:.1}")).collect(),
        last_is_truth: false,
        rows: galleries
            .iter()
            .map(|(method, gallery)| ImageRow {
                label: method.name().into(),
                colour: method.colour(),
                cells: gallery.trajectories.iter().map(|(_, x)| cell(x)).collect(),
            })
            .collect(),
    })
}

/// Samples and the training images that are nearest to them; None where they were not looked for.
pub(super) fn neighbours(methods: &[Method<'_>], reference: &Reference) -> Option<ImageGrid> {
    let picture = reference.picture?;
    let galleries: Vec<_> = methods.iter().filter_map(|method| Some((method, method.gallery.as_ref()?))).collect();
    let counts = galleries.first().map(|(_, gallery)| &gallery.neighbours).filter(|counts| !counts.is_empty())?;
    let cell = |x: &Tensor| ImageCell { values: picture.values(x, TILES), note: String::new() };
    let columns = counts.iter().flat_map(|(nfe, ..)| [evaluations(*nfe), "nearest training images".into()]).collect();
    Some(ImageGrid {
        id: "neighbours".into(),
        title: "Nearest training images".into(),
        caption: "Beside each sample the training image that is nearest to it, pixel by pixel. How near they are, and how near \
                  real images of the other split are, the tables say: a small distance alone is no proof of copying."
            .into(),
        format: picture.format,
        columns,
        last_is_truth: false,
        rows: galleries
            .iter()
            .map(|(method, gallery)| ImageRow {
                label: method.name().into(),
                colour: method.colour(),
                cells: gallery.neighbours.iter().flat_map(|(_, x, near)| [cell(x), cell(near)]).collect(),
            })
            .collect(),
    })
}

pub(super) fn quality(methods: &[Method<'_>], reference: &Reference) -> Chart {
    let counts: Vec<u32> =
        methods.first().map_or(vec![], |m| m.measured.samples.iter().map(|s| s.nfe as u32).collect());
    let panel = |metric: Metric| {
        let value = |scores: &Scores| metric.of(scores).map_or(f64::NAN, |(value, _)| metric.shown(value));
        let series = |method: &Method<'_>| {
            let points = method.measured.samples.iter().map(|s| (s.nfe as f64, value(&s.scores))).collect();
            Series::line(method.name(), method.colour(), points)
        };
        Panel {
            title: metric.heading().into(),
            x: Axis::evaluations(&counts),
            y: Axis::log(format!("{} to the data, lower is better", metric.in_words())),
            series: methods.iter().map(series).collect(),
            references: vec![Line { label: "sampling floor".into(), value: value(&reference.floor) }],
            ..Panel::default()
        }
    };
    Chart {
        id: "quality".into(),
        title: "Quality against evaluations".into(),
        caption: format!("One seed, {}.", reference.name),
        panels: measured(reference).filter(|metric| metric.is_distance()).map(panel).collect(),
    }
}

pub(super) fn profile(methods: &[Method<'_>]) -> Chart {
    let series = methods.iter().map(|method| {
        let s = &method.measured.summary.straightness;
        let points = s.residual_times.iter().copied().zip(s.residual_profile.iter().copied()).collect();
        Series::line(method.name(), method.colour(), points)
    });
    Chart {
        id: "residual".into(),
        title: "Residual by time".into(),
        caption: "E|Dv/Dt|² on the flow's own trajectories: zero where they are straight lines at constant speed."
            .into(),
        panels: vec![Panel {
            x: Axis::linear("t"),
            y: Axis::log("E|Dv/Dt|²"),
            series: series.collect(),
            ..Panel::default()
        }],
    }
}

pub(super) fn flow_lines(methods: &[Method<'_>], reference: &Reference) -> Result<Figure, ReportError> {
    let title = "Trajectories of the flow".into();
    let caption = format!("{} Euler steps from the same source points.", reference.settings.dynamics.steps);
    let panels = line_panels(methods, reference, false, |lines| &lines.flow);
    Trajectories { id: "trajectories".into(), title, caption, panels }.draw()
}

pub(super) fn path_lines(methods: &[Method<'_>], reference: &Reference) -> Result<Figure, ReportError> {
    let title = "Conditional paths".into();
    let caption = "The paths of twelve pairs, with the straight line between the endpoints of each.".into();
    let panels = line_panels(methods, reference, true, |lines| &lines.paths);
    Trajectories { id: "paths".into(), title, caption, panels }.draw()
}

/// A panel for each method that has lines, with some of them.
fn line_panels(
    methods: &[Method<'_>],
    reference: &Reference,
    chords: bool,
    lines: fn(&Lines) -> &[Tensor],
) -> Vec<TrajectoryPanel> {
    let panel = |method: &Method<'_>| {
        Some(TrajectoryPanel {
            title: method.name().into(),
            colour: method.colour(),
            paths: lines(method.lines.as_ref()?).iter().map(|line| points(line, i64::MAX)).collect(),
            background: points(&reference.data, POINTS),
            chords,
        })
    };
    methods.iter().filter_map(panel).collect()
}

/// What a training says of its steps.
pub(super) fn loss(name: &str, is_linear: bool, lines: &[MetricsLine]) -> Chart {
    let mut names: Vec<(String, String)> = vec![];
    for level in lines.iter().flat_map(|line| &line.levels) {
        for term in level.terms.keys() {
            let key = (level.level.name().to_owned(), term.clone());
            if !names.contains(&key) {
                names.push(key);
            }
        }
    }
    let mut events: Vec<Event> = vec![];
    let mut before = lines.first().map(|line| line.phase.clone());
    for pair in lines.windows(2) {
        if Some(&pair[1].phase) != before.as_ref() {
            events.push(Event { label: pair[1].phase.clone(), at: pair[0].step as f64 });
            before = Some(pair[1].phase.clone());
        }
    }
    let panel = |(level, term): &(String, String)| {
        let raw: Vec<(f64, f64)> = lines
            .iter()
            .filter_map(|line| {
                let found = line.levels.iter().find(|l| l.level.name() == level)?;
                Some((line.step as f64, *found.terms.get(term)?))
            })
            .collect();
        Panel {
            title: format!("{level}: {}", term.replace('_', " ")),
            x: Axis::linear("iteration"),
            y: Axis::linear(""),
            series: Series::smoothed("", colour_of(is_linear), raw, 9).into(),
            references: vec![],
            events: events.clone(),
        }
    };
    Chart {
        id: format!("loss-{name}"),
        title: format!("Losses, {name}"),
        caption: "Means between log lines, and their mean over nine lines.".into(),
        panels: names.iter().map(panel).collect(),
    }
}
