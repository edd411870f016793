//! Checkpoints: restored to the bit, refused if damaged or of another training, and removed beyond the number to keep.

use crate::common::line::{averages, numbers, phase, plan, run, trainer};
use std::sync::mpsc::sync_channel;
use std::thread;
use strait_core::{Init, Parameters, Seed};
use strait_optim::objectives::{Energy, FlowMatching};
use strait_optim::{Level, LevelName, OptimError, checkpoint};
use tch::{Device, Kind};

#[test]
fn a_restored_trainer_goes_on_to_the_bit_through_every_phase() {
    let phases = || {
        let both = vec![
            plan(LevelName::Velocity, FlowMatching, 2, 0.05),
            plan(LevelName::Interpolant, Energy { acceleration: 1e-3 }, 1, 0.02),
        ];
        let last = plan(LevelName::Velocity, FlowMatching, 1, 0.05);
        vec![phase(6, both, vec![]), phase(6, vec![last], vec![LevelName::Velocity])]
    };
    let mut whole = trainer(phases(), &[3.0, 0.7]).unwrap();
    run(&mut whole);
    for stop in 1..12 {
        let folder = tempfile::tempdir().unwrap();
        let mut first = trainer(phases(), &[3.0, 0.7]).unwrap();
        for _ in 0..stop {
            first.iterate().unwrap();
        }
        checkpoint::save(&first, folder.path(), 1.5, 2).unwrap();
        let mut second = trainer(phases(), &[3.0, 0.7]).unwrap();
        let (found, refused) = checkpoint::newest(folder.path()).unwrap();
        assert!(refused.is_empty());
        found.unwrap().restore(&mut second).unwrap();
        assert_eq!(second.position(), first.position());
        run(&mut second);
        for level in [LevelName::Interpolant, LevelName::Velocity] {
            assert_eq!(numbers(&whole, level), numbers(&second, level), "{level:?} after a stop at {stop}");
        }
        assert_eq!(averages(&whole), averages(&second));
        assert!(averages(&whole)[0] != averages(&whole)[1], "two half-lives, one average");
    }
}

/// Also of the first step of a phase that starts a level over, and of the first of all.
#[test]
fn a_state_is_saved_by_another_thread_while_the_next_step_is_computed() {
    let velocity = |fresh| phase(2, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], fresh);
    let phases = || vec![velocity(vec![]), velocity(vec![LevelName::Velocity])];
    let mut whole = trainer(phases(), &[3.0]).unwrap();
    run(&mut whole);
    for stop in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let mut first = trainer(phases(), &[3.0]).unwrap();
        (0..stop).for_each(|_| first.iterate().unwrap());
        let place = first.position();
        let before = checkpoint::Snapshot::of(&first, 1.5).copied().unwrap();
        let (next, saved) = (sync_channel(0), folder.path().to_owned());
        let saving = thread::spawn(move || {
            next.1.recv().unwrap();
            before.save(&saved, 2)
        });
        first.iterate().unwrap();
        next.0.send(()).unwrap();
        let path = saving.join().unwrap().unwrap();
        let mut second = trainer(phases(), &[3.0]).unwrap();
        checkpoint::open(&path).unwrap().restore(&mut second).unwrap();
        assert_eq!(second.position(), place);
        run(&mut second);
        assert_eq!(numbers(&whole, LevelName::Velocity), numbers(&second, LevelName::Velocity), "after {stop}");
        assert_eq!(averages(&whole), averages(&second));
    }
}

#[test]
fn every_flipped_bit_and_every_cut_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let velocity = plan(LevelName::Velocity, FlowMatching, 1, 0.05);
    let trainer = trainer(vec![phase(3, vec![velocity], vec![])], &[3.0, 0.7]).unwrap();
    let path = checkpoint::save(&trainer, folder.path(), 0.0, 2).unwrap();
    checkpoint::open(&path).unwrap();
    let mut files: Vec<_> = std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    assert_eq!(files.len(), 8, "{files:?}");
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for at in (0..bytes.len()).step_by(13) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            std::fs::write(&file, &damaged).unwrap();
            let error = checkpoint::open(&path).expect_err(&format!("{name}, byte {at}"));
            let named = name == "SHA256SUMS" || error.to_string().contains(&name);
            assert!(named, "{name}, byte {at}: {error}");
            std::fs::write(&file, &bytes[..at]).unwrap();
            assert!(checkpoint::open(&path).is_err(), "{name} cut at {at}");
        }
        std::fs::write(&file, &bytes).unwrap();
        checkpoint::open(&path).unwrap();
    }
}

