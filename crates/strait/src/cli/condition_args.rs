//! What `sample` is asked for: of which classes, or under which conditions, and how far they are guided.

use crate::ProgramError;
use crate::config::{Config, Guidance, check_range};
use crate::training::context::RunContext;
use clap::Args;
use std::path::{Path, PathBuf};
use strait_core::{ConditionKind, Conditions};
use strait_io::{ArrayFormat, npy, npz};
use tch::{Device, Kind, Tensor};

/// Under what samples are made.
#[derive(Debug, Args)]
pub(super) struct ConditionArgs {
    /// The class of all samples, for a run on data with a condition
    #[arg(long, allow_negative_numbers = true, conflicts_with_all = ["classes", "conditions"])]
    class: Option<i64>,
    /// Classes, as in 0,1,2: --count samples of each
    #[arg(long, allow_negative_numbers = true, value_delimiter = ',', conflicts_with = "conditions")]
    classes: Vec<i64>,
    /// An .npy or .npz with what each sample is under, one row each: the array of the run's condition (`labels` of classes),
    /// or the only one
    #[arg(long)]
    conditions: Option<PathBuf>,
    /// How far samples are guided to their condition, by a velocity that also learned that of no condition: 1 is not at all;
    /// other values take two evaluations where one is taken, and both are counted
    #[arg(long, allow_negative_numbers = true, default_value_t = 1.0)]
    guidance: f64,
}

impl ConditionArgs {
    /// How far samples are guided.
    ///
    /// # Errors
    /// `Config` out of the range of `evaluate.guidance`.
    pub(super) fn guidance(&self) -> Result<Guidance, ProgramError> {
        check_range(&format!("--guidance {:e}", self.guidance), "evaluate.guidance", self.guidance)?;
        Ok(Guidance(self.guidance))
    }

    /// The conditions of all samples, of which there are `count`, or as many of each class or in all as the arguments say.
    ///
    /// # Errors
    /// `Argument` for conditions of a run that has none, for none of a run that needs them, for those that are not of the
    /// run, and for a guidance to none; those of the file.
    pub(super) fn conditions(
        &self,
        config: &Config,
        context: &RunContext,
        count: i64,
    ) -> Result<Conditions, ProgramError> {
        let refused =
            |argument: &str, problem: String| Err(ProgramError::Argument { argument: argument.to_owned(), problem });
        let argument = match (&self.class, &self.classes[..], &self.conditions) {
            (Some(class), _, _) => Some(format!("--class {class}")),
            (None, [_, ..], _) => {
                Some(format!("--classes {}", self.classes.iter().map(i64::to_string).collect::<Vec<_>>().join(",")))
            }
            (None, [], Some(path)) => Some(format!("--conditions {}", path.display())),
            (None, [], None) => None,
        };
        let own = context.data.points.condition();
        if !self.guidance()?.is_none() && argument.is_none() {
            let problem = "there is nothing to guide to; give --class, --classes or --conditions";
            return refused(&format!("--guidance {}", self.guidance), problem.into());
        }
        match (argument, own) {
            (None, None) => Ok(Conditions::default()),
            (None, Some(_)) if config.has_unconditional() => Ok(Conditions::default()),
            (None, Some((name, ConditionKind::Classes(classes)))) => {
                let problem = format!(
                    "the run is conditioned on `{name}` alone; give --class, or --classes, of 0 to {}",
                    classes - 1
                );
                refused("no --class", problem)
            }
            (None, Some((name, ConditionKind::Vector(n)))) => {
                let problem =
                    format!("the run is conditioned on `{name}` alone; give an .npy or .npz with {n} numbers a sample");
                refused("no --conditions", problem)
            }
            (Some(argument), None) => {
                let problem = "the run is conditioned on nothing; train one with `data.condition`, or leave it out";
                refused(&argument, problem.into())
            }
            (Some(argument), Some((name, kind))) => {
                let rows = match (&self.conditions, kind) {
                    (Some(path), kind) => self.read(path, name, kind, context)?,
                    (None, ConditionKind::Classes(_)) => self.labels(count, context.device)?,
                    (None, ConditionKind::Vector(n)) => {
                        let problem = format!(
                            "the run is conditioned on {n} numbers, `{name}`, and no classes; give --conditions"
                        );
                        return refused(&argument, problem);
                    }
                };
                if let ConditionKind::Classes(classes) = kind {
                    let ends = [rows.min().int64_value(&[]), rows.max().int64_value(&[])];
                    if let Some(label) = ends.iter().find(|label| !(0..classes).contains(label)) {
                        let problem =
                            format!("label {label} is not one of the run's {classes} classes, 0 to {}", classes - 1);
                        return refused(&argument, problem);
                    }
                    let empty = &context.data.classes_without_points;
                    let asked = |class: &&i64| rows.eq(**class).any().int64_value(&[]) == 1;
                    if let Some(class) = empty.iter().find(asked) {
                        return refused(
                            &argument,
                            format!("no training point has label {class}: the run knows nothing of it"),
                        );
                    }
                }
                Ok(Conditions::of(name, rows)?)
            }
        }
    }

