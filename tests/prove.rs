//! Explores the refresh rule with a model checker: every order of the steps of two nodes, two tabs and a thief, with lost
//! messages, crashes and clocks that step. `make prove` explores it in full and prints what it saw; `make test` uses smaller
//! bounds.

#![expect(clippy::print_stdout, reason = "people read the measurements")]
#![expect(clippy::similar_names, reason = "a state and the stage of a refresh have no better names")]

#[path = "prove/model.rs"]
mod model;

use std::time::Instant;

use model::{ENDED_STAYS_ENDED, Mutant, NOBODY_HONEST_IS_SIGNED_OUT, ONE_STAYS, World};
use stateright::{Checker, HasDiscoveries, Model};

fn in_full() -> bool {
    std::env::var_os("PROVE").is_some_and(|extent| extent == "full")
}

fn explore(name: &str, world: World) {
    let began = Instant::now();
    let checker = world.checker().threads(2).spawn_bfs().join();
    println!(
        "{name}: {} states, {} distinct, depth {}, {:.1} s",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        began.elapsed().as_secs_f64()
    );
    checker.assert_properties();
}

const SMALL: World = World {
    mutant: None,
    skew: 0,
    rotations: 1,
    horizon: 6,
    sign_out: false,
    thief: true,
};

#[test]
fn the_rule_signs_out_no_honest_owner_and_never_keeps_both_thief_and_owner() {
    if !in_full() {
        return explore("one rotation", SMALL);
    }
    let sign_out = World { sign_out: true, ..SMALL };
    explore("one rotation, the owner may sign out", sign_out);
    let two_rotations = World {
        rotations: 2,
        horizon: 8,
        ..SMALL
    };
    explore("two rotations", two_rotations);
    let clocks_step = World { skew: 1, ..SMALL };
    explore("one rotation, clocks step forward and back", clocks_step);
    let no_thief = World {
        skew: 1,
        rotations: 3,
        horizon: 17,
        thief: false,
        ..SMALL
    };
    explore("three rotations, clocks step forward and back, no thief", no_thief);
}

#[test]
fn each_of_six_faults_in_the_rule_has_a_counter_example() {
    let with_thief = |mutant| World {
        mutant: Some(mutant),
        ..SMALL
    };
    let without_thief = |mutant| World {
        thief: false,
        sign_out: true,
        ..with_thief(mutant)
    };
    let faults = [
        (without_thief(Mutant::NoGrace), NOBODY_HONEST_IS_SIGNED_OUT),
        (with_thief(Mutant::NoCounterCheck), ONE_STAYS),
        (without_thief(Mutant::UpdateByIdOnly), NOBODY_HONEST_IS_SIGNED_OUT),
        (with_thief(Mutant::UsedMarkLostInCrash), ONE_STAYS),
        (without_thief(Mutant::EndedIgnored), ENDED_STAYS_ENDED),
        (with_thief(Mutant::ReuseRolledBack), ONE_STAYS),
    ];
    for (world, property) in faults {
        let (mutant, began) = (world.mutant.expect("a fault"), Instant::now());
        let found = HasDiscoveries::AnyOf([property].into());
        let checker = world.checker().threads(2).finish_when(found).spawn_bfs().join();
        let path = checker.discovery(property).expect("a counter-example");
        println!(
            "{mutant:?}: not \"{property}\" after {:?} ({} distinct states, {:.1} s)",
            path.into_actions(),
            checker.unique_state_count(),
            began.elapsed().as_secs_f64()
        );
    }
}
