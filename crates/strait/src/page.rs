//! Fills the report of a run.

use crate::measure::{Measured, Reference, conditional_paths, trajectories};
use crate::report::{
    Axis, Better, Cell, Chart, Colour, Column, Event, Figure, ImageCell, ImageFormat, ImageGrid, ImageRow, KeyNumber,
    Page, Panel, Reference as Line, ReportError, Row, ScatterCell, ScatterGrid, ScatterRow, Section, Series, Shade,
    Table, Trajectories, TrajectoryPanel, Truth,
};
use crate::setting::Setting;
use crate::summary::Summary;
use crate::track::{MetricsLine, Track};
use crate::{ProgramError, config};
use std::path::PathBuf;
use strait_data::Image;
use tch::{Kind, Tensor};

/// Points of a scatter cell and images of a grid cell.
const POINTS: i64 = 2000;
const TILES: i64 = 25;
/// Trajectories and conditional paths drawn.
const DRAWN: i64 = 60;

/// One method of the report, the run's own first.
pub struct Method<'a> {
    /// Its training.
    pub track: &'a Track<'a>,
    /// What was measured.
    pub measured: &'a Measured,
}

impl Method<'_> {
    fn name(&self) -> &str {
        &self.track.name
    }

    /// Linear has one colour in every report, whatever stands beside it.
    fn colour(&self) -> Colour {
        Colour::of(usize::from(self.name() != "linear"))
    }

    fn w2(&self, nfe: usize) -> Option<f64> {
        self.measured.samples.iter().find(|s| s.nfe == nfe).map(|s| s.distances.w2)
    }
}

