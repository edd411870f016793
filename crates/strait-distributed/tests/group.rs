//! Groups of processes: this test program starts itself again as each rank of a group, with the name of the case to
//! run.
#![cfg(feature = "gloo")]

use crate::common::{Rank, port, start, start_all};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};
use strait_core::Synchronize;
use strait_distributed::{Group, Place};
use tch::{Kind, Tensor};

/// Not a test by itself: what each process of a group does.
#[test]
#[ignore = "started by the others"]
fn a_rank_plays_its_part() {
    let Ok(part) = std::env::var("STRAIT_TEST_PART") else { return };
    let words = play(&part).unwrap_or_else(|error| error.to_string());
    println!("said: {words}");
}

fn play(part: &str) -> Result<String, Box<dyn std::error::Error>> {
    let group = Group::join(Place::of_environment()?.expect("a group"))?;
    let (rank, world) = (group.rank(), group.world());
    let own = || Tensor::from_slice(&[rank as f64, 1.0 / 3.0 + rank as f64]);
    match part {
        "operations" => {
            let x = own();
            Group::sum(&group, &x)?;
            let total: f64 = (0..world).map(|rank| rank as f64).sum();
            assert_eq!(x.double_value(&[0]), total);
            let x = own().to_kind(Kind::Float);
            group.average(&x)?;
            assert_eq!(x.double_value(&[0]) as f32, (total / world as f64) as f32);
            let x = own();
            group.broadcast(&x, world - 1)?;
            assert_eq!(x.double_value(&[0]), (world - 1) as f64);
            let all = group.all_gather(&own())?;
            assert!(all.iter().enumerate().all(|(rank, x)| x.double_value(&[0]) == rank as f64));
            assert_eq!(group.gather(&own(), 1)?.len(), if rank == 1 { world } else { 0 });
            group.barrier()?;
            // Many shapes, kinds and layouts in one reduction; the same bits on all ranks.
            let draw = |seed: i64| {
                tch::manual_seed(seed);
                Tensor::randn([301, 7], (Kind::Double, tch::Device::Cpu))
            };
            let tensors = vec![draw(rank as i64).tr(), own(), own().to_kind(Kind::Float), Tensor::from(rank as f64)];
            let means = group.mean(tensors)?;
            let mut expected = draw(0);
            (1..world).for_each(|rank| expected += draw(rank as i64));
            assert_eq!(means[0].size(), [7, 301]);
            let off = (&means[0].tr() - expected / world as f64).abs().max().double_value(&[]);
            assert!(off < 1e-14, "{off}");
            assert_eq!((means[2].kind(), means[3].size()), (Kind::Float, vec![]));
            let bits = group.all_gather(&means[0])?;
            assert!(bits.iter().all(|other| *other == means[0]));
            assert_eq!(Synchronize::sum(&group, &[1.0, rank as f64])?, [world as f64, total]);
            let x = [own(), own().to_kind(Kind::Int64)];
            group.spread(&x)?;
            assert_eq!((x[0].double_value(&[0]), x[1].int64_value(&[0])), (0.0, 0));
            group.check_same("number", [7; 32])?;
            group.check_same("config", [if rank == 1 { 1 } else { 0 }; 32])?;
        }
        "work" => {
            Group::sum(&group, &own())?;
            println!("at work");
            loop {
                Group::sum(&group, &own())?;
                thread::sleep(Duration::from_millis(5));
            }
        }
        "leave" => {
            Group::sum(&group, &own())?;
            if rank == 1 {
                group.leave("no space is left");
                return Ok("left".into());
            }
            Group::sum(&group, &own())?;
        }
        // The others are at work when rank 1 leaves, for longer than it waits to be asked.
        "leave early" => {
            if rank == 1 {
                group.leave("there is no such file");
                return Ok("left".into());
            }
            thread::sleep(Duration::from_secs(6));
            Group::sum(&group, &own())?;
        }
        // Rank 1 works longer than the deadline, and then dies, or comes.
        "meet late" | "meet dying" => {
            let numbers: Vec<u64> = (0..3).map(|_| group.take("number")).collect::<Result<_, _>>()?;
            println!("at work");
            if rank == 1 {
                thread::sleep(Duration::from_secs(5));
                if part == "meet dying" {
                    std::process::abort();
                }
            }
            group.meet()?;
            let numbers =
                group.all_gather(&Tensor::from_slice(&numbers.iter().map(|&n| n as i64).collect::<Vec<_>>()))?;
            let mut numbers = Vec::<i64>::try_from(Tensor::cat(&numbers, 0))?;
            numbers.sort_unstable();
            assert_eq!(numbers, (0..3 * world as i64).collect::<Vec<_>>());
        }
        "dawdle" => {
            if rank == 1 {
                thread::sleep(Duration::from_secs(6));
            }
            Group::sum(&group, &own())?;
        }
        _ => {}
    }
    Ok("done".into())
}