    /// Whether a file says how many samples there are.
    pub(super) fn is_of_a_file(&self) -> bool {
        self.conditions.is_some()
    }

    /// How many classes are asked for one after the other, 1 where none is.
    pub(super) fn classes(&self) -> i64 {
        self.classes.len().max(1) as i64
    }

    /// `count` of each class.
    fn labels(&self, count: i64, device: Device) -> Result<Tensor, ProgramError> {
        let classes: Vec<i64> = self.class.iter().chain(&self.classes).copied().collect();
        let classes = Tensor::f_from_slice(&classes).map_err(strait_core::Error::from)?;
        Ok(classes.repeat_interleave_self_int(count, 0, None).to_device(device))
    }

    fn read(&self, path: &Path, name: &str, kind: ConditionKind, context: &RunContext) -> Result<Tensor, ProgramError> {
        let refused =
            |problem: String| ProgramError::Argument { argument: format!("--conditions {}", path.display()), problem };
        let of_file = |error: strait_io::IoError| refused(error.to_string());
        let (array, rows) = match ArrayFormat::of(path).map_err(of_file)? {
            Some(ArrayFormat::Npy) => (name.to_owned(), npy::read(path).map_err(of_file)?.values),
            Some(ArrayFormat::Npz) => {
                let mut archive = npz::Archive::open(path).map_err(of_file)?;
                let names = archive.names();
                let array = match &names[..] {
                    [only] => only.clone(),
                    _ if names.iter().any(|other| other == name) => name.to_owned(),
                    _ => return Err(refused(format!("it holds no array `{name}` (it holds {names:?})"))),
                };
                let rows = archive.read(&array).map_err(of_file)?.values;
                (array, rows)
            }
            None => {
                let problem = "it is neither an .npy nor an .npz file: save it with numpy.save or numpy.savez";
                return Err(refused(problem.into()));
            }
        };
        let found = rows.size();
        let fits = match kind {
            ConditionKind::Classes(_) => found.len() == 1 && !rows.is_floating_point(),
            ConditionKind::Vector(1) => found.len() == 1 || (found.len() == 2 && found[1] == 1),
            ConditionKind::Vector(n) => found.len() == 2 && found[1] == n,
        };
        if found.first() == Some(&0) {
            return Err(refused(format!("`{array}` has no rows, and one is sampled under each")));
        }
        if !fits {
            let wanted = match kind {
                ConditionKind::Classes(_) => "(n,) of whole numbers".to_owned(),
                ConditionKind::Vector(n) => format!("(n, {n})"),
            };
            return Err(refused(format!("`{array}` is {found:?}, and the run's condition is {wanted}")));
        }
        Ok(match kind {
            ConditionKind::Classes(_) => rows.to_kind(Kind::Int64),
            ConditionKind::Vector(n) => {
                let numbers = rows.to_kind(Kind::Float).view([-1, n]);
                let bad = numbers.isfinite().all_dim(1, false).logical_not().nonzero();
                if bad.numel() > 0 {
                    let row = bad.int64_value(&[0, 0]);
                    let problem =
                        format!("`{array}` holds a number that is not finite in single precision in row {row}");
                    return Err(refused(problem + " (counted from 0): repair it"));
                }
                numbers
            }
        }
        .to_device(context.device))
    }
}