/// Writes `report/` and returns the path of its page.
///
/// # Errors
/// Those of drawing and of files.
pub fn write(
    setting: &Setting<'_>,
    summary: &Summary,
    methods: &[Method<'_>],
    reference: &Reference,
) -> Result<PathBuf, ProgramError> {
    let mut sections = vec![
        Section { heading: "Samples".into(), content: vec![samples(setting, methods, reference)?.into()] },
        Section {
            heading: "Quality".into(),
            content: vec![
                quality(methods, reference).draw()?.into(),
                table(methods, reference).into(),
                straightness(methods).into(),
            ],
        },
    ];
    if reference.data.size()[1..] == [2] {
        sections.push(Section {
            heading: "Paths".into(),
            content: vec![
                "A trajectory of the flow is what the sampler follows; a conditional path is what the velocity was \
                 trained on. The learned paths bend so that the flow need not."
                    .into(),
                flow_lines(setting, methods, reference)?.into(),
                path_lines(setting, methods, reference)?.into(),
            ],
        });
    }
    sections.push(Section { heading: "Straightness in time".into(), content: vec![profile(methods).draw()?.into()] });
    let mut losses = vec![];
    for method in methods {
        losses.push(loss(method, &method.track.read_metrics()?).draw()?.into());
    }
    sections.push(Section { heading: "Training".into(), content: losses });
    let page = Page {
        title: summary.run.clone(),
        kicker: format!("Strait · {}", summary.dataset),
        lead: verdict(methods, reference),
        warnings: warnings(methods),
        key_numbers: key_numbers(methods, reference),
        sections,
        facts: facts(summary, reference),
        command: format!(
            "cargo xtask train {} --device {}",
            setting.folder.path().join("config.toml").display(),
            summary.device
        ),
        settings: config::write(setting.config)?,
    };
    Ok(page.write(&setting.folder.path().join("report"))?)
}

fn verdict(methods: &[Method<'_>], reference: &Reference) -> Vec<String> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let counts: Vec<usize> = own.measured.samples.iter().map(|s| s.nfe).collect();
    let (Some(&few), Some(&many)) = (counts.first(), counts.last()) else { return vec![] };
    let at = |method: &Method<'_>, nfe| method.w2(nfe).unwrap_or(f64::NAN);
    let mut lines = vec![match rest.first() {
        Some(other) => format!(
            "At {} the {} path reaches W2 {:.3}, where the {} path of as many gradient steps has {:.3}; at {} it is {:.3} \
             against {:.3}.",
            evaluations(few),
            own.name(),
            at(own, few),
            other.name(),
            at(other, few),
            evaluations(many),
            at(own, many),
            at(other, many)
        ),
        None => format!(
            "At {} W2 is {:.3}; at {} it is {:.3}.",
            evaluations(few),
            at(own, few),
            evaluations(many),
            at(own, many)
        ),
    }];
    lines.push(format!(
        "Two sets of as many real points are {:.3} apart: no sampler can be expected below that. One seed; no spread.",
        reference.floor.w2
    ));
    lines
}

/// What a reader must know before believing the numbers.
fn warnings(methods: &[Method<'_>]) -> Vec<String> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let mut lines = vec![];
    for other in rest {
        for sample in &own.measured.samples {
            let theirs = other.w2(sample.nfe).unwrap_or(f64::INFINITY);
            if sample.distances.w2 > 1.1 * theirs {
                lines.push(format!(
                    "At {} the {} path is worse than the {} one: W2 {:.3} against {theirs:.3}.",
                    evaluations(sample.nfe),
                    own.name(),
                    other.name(),
                    sample.distances.w2
                ));
            }
        }
        let residual = |method: &Method<'_>| method.measured.summary.straightness.residual;
        if residual(own) > residual(other) {
            lines.push(format!(
                "The {} flow is not straighter over all of t: residual {:.3} against {:.3}.",
                own.name(),
                residual(own),
                residual(other)
            ));
        }
    }
    lines
}

fn key_numbers(methods: &[Method<'_>], reference: &Reference) -> Vec<KeyNumber> {
    let Some((own, rest)) = methods.split_first() else { return vec![] };
    let beside = |text: String| rest.first().map(|other| format!("{} {text}", other.name())).unwrap_or_default();
    let mut numbers: Vec<KeyNumber> = own
        .measured
        .samples
        .iter()
        .filter(|sample| [1, 4].contains(&sample.nfe))
        .map(|sample| {
            let theirs = rest.first().and_then(|other| other.w2(sample.nfe)).unwrap_or(f64::NAN);
            KeyNumber {
                label: format!("W2 at {}", evaluations(sample.nfe)),
                value: format!("{:.3}", sample.distances.w2),
                note: format!("{} · floor {:.3}", beside(format!("{theirs:.3}")), reference.floor.w2),
            }
        })
        .collect();
    let s = |method: &Method<'_>| method.measured.summary.straightness.straightness;
    let theirs = rest.first().map_or(f64::NAN, s);
    numbers.push(KeyNumber {
        label: "Straightness S".into(),
        value: format!("{:.4}", s(own)),
        note: beside(format!("{theirs:.4}")),
    });
    let wall = |method: &Method<'_>| method.measured.summary.wall_seconds;
    let theirs = rest.first().map_or(f64::NAN, wall);
    numbers.push(KeyNumber {
        label: "Training".into(),
        value: format!("{:.0} s", wall(own)),
        note: beside(format!("{theirs:.0} s")),
    });
    numbers
}

fn facts(summary: &Summary, reference: &Reference) -> Vec<(String, String)> {
    let versions = summary.versions.iter().map(|(name, version)| format!("{name} {version}")).collect::<Vec<_>>();
    [
        ("Data", summary.dataset.clone()),
        ("Compared with", reference.name.clone()),
        ("Seed", summary.seed.to_string()),
        ("Device", format!("{}, {} threads", summary.device, summary.threads)),
        ("Gradient steps", summary.method.gradient_steps.to_string()),
        ("Parameters", summary.method.parameters.to_string()),
        ("Versions", versions.join(", ")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn evaluations(nfe: usize) -> String {
    if nfe == 1 { "1 evaluation".into() } else { format!("{nfe} evaluations") }
}

/// The first two coordinates of the first points.
pub(crate) fn points(x: &Tensor, most: i64) -> Vec<[f64; 2]> {
    let x = x.flatten(1, -1).narrow(0, 0, most.min(x.size()[0])).to_kind(Kind::Double).to_device(tch::Device::Cpu);
    let flat = |column: i64| Vec::<f64>::try_from(x.select(1, column).contiguous()).unwrap_or_default();
    let last = (x.size()[1] - 1).min(1);
    flat(0).into_iter().zip(flat(last)).map(|(a, b)| [a, b]).collect()
}

fn samples(setting: &Setting<'_>, methods: &[Method<'_>], reference: &Reference) -> Result<Figure, ReportError> {
    match setting.data.image {
        Some(image) => images(image, methods, reference).draw(),
        None => scatter(methods, reference).draw(),
    }
}

fn columns(methods: &[Method<'_>]) -> Vec<String> {
    methods.first().map_or(vec![], |m| m.measured.samples.iter().map(|s| evaluations(s.nfe)).collect())
}

fn scatter(methods: &[Method<'_>], reference: &Reference) -> ScatterGrid {
    let row = |method: &Method<'_>| ScatterRow {
        label: method.name().into(),
        colour: method.colour(),
        cells: method
            .measured
            .samples
            .iter()
            .map(|s| ScatterCell { points: points(&s.x, POINTS), note: format!("W2 {:.3}", s.distances.w2) })
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

fn images(image: Image, methods: &[Method<'_>], reference: &Reference) -> ImageGrid {
    let cell = |x: &Tensor, note: String| {
        let tiles = x.narrow(0, 0, TILES.min(x.size()[0])).to_kind(Kind::Float).to_device(tch::Device::Cpu);
        let tiles = tiles.contiguous().view([-1]);
        ImageCell { values: Vec::<f32>::try_from(tiles).unwrap_or_default(), note }
    };
    let row = |method: &Method<'_>| {
        let samples = &method.measured.samples;
        let mut cells: Vec<_> = samples.iter().map(|s| cell(&s.x, format!("W2 {:.3}", s.distances.w2))).collect();
        cells.push(cell(&reference.data, format!("floor {:.3}", reference.floor.w2)));
        ImageRow { label: method.name().into(), colour: method.colour(), cells }
    };
    let shade = if image.channels == 3 { Shade::Rgb } else { Shade::Ink };
    let mut columns = columns(methods);
    columns.push("real images".into());
    ImageGrid {
        id: "samples".into(),
        title: "Samples by number of evaluations".into(),
        caption: "The first 25 samples from the same source points in every cell, none chosen; the real images are of \
                  the split that the numbers are measured on."
            .into(),
        format: ImageFormat { shade, height: image.height as usize, width: image.width as usize },
        columns,
        last_is_truth: true,
        rows: methods.iter().map(row).collect(),
    }
}

fn quality(methods: &[Method<'_>], reference: &Reference) -> Chart {
    let counts: Vec<u32> =
        methods.first().map_or(vec![], |m| m.measured.samples.iter().map(|s| s.nfe as u32).collect());
    let panel = |title: &str, floor: f64, value: fn(&strait_metrics::Distances) -> f64| Panel {
        title: title.into(),
        x: Axis::evaluations(&counts),
        y: Axis::log(format!("{title} to the data, lower is better")),
        series: methods
            .iter()
            .map(|method| {
                let points = method.measured.samples.iter().map(|s| (s.nfe as f64, value(&s.distances))).collect();
                Series::line(method.name(), method.colour(), points)
            })
            .collect(),
        references: vec![Line { label: "sampling floor".into(), value: floor }],
        ..Panel::default()
    };
    Chart {
        id: "quality".into(),
        title: "Quality against evaluations".into(),
        caption: format!("One seed, {}.", reference.name),
        panels: vec![
            panel("W2", reference.floor.w2, |d| d.w2),
            panel("Sliced W2", reference.floor.sliced_w2, |d| d.sliced_w2),
        ],
    }
}

fn table(methods: &[Method<'_>], reference: &Reference) -> Table {
    let row = |method: &Method<'_>| {
        let cells = method.measured.samples.iter().map(|s| Cell::value(s.distances.w2)).collect();
        Row::method(method.name(), method.colour(), cells)
    };
    let mut rows: Vec<Row> = methods.iter().map(row).collect();
    let floor = columns(methods).iter().map(|_| Cell::value(reference.floor.w2)).collect();
    rows.push(Row::reference("sampling floor", floor));
    Table {
        title: "W2 by number of evaluations".into(),
        note: format!("Against {}, in the data's own units; one seed.", reference.name),
        columns: columns(methods).into_iter().map(|label| Column { label, better: Better::Lower }).collect(),
        rows,
    }
}

fn straightness(methods: &[Method<'_>]) -> Table {
    let heads = [
        ("S", Better::Lower),
        ("path energy", Better::Neither),
        ("normalised path energy", Better::Lower),
        ("residual", Better::Lower),
        ("gradient steps", Better::Neither),
        ("seconds", Better::Neither),
    ];
    let row = |method: &Method<'_>| {
        let (summary, s) = (&method.measured.summary, &method.measured.summary.straightness);
        let cells = [
            s.straightness,
            s.path_energy,
            s.normalised_path_energy,
            s.residual,
            summary.gradient_steps as f64,
            summary.wall_seconds,
        ];
        Row::method(method.name(), method.colour(), cells.map(Cell::value).into())
    };
    Table {
        title: "Straightness and cost".into(),
        note:
            "S and the path energy over 100 Euler steps, the residual E|Dv/Dt|² over all of t, in units in which the \
               data have variance 1."
                .into(),
        columns: heads.map(|(label, better)| Column { label: label.into(), better }).into(),
        rows: methods.iter().map(row).collect(),
    }
}

fn profile(methods: &[Method<'_>]) -> Chart {
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

fn flow_lines(setting: &Setting<'_>, methods: &[Method<'_>], reference: &Reference) -> Result<Figure, ProgramError> {
    let mut panels = vec![];
    for method in methods {
        let states = trajectories(&method.measured.models, reference, &setting.data, DRAWN)?;
        let line = |i: i64| points(&states.select(1, i), i64::MAX);
        panels.push(TrajectoryPanel {
            title: method.name().into(),
            colour: method.colour(),
            paths: (0..states.size()[1]).map(line).collect(),
            background: points(&reference.data, POINTS),
            chords: false,
        });
    }
    let title = "Trajectories of the flow".into();
    let caption = "100 Euler steps from the same source points.".into();
    Ok(Trajectories { id: "trajectories".into(), title, caption, panels }.draw()?)
}

fn path_lines(setting: &Setting<'_>, methods: &[Method<'_>], reference: &Reference) -> Result<Figure, ProgramError> {
    let mut panels = vec![];
    for method in methods {
        let paths = conditional_paths(&method.measured.models, reference, &setting.data, 12)?;
        panels.push(TrajectoryPanel {
            title: method.name().into(),
            colour: method.colour(),
            paths: paths.iter().map(|path| points(path, i64::MAX)).collect(),
            background: points(&reference.data, POINTS),
            chords: true,
        });
    }
    let title = "Conditional paths".into();
    let caption = "The paths of the same twelve pairs, with the straight line between the ends of each.".into();
    Ok(Trajectories { id: "paths".into(), title, caption, panels }.draw()?)
}

fn loss(method: &Method<'_>, lines: &[MetricsLine]) -> Chart {
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
            x: Axis::linear("turn"),
            y: Axis::linear(""),
            series: Series::smoothed("", method.colour(), raw, 9).into(),
            references: vec![],
            events: events.clone(),
        }
    };
    Chart {
        id: format!("loss-{}", method.name()),
        title: format!("Losses, {}", method.name()),
        caption: "Means between log lines, and their mean over nine lines.".into(),
        panels: names.iter().map(panel).collect(),
    }
}
