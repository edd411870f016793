//! The figures of a run.

use super::method::{Method, Outcome, counts, floors, metrics};
use crate::evaluation::classes::ClassReference;
use crate::evaluation::diagnostics::evaluations;
use crate::evaluation::planar_lines::PlanarLines;
use crate::evaluation::reference::Reference;
use crate::evaluation::samples::Samples;
use crate::evaluation::scores::Metric;
use strait_report::{
    Axis, Chart, Colour, Figure, ImageCell, ImageGrid, ImageRow, Panel, ReferenceLine, ReportError, ScatterCell,
    ScatterGrid, ScatterRow, Series, Trajectories, TrajectoryPanel, Truth, significant,
};
use tch::{Kind, Tensor};

/// Points of a scatter cell and images of a grid cell.
pub(super) const POINTS: i64 = 2000;
pub(super) const TILES: i64 = 25;
/// Classes that are drawn.
const CLASSES: usize = 12;

/// The first two coordinates of the first points.
pub(crate) fn points(x: &Tensor, most: i64) -> Vec<[f64; 2]> {
    let x = x.flatten(1, -1).narrow(0, 0, most.min(x.size()[0])).to_kind(Kind::Double).to_device(tch::Device::Cpu);
    let flat = |column: i64| Vec::<f64>::try_from(x.select(1, column).contiguous()).unwrap_or_default();
    let last = (x.size()[1] - 1).min(1);
    flat(0).into_iter().zip(flat(last)).map(|(a, b)| [a, b]).collect()
}

pub(super) fn columns(methods: &[Method<'_>]) -> Vec<String> {
    methods.first().map_or(vec![], |m| m.measured.samples.iter().map(|s| evaluations(s.nfe)).collect())
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

/// The distances against the counts of evaluations, a panel each.
pub(super) fn quality(outcomes: &[Outcome<'_>], caption: String) -> Chart {
    let ticks: Vec<u32> = counts(outcomes).into_iter().map(|nfe| nfe as u32).collect();
    let panel = |metric: Metric| {
        let series = |outcome: &Outcome<'_>| {
            let points = outcome.found(metric).map(|found| (found.nfe as f64, metric.shown(found.value))).collect();
            Series::line(outcome.name, outcome.colour, points)
        };
        // Where each has a floor of its own, it is of its colour.
        let colour = |of: &Option<String>| {
            let whose = outcomes.iter().find(|outcome| Some(outcome.name) == of.as_deref());
            whose.map_or(Colour::NEUTRAL, |outcome| outcome.colour)
        };
        let floor = |(of, value)| {
            let colour = colour(&of);
            ReferenceLine { label: of_whom("sampling floor", of), value, colour }
        };
        Panel {
            title: metric.heading(),
            x: Axis::evaluations(&ticks),
            y: Axis::log(format!("{} to the data, lower is better", metric.in_words())),
            series: outcomes.iter().map(series).collect(),
            references: floors(metric, outcomes).into_iter().map(floor).collect(),
            ..Panel::default()
        }
    };
    Chart {
        id: "quality".into(),
        title: "Quality against evaluations".into(),
        caption,
        panels: metrics(outcomes).filter(|metric| metric.is_distance()).map(panel).collect(),
    }
}

/// `sampling floor, RUN`.
pub(super) fn of_whom(what: &str, whose: Option<String>) -> String {
    whose.map_or_else(|| what.to_owned(), |name| format!("{what}, {name}"))
}

pub(super) fn profile(outcomes: &[Outcome<'_>]) -> Chart {
    let series = outcomes.iter().map(|outcome| {
        let s = &outcome.summary.straightness;
        let points = s.residual_times.iter().copied().zip(s.residual_profile.iter().copied()).collect();
        Series::line(outcome.name, outcome.colour, points)
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
    lines: fn(&PlanarLines) -> &[Tensor],
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