#[test]
fn a_checkpoint_of_another_model_says_which_tensor_differs() {
    let folder = tempfile::tempdir().unwrap();
    let phases = || vec![phase(3, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![])];
    let path = checkpoint::save(&trainer(phases(), &[]).unwrap(), folder.path(), 0.0, 2).unwrap();
    let mut other = trainer(phases(), &[]).unwrap();
    let mut parameters = Parameters::new(Seed(1), Kind::Float, Device::Cpu);
    for name in ["a", "b"] {
        let _ = parameters.root().tensor(name, &[3], Init::Constant(0.0)).unwrap();
    }
    other.system.levels[1] = Level::new(LevelName::Velocity, parameters, &[]).unwrap();
    let error = checkpoint::open(&path).unwrap().restore(&mut other).unwrap_err().to_string();
    assert_eq!(error, "tensor `a`: shape [2] in the file, [3] here");
}

/// Phases that were edited, before the place where a run stopped or of the phase that it stopped in.
#[test]
fn a_checkpoint_of_other_phases_is_refused_and_changes_nothing() {
    let with = |iterations: &[u64]| {
        let phases = iterations
            .iter()
            .map(|iterations| phase(*iterations, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![]));
        trainer(phases.collect(), &[]).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut first = with(&[6, 6]);
    let places: Vec<_> = (0..=12)
        .map(|step| {
            if step > 0 {
                first.iterate().unwrap();
            }
            checkpoint::open(&checkpoint::save(&first, folder.path(), 0.0, 20).unwrap()).unwrap()
        })
        .collect();
    let fits: [(&[u64], &[usize]); 6] = [
        (&[6, 6], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
        (&[6, 6, 1], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), // one more to go on with
        (&[6, 9], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),    // its last phase made longer
        (&[6, 3], &[0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (&[9, 6], &[0, 1, 2, 3, 4, 5]),
        (&[3, 6], &[0, 1, 2]),
    ];
    for (iterations, fit) in fits {
        for (step, place) in places.iter().enumerate() {
            let mut other = with(iterations);
            let before = numbers(&other, LevelName::Velocity);
            match place.restore(&mut other) {
                Ok(()) => assert!(fit.contains(&step), "step {step} was taken for one of {iterations:?}"),
                Err(OptimError::OtherPhases { position, .. }) => {
                    assert!(!fit.contains(&step) && position == place.state.position, "step {step} of {iterations:?}");
                    assert_eq!((other.position().step, numbers(&other, LevelName::Velocity)), (0, before));
                }
                Err(error) => panic!("step {step} of {iterations:?}: {error}"),
            }
        }
    }
}

/// Of the first version nothing was recorded.
#[test]
fn a_checkpoint_of_other_draws_is_refused_and_changes_nothing() {
    let with = || trainer(vec![phase(6, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![])], &[]).unwrap();
    let (folder, mut first, mut other) = (tempfile::tempdir().unwrap(), with(), with());
    first.iterate().unwrap();
    let mut place = checkpoint::open(&checkpoint::save(&first, folder.path(), 0.0, 1).unwrap()).unwrap();
    let mut record = serde_json::to_value(&place.state).unwrap();
    assert_eq!(record.as_object_mut().unwrap().remove("draws"), Some(strait_core::DRAWS_VERSION.into()));
    place.state = serde_json::from_value(record).unwrap();
    let before = numbers(&other, LevelName::Velocity);
    let error = place.restore(&mut other).unwrap_err().to_string();
    assert!(error.contains("random numbers of version 1") && error.contains("begin anew"), "{error}");
    assert_eq!((other.position().step, numbers(&other, LevelName::Velocity)), (0, before));
    place.state.draws = strait_core::DRAWS_VERSION;
    place.restore(&mut other).unwrap();
    assert_eq!(other.position().step, 1);
}

/// A run that had ended goes on where its last phase was made longer, and is refused where it was made shorter.
#[test]
fn the_refusal_of_other_phases_says_what_does_not_fit() {
    let phases = |iterations| vec![phase(iterations, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![])];
    let (folder, mut short) = (tempfile::tempdir().unwrap(), trainer(phases(3), &[]).unwrap());
    run(&mut short);
    let path = checkpoint::save(&short, folder.path(), 0.0, 2).unwrap();
    let mut longer = trainer(phases(5), &[]).unwrap();
    checkpoint::open(&path).unwrap().restore(&mut longer).unwrap();
    assert_eq!((longer.position().step, longer.position().phase, longer.position().iteration), (3, 0, 3));
    run(&mut longer);
    assert_eq!(longer.position().step, 5);
    let error = checkpoint::open(&path).unwrap().restore(&mut trainer(phases(2), &[]).unwrap()).unwrap_err();
    let wanted =
        format!("checkpoint {}: it is of another list of phases (3 iterations, 0 of them in phase 1)", path.display());
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn only_the_newest_checkpoints_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let phases = vec![phase(9, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![])];
    let mut trainer = trainer(phases, &[]).unwrap();
    while trainer.phase().is_some() {
        trainer.iterate().unwrap();
        checkpoint::save(&trainer, folder.path(), 0.0, 3).unwrap();
    }
    let names: Vec<_> = checkpoint::list(folder.path()).unwrap();
    let names: Vec<_> = names.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["step-9", "step-8", "step-7"]);
}

/// After a return to an older step, those of the steps that were left behind do not count, and are nobody's to remove.
#[test]
fn what_was_just_written_stays_and_so_does_what_is_of_later_steps() {
    let folder = tempfile::tempdir().unwrap();
    let phases = vec![phase(9, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![])];
    let mut trainer = trainer(phases, &[]).unwrap();
    let steps = || {
        let found = checkpoint::list(folder.path()).unwrap();
        found.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    for _ in 0..4 {
        trainer.iterate().unwrap();
        checkpoint::save(&trainer, folder.path(), 0.0, 3).unwrap();
    }
    checkpoint::open(&folder.path().join("step-2")).unwrap().restore(&mut trainer).unwrap();
    let written = checkpoint::save(&trainer, folder.path(), 0.0, 2).unwrap();
    checkpoint::open(&written).unwrap();
    assert_eq!(steps(), ["step-4", "step-3", "step-2"]);
    for left in [&["step-4", "step-3", "step-2"] as &[&str], &["step-4", "step-3"]] {
        trainer.iterate().unwrap();
        checkpoint::save(&trainer, folder.path(), 0.0, 2).unwrap();
        assert_eq!(steps(), left);
    }
}

/// The seal of a checkpoint's files, anew after an edit.
fn seal(path: &std::path::Path) {
    let sums = std::fs::read_to_string(path.join("SHA256SUMS")).unwrap();
    let line = |line: &str| {
        let name = line.split_once("  ").unwrap().1;
        format!("{}  {name}\n", strait_io::sha256(&path.join(name)).unwrap())
    };
    std::fs::write(path.join("SHA256SUMS"), sums.lines().map(line).collect::<String>()).unwrap();
}

#[test]
fn what_is_not_finite_is_not_saved_and_does_not_hide_the_checkpoint_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let phases = vec![phase(9, vec![plan(LevelName::Velocity, FlowMatching, 1, 0.05)], vec![])];
    let mut trainer = trainer(phases, &[3.0]).unwrap();
    let good = checkpoint::save(&trainer, folder.path(), 0.0, 2).unwrap();
    trainer.iterate().unwrap();
    let parameter = trainer.system.level(LevelName::Velocity).unwrap().parameters.tensors()[0].detach();
    let value = parameter.copy();
    for bad in [f64::NAN, f64::INFINITY] {
        let _ = tch::no_grad(|| parameter.get(0).fill_(bad));
        let error = checkpoint::save(&trainer, folder.path(), 0.0, 2).unwrap_err().to_string();
        assert!(error.contains("`a` in velocity.safetensors is not finite"), "{error}");
        assert_eq!(checkpoint::list(folder.path()).unwrap(), std::slice::from_ref(&good));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "nothing is left of it");
    }
    // One that an earlier program wrote is passed over.
    tch::no_grad(|| parameter.shallow_clone().copy_(&value));
    let newer = checkpoint::save(&trainer, folder.path(), 0.0, 2).unwrap();
    let file = newer.join("velocity.safetensors");
    let mut tensors = checkpoint::read_tensors(&file).unwrap();
    tensors[0].1 = &tensors[0].1 * f64::NAN;
    strait_io::tensors::write(&file, &tensors).unwrap();
    seal(&newer);
    checkpoint::open(&newer).unwrap();
    let (found, refused) = checkpoint::newest(folder.path()).unwrap();
    assert_eq!((found.unwrap().path, refused.len()), (good, 1));
    assert!(refused[0].error.to_string().contains("is not finite"), "{}", refused[0].error);
}
