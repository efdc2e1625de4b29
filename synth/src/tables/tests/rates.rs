//! How many opted out, and of how many practices the records may not be used.

use crate::dice::Dice;
use crate::life::Life;
use crate::records::{Subject, opt_outs};
use crate::world::World;
use crate::{Population, Table};

#[test]
fn one_in_twenty_has_each_kind_of_opt_out() {
    let count = 100_000;
    let all: Vec<_> =
        (1..=count).map(|patient| opt_outs::draw(&mut Dice::new(3, patient, Subject::OptOuts as u64))).collect();
    let share = |holds: &dyn Fn(&opt_outs::OptOuts) -> bool| {
        all.iter().filter(|opt_outs| holds(opt_outs)).count() as f64 / count as f64
    };
    for (what, got, least, most) in [
        ("type 1", share(&|opt_outs| opt_outs.type_one), 0.047, 0.053),
        ("national", share(&|opt_outs| opt_outs.national), 0.047, 0.053),
        ("both", share(&|opt_outs| opt_outs.type_one && opt_outs.national), 0.013, 0.017),
    ] {
        assert!((least..=most).contains(&got), "{what}: {got}");
    }
}

#[test]
fn some_practices_do_not_take_part() {
    for (patients, practices, switched_off, never_activated) in
        [(1, 50, 1, 1), (400_000, 50, 1, 1), (8_000_000, 1_000, 20, 10), (57_000_000, 6_500, 130, 65)]
    {
        let world = World::new(&Population { patients, ..Population::default() });
        assert_eq!(world.practices.len(), practices);
        let off = world.practices.iter().filter(|practice| practice.switched_off.is_some()).count();
        let never = world.practices.iter().filter(|practice| practice.activated.is_none()).count();
        let part = world.practices.iter().filter(|practice| practice.takes_part()).count();
        assert_eq!((off, never, part), (switched_off, never_activated, practices - off - never), "{patients}");
    }
}

#[test]
fn few_patients_are_only_at_practices_that_do_not_take_part() {
    let world = World::new(&Population { patients: 20_000, ..Population::default() });
    let takes_part =
        |life: &Life| life.registrations.iter().any(|registration| world.practices[registration.practice].takes_part());
    let lives: Vec<Life> = (1..=20_000).map(|patient| Life::draw(&world, patient)).collect();
    assert!(lives.iter().all(|life| !life.registrations.is_empty()), "everybody was registered once");
    let hidden = lives.iter().filter(|life| !takes_part(life)).count();
    assert!((50..2_000).contains(&hidden), "{hidden}");
}

#[test]
fn registers_are_not_among_the_tables() {
    for register in Table::REGISTERS {
        assert!(register.name().starts_with("registers/"), "{register:?}");
        assert!(!Table::ALL.contains(&register), "{register:?}");
    }
}