#[test]
fn two_and_three_ranks_reduce_gather_and_agree() {
    for world in [2, 3] {
        for rank in start_all("group", "operations", world, "20") {
            assert_eq!(rank.said(), "rank 1 has another config than rank 0");
        }
    }
}

fn working(world: usize, deadline: &str) -> Vec<Rank> {
    start_all("group", "work", world, deadline).into_iter().map(Rank::at_work).collect()
}

#[test]
fn a_rank_that_is_killed_is_named_by_all_others_at_once() {
    let mut ranks = working(3, "60");
    let begun = Instant::now();
    let killed = ranks.remove(2);
    killed.signal("KILL");
    for rank in ranks {
        let words = rank.said();
        assert!(words.starts_with("rank 2 has ended without a word"), "{words}");
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    killed.said();
}

#[test]
fn a_rank_that_is_stopped_is_named_when_the_deadline_is_over() {
    let mut ranks = working(3, "4");
    let stopped = ranks.remove(0);
    stopped.signal("STOP");
    let begun = Instant::now();
    for rank in ranks {
        let words = rank.said();
        assert!(words.starts_with("rank 0 does not answer"), "{words}");
    }
    assert!((3..20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    stopped.signal("CONT");
    let words = stopped.said();
    assert!(words.contains("rank 1") || words.contains("rank 2"), "{words}");
}

#[test]
fn a_rank_that_leaves_says_why_to_all_others() {
    for (number, rank) in start_all("group", "leave", 3, "20").into_iter().enumerate() {
        let expected = if number == 1 { "left" } else { "rank 1 left: no space is left (all-reduce 2, deadline 20 s)" };
        assert_eq!(rank.said(), expected);
    }
}

#[test]
fn why_a_rank_left_is_known_also_when_it_has_ended() {
    for (number, rank) in start_all("group", "leave early", 3, "20").into_iter().enumerate() {
        let expected =
            if number == 1 { "left" } else { "rank 1 left: there is no such file (all-reduce 1, deadline 20 s)" };
        assert_eq!(rank.said(), expected);
    }
}

#[test]
fn a_rank_that_works_too_long_is_named_by_all_and_by_itself() {
    for rank in start_all("group", "dawdle", 2, "4") {
        let words = rank.said();
        assert!(words.starts_with("rank 1 works and has not come (all-reduce 1, deadline 4 s)"), "{words}");
    }
}

#[test]
fn ranks_wait_for_one_that_works_long_and_not_for_one_that_died() {
    for rank in start_all("group", "meet late", 3, "2") {
        assert_eq!(rank.said(), "done");
    }
    let mut dying = start_all("group", "meet dying", 3, "2");
    dying.remove(1).lines();
    for rank in dying {
        let words = rank.said();
        assert!(words.starts_with("rank 1 has ended without a word (meeting 1"), "{words}");
    }
    let mut ranks: Vec<Rank> = start_all("group", "meet late", 3, "2").into_iter().map(Rank::at_work).collect();
    let stopped = ranks.remove(1);
    stopped.signal("STOP");
    for rank in ranks {
        let words = rank.said();
        assert!(words.starts_with("rank 1 does not answer"), "{words}");
    }
    stopped.signal("KILL");
    stopped.lines();
}

#[test]
fn groups_that_cannot_meet_say_who_is_missing() {
    // One of two, and the other way round: nobody holds the store.
    let words = start("group", "meet", (0, 2), port(), "1").said();
    assert!(words.starts_with("rank 1 did not come to 127.0.0.1:"), "{words}");
    let words = start("group", "meet", (1, 2), port(), "1").said();
    assert!(words.starts_with("no group at 127.0.0.1:"), "{words}");
    // A port that something else listens at.
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let words = start("group", "meet", (0, 1), taken.local_addr().unwrap().port(), "1").said();
    assert!(words.contains("the port is in use"), "{words}");
    // Another world on one of them.
    let port = crate::common::port();
    let ranks = [start("group", "meet", (0, 2), port, "20"), start("group", "meet", (1, 3), port, "20")];
    for words in ranks.map(Rank::said) {
        assert!(words.starts_with("WORLD_SIZE is "), "{words}");
    }
}

#[test]
fn two_processes_of_one_rank_are_not_one_group() {
    let port = port();
    let first =
        [start("group", "work", (0, 2), port, "20"), start("group", "work", (1, 2), port, "20")].map(Rank::at_work);
    let words = start("group", "meet", (1, 2), port, "20").said();
    assert!(words.contains("as rank 1: two jobs on one port?"), "{words}");
    for rank in &first {
        rank.signal("KILL");
    }
    assert!(first.map(Rank::said).iter().all(|words| !words.contains("said")));
}
