//! Fills a report with synthetic data, to look at every figure: `report_gallery [FOLDER]`.

use std::{error::Error, f64::consts::TAU, path::PathBuf};

use strait_report::{
    Axis, Better, Cell, Chart, Colour, Column, Event, ImageCell, ImageFormat, ImageGrid, ImageRow, KeyNumber, Page,
    Panel, Picture, ReferenceLine, ReportError, Row, ScatterCell, ScatterGrid, ScatterRow, Section, Series, Shade,
    Table, Trajectories, TrajectoryPanel, Truth,
};

const LINEAR: Colour = Colour::of(0);
const LEARNED: Colour = Colour::of(1);
const COUNTS: [u32; 5] = [1, 2, 4, 8, 100];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(|| PathBuf::from("report"), PathBuf::from);
    println!("{}", page()?.write(&folder)?.display());
    Ok(())
}

/// A page with everything that there is.
pub(crate) fn page() -> Result<Page, ReportError> {
    let mut draws = Draws(0x5eed);
    let (planar, images) = (samples(&mut draws), digits(&mut draws));
    let drawn = images.draw()?;
    Ok(Page {
        kicker: "Strait · training run".into(),
        title: "8gaussians-quick".into(),
        lead: vec![
            "At one evaluation the learned paths reach W2 1.14, where the straight ones of the same budget have 4.39.".into(),
            "At a hundred evaluations the two do not differ by more than their spread.".into(),
        ],
        warnings: vec![
            "The run was stopped after 3,000 of 4,000 steps.".into(),
            "W2 is computed from 2,000 samples: values below the sampling floor of 0.21 mean nothing <here>.".into(),
        ],
        key_numbers: key_numbers(),
        sections: vec![
            Section {
                heading: "Samples".into(),
                content: vec![
                    planar.draw()?.into(),
                    planar.slider("Samples, one count at a time", "Pick a count with the arrow keys or by hand.")?.into(),
                    Picture {
                        title: "Digits, as another program drew them".into(),
                        alt: "The digits of the next figure.".into(),
                        png: drawn.png.clone(),
                    }
                    .into(),
                    drawn.into(),
                    images.slider("Digits, one count at a time", "")?.into(),
                ],
            },
            Section {
                heading: "Quality".into(),
                content: vec![quality().draw()?.into(), quality_table().into(), metrics_table().into(), comparison(&mut draws).draw()?.into()],
            },
            Section {
                heading: "Paths".into(),
                content: vec![
                    "A trajectory of the flow is what the sampler follows; a conditional path is what the velocity was trained on. The learned paths bend so that the flow need not.".into(),
                    trajectories(&mut draws).draw()?.into(),
                ],
            },
            Section { heading: "Training".into(), content: vec![losses(&mut draws).draw()?.into()] },
        ],
        facts: [
            ("Data", "8gaussians: eight Gaussians of deviation 0.1 on a circle of radius 4"),
            ("Seed", "17"),
            ("Device", "CPU, 2 threads"),
            ("Wall time", "24.6 s, of it 9.1 s for the linear baseline"),
            ("Parameters", "velocity 8,898; interpolant 21,254"),
            ("Versions", "strait 0.1.0, libtorch 2.13.0, rustc 1.95.0"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .into(),
        command: "cargo xtask train 8gaussians-quick --set seed=17".into(),
        settings: "[data]\nname = \"8gaussians\"\n\n[interpolant]\nfamily = \"affine\"\nhidden = [64, 64]\n\n[[phase]]\nsteps = 4000\nobjective = \"energy\"\n".into(),
        refresh: None,
    })
}

fn key_numbers() -> Vec<KeyNumber> {
    [
        ("W2 at 1 evaluation", "1.14", "linear 4.39 · floor 0.21"),
        ("W2 at 4 evaluations", "0.47", "linear 0.62"),
        ("Straightness S", "0.031", "linear 0.58"),
        ("Path energy", "17.2", "W2² is 16.9"),
        ("Wall time", "24.6 s", "4,000 steps"),
    ]
    .map(|(label, value, note)| KeyNumber { label: label.into(), value: value.into(), note: note.into() })
    .into()
}

fn samples(draws: &mut Draws) -> ScatterGrid {
    let row = |label: &str, colour, blur: [f64; 5], w2: [f64; 5], draws: &mut Draws| ScatterRow {
        label: label.into(),
        colour,
        cells: blur
            .iter()
            .zip(w2)
            .map(|(&blur, w2)| ScatterCell {
                points: (0..2000).map(|_| draws.blurred(blur)).collect(),
                note: format!("W2 {w2:.2}"),
            })
            .collect(),
    };
    let mut rows = vec![
        row("linear", LINEAR, [0.97, 0.55, 0.25, 0.1, 0.0], [4.39, 1.67, 0.62, 0.44, 0.36], draws),
        row("learned", LEARNED, [0.3, 0.16, 0.07, 0.03, 0.0], [1.14, 0.65, 0.47, 0.38, 0.33], draws),
    ];
    rows[0].cells[1].points[3] = [f64::NAN, 0.0];
    ScatterGrid {
        id: "samples".into(),
        title: "Samples by number of evaluations".into(),
        caption: "2,000 Euler samples from the same source points in every cell.".into(),
        columns: COUNTS
            .iter()
            .map(|n| if *n == 1 { "1 evaluation".into() } else { format!("{n} evaluations") })
            .collect(),
        rows,
        truth: Some(Truth { label: "data".into(), points: (0..2000).map(|_| draws.blurred(0.0)).collect() }),
    }
}

fn digits(draws: &mut Draws) -> ImageGrid {
    let cell = |noise: f64, note: &str, draws: &mut Draws| ImageCell {
        values: (0..25).flat_map(|i| draws.digit(i % 10, noise)).collect(),
        note: note.into(),
    };
    let mut row = |label: &str, colour, noise: [f64; 5], frechet: [&str; 5]| {
        let mut cells: Vec<ImageCell> =
            noise.iter().zip(frechet).map(|(n, f)| cell(*n, &format!("Fréchet {f}"), draws)).collect();
        cells.push(cell(0.02, "", draws));
        ImageRow { label: label.into(), colour, cells }
    };
    ImageGrid {
        id: "digits".into(),
        title: "Digits by number of evaluations".into(),
        caption: "The first 25 samples from the same noise in every cell, none chosen.".into(),
        format: ImageFormat { shade: Shade::Ink, height: 8, width: 8 },
        columns: COUNTS
            .iter()
            .map(|n| if *n == 1 { "1 evaluation".into() } else { format!("{n} evaluations") })
            .chain(["real digits".into()])
            .collect(),
        last_is_truth: true,
        rows: vec![
            row("linear", LINEAR, [0.45, 0.3, 0.17, 0.1, 0.05], ["136", "49", "18", "9.4", "4.8"]),
            row("learned, transport", LEARNED, [0.16, 0.1, 0.07, 0.05, 0.04], ["19", "9.1", "5.8", "4.8", "4.2"]),
        ],
    }
}

fn measured(values: [f64; 5]) -> Vec<(f64, f64)> {
    COUNTS.iter().map(|&n| f64::from(n)).zip(values).collect()
}

fn quality() -> Chart {
    let line = |label: &str, colour, values: [f64; 5], share: f64| {
        let band = values.iter().map(|v| (v * (1.0 - share), v * (1.0 + share))).collect();
        Series::line(label, colour, measured(values)).with_band(band)
    };
    Chart {
        id: "quality".into(),
        title: "Quality against evaluations".into(),
        caption: "Mean of three seeds; the bands reach from the lowest to the highest.".into(),
        panels: vec![Panel {
            x: Axis::evaluations(&COUNTS),
            y: Axis::log("W2 to the data, lower is better"),
            series: vec![
                line("linear", LINEAR, [4.39, 1.67, 0.62, 0.44, 0.36], 0.06),
                line("learned", LEARNED, [1.14, 0.65, 0.47, 0.38, 0.33], 0.08),
            ],
            references: vec![ReferenceLine { label: "sampling floor".into(), value: 0.21, colour: Colour::NEUTRAL }],
            ..Panel::default()
        }],
    }
}

fn comparison(draws: &mut Draws) -> Chart {
    let methods = [
        ("linear", [4.39, 1.67, 0.62, 0.44, 0.36]),
        ("learned", [1.14, 0.65, 0.47, 0.38, 0.33]),
        ("OT-CFM", [0.75, 0.50, 0.39, 0.33, 0.29]),
        ("2-rectified flow", [0.66, 0.51, 0.43, 0.39, 0.36]),
        ("likelihood", [1.32, 1.01, 0.91, 0.90, 0.89]),
        ("learned + reflow", [0.6, 0.48, 0.41, 0.37, 0.34]),
    ];
    let panels = ["8 Gaussians", "moons", "checkerboard"];
    Chart {
        id: "comparison".into(),
        title: "All methods".into(),
        caption: "One seed.".into(),
        panels: panels
            .iter()
            .enumerate()
            .map(|(k, name)| Panel {
                title: (*name).into(),
                x: Axis::evaluations(&COUNTS),
                y: Axis::log("W2"),
                series: methods
                    .iter()
                    .enumerate()
                    .map(|(i, (label, values))| {
                        let shrink = 1.0 / (1.0 + 0.5 * k as f64);
                        Series::line(
                            *label,
                            Colour::of(i),
                            measured(values.map(|v| v * shrink * (1.0 + 0.05 * draws.normal()))),
                        )
                    })
                    .collect(),
                references: vec![ReferenceLine {
                    label: "sampling floor".into(),
                    value: [0.21, 0.12, 0.1][k],
                    colour: Colour::NEUTRAL,
                }],
                ..Panel::default()
            })
            .collect(),
    }
}

fn losses(draws: &mut Draws) -> Chart {
    let mut curve = |start: f64, end: f64, rate: f64, noise: f64| -> Vec<(f64, f64)> {
        (0..2000)
            .map(|i| {
                let step = 2.0 * f64::from(i);
                let trend = end + (start - end) * (-step / rate).exp();
                (step, trend * (noise * draws.normal()).exp())
            })
            .collect()
    };
    let (mut matching, energy, penalty) =
        (curve(19.0, 4.1, 300.0, 0.12), curve(27.0, 17.3, 700.0, 0.05), curve(0.02, 0.6, 900.0, 0.2));
    matching[700].1 = f64::NAN;
    for point in &mut matching[1200..1230] {
        point.1 = f64::INFINITY;
    }
    let terms = [
        ("flow matching", LINEAR, matching),
        ("energy", LEARNED, energy),
        ("acceleration penalty", Colour::of(2), penalty),
    ];
    Chart {
        id: "losses".into(),
        title: "Losses".into(),
        caption: "Pale: every logged step. Full: the mean of 41 neighbours.".into(),
        panels: vec![Panel {
            x: Axis::linear("gradient step"),
            y: Axis::log("loss"),
            series: terms
                .into_iter()
                .flat_map(|(label, colour, raw)| Series::smoothed(label, colour, raw, 41))
                .collect(),
            events: [("warm-up", 0.0), ("interpolant", 500.0), ("velocity afresh", 3000.0)]
                .map(|(label, at)| Event { label: label.into(), at })
                .into(),
            ..Panel::default()
        }],
    }
}

fn trajectories(draws: &mut Draws) -> Trajectories {
    let background: Vec<[f64; 2]> = (0..1500).map(|_| draws.blurred(0.0)).collect();
    let path = |bend: f64, draws: &mut Draws| -> Vec<[f64; 2]> {
        let (from, to) = ([draws.normal(), draws.normal()], draws.blurred(0.0));
        let bend = bend * draws.normal();
        (0..=30)
            .map(|i| {
                let t = f64::from(i) / 30.0;
                let along = [0, 1].map(|k| (1.0 - t) * from[k] + t * to[k]);
                let across = [to[1] - from[1], from[0] - to[0]];
                [0, 1].map(|k| along[k] + bend * t * (1.0 - t) * across[k])
            })
            .collect()
    };
    let mut panel = |title: &str, colour, count: usize, bend: f64, chords: bool| TrajectoryPanel {
        title: title.into(),
        colour,
        paths: (0..count).map(|_| path(bend, draws)).collect(),
        background: background.clone(),
        chords,
    };
    Trajectories {
        id: "trajectories".into(),
        title: "Trajectories and learned paths".into(),
        caption: "Left and middle: 100 Euler steps of the flow. Right: the conditional paths of eight pairs.".into(),
        panels: vec![
            panel("flow, linear", LINEAR, 120, 1.0, false),
            panel("flow, learned", LEARNED, 120, 0.1, false),
            panel("conditional paths, learned", LEARNED, 8, 1.3, true),
        ],
    }
}

fn quality_table() -> Table {
    let row = |values: [f64; 5], spreads: [f64; 5]| -> Vec<Cell> {
        values.into_iter().zip(spreads).map(|(v, s)| Cell::spread(v, s)).collect()
    };
    Table {
        title: "W2 by number of evaluations".into(),
        note: "Mean and standard deviation of three seeds, Euler steps, 2,000 samples; the best is bold.".into(),
        columns: COUNTS.iter().map(|n| Column { label: n.to_string(), better: Better::Lower }).collect(),
        rows: vec![
            Row::method("linear", LINEAR, row([4.39, 1.67, 0.62, 0.44, 0.36], [0.06, 0.04, 0.03, 0.02, 0.02])),
            Row::method("learned", LEARNED, row([1.14, 0.65, 0.47, 0.38, 0.33], [0.05, 0.04, 0.03, 0.03, 0.02])),
            Row::reference("sampling floor", vec![Cell::value(0.21); 5]),
        ],
    }
}

fn metrics_table() -> Table {
    let column = |label: &str, better| Column { label: label.into(), better };
    Table {
        title: "Straightness and cost".into(),
        note: String::new(),
        columns: vec![
            column("straightness S", Better::Lower),
            column("path energy", Better::Lower),
            column("coverage", Better::Higher),
            column("parameters", Better::Neither),
            column("coupling", Better::Neither),
        ],
        rows: vec![
            Row::method(
                "linear",
                LINEAR,
                vec![
                    Cell::value(0.583),
                    Cell::value(27.1).with_floor(16.9),
                    Cell::value(0.93),
                    Cell::value(8898.0),
                    Cell::Text("independent".into()),
                ],
            ),
            Row::method(
                "learned",
                LEARNED,
                vec![
                    Cell::value(0.0312),
                    Cell::value(17.2).with_floor(16.9),
                    Cell::value(0.95),
                    Cell::value(30152.0),
                    Cell::Text("independent".into()),
                ],
            ),
            Row::method(
                "diverged",
                Colour::of(2),
                vec![
                    Cell::value(f64::NAN),
                    Cell::value(f64::INFINITY),
                    Cell::Missing,
                    Cell::value(8898.0),
                    Cell::Text("minibatch OT".into()),
                ],
            ),
        ],
    }
}

/// A small generator of repeatable draws.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (TAU * self.uniform()).cos()
    }

    /// One of eight Gaussians, drawn towards a broad Gaussian by `blur`.
    fn blurred(&mut self, blur: f64) -> [f64; 2] {
        let angle = TAU * (self.uniform() * 8.0).floor() / 8.0;
        let broad = [self.normal(), self.normal()];
        let centre = [angle.cos(), angle.sin()];
        [0, 1].map(|k| (1.0 - blur) * (4.0 * centre[k] + 0.2 * self.normal()) + blur * 1.3 * broad[k])
    }

    /// A digit of 8 x 8 pixels under noise.
    fn digit(&mut self, which: usize, noise: f64) -> Vec<f32> {
        const STROKES: [[u8; 8]; 10] = [
            [0x18, 0x24, 0x42, 0x42, 0x42, 0x42, 0x24, 0x18],
            [0x08, 0x18, 0x28, 0x08, 0x08, 0x08, 0x08, 0x3e],
            [0x3c, 0x42, 0x02, 0x04, 0x18, 0x20, 0x40, 0x7e],
            [0x3c, 0x42, 0x02, 0x1c, 0x02, 0x02, 0x42, 0x3c],
            [0x04, 0x0c, 0x14, 0x24, 0x44, 0x7e, 0x04, 0x04],
            [0x7e, 0x40, 0x40, 0x7c, 0x02, 0x02, 0x42, 0x3c],
            [0x1c, 0x20, 0x40, 0x7c, 0x42, 0x42, 0x42, 0x3c],
            [0x7e, 0x02, 0x04, 0x08, 0x10, 0x10, 0x20, 0x20],
            [0x3c, 0x42, 0x42, 0x3c, 0x42, 0x42, 0x42, 0x3c],
            [0x3c, 0x42, 0x42, 0x42, 0x3e, 0x02, 0x04, 0x38],
        ];
        (0..64)
            .map(|i| {
                let lit = STROKES[which][i / 8] >> (7 - i % 8) & 1;
                let base = if lit == 1 { 0.8 } else { 0.04 };
                (base + (noise * 0.9 + 0.03) * self.normal()) as f32
            })
            .collect()
    }
}
