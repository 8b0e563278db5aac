//! A bit of a data directory is not as it was written: in the journal, its archive, a checkpoint, the identity, the history. Either the
//! directory is refused, or whoever reads what it concerns is told, or it does no harm: every answer is as it was.
//!
//! `TPLUS_BITS` says how many bits, one at a time; `TPLUS_SEED` which.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may stop at once"
)]

#[path = "simulation/dice.rs"]
mod dice;
mod kept;

use std::{
    fmt::Debug,
    fs,
    path::{Path, PathBuf},
};

use dice::Dice;
use kept::{MERCHANTS, World, admitted, copy, golden};
use tonic::{Response, Status};
use tplus::{
    journal::inspect,
    proto::{
        orders::order_service_server::OrderService as _,
        v1::{self, margin_service_server::MarginService as _},
    },
};

/// All that can be read, a line for each answer, and how many answers there were none of because the damage was noticed.
fn account(world: &World) -> (Vec<String>, usize) {
    let (mut lines, mut noticed) = (Vec::new(), 0);
    for merchant in MERCHANTS {
        let mut read = Reading { world, lines: &mut lines, noticed: &mut noticed };
        let margin = v1::GetMarginRequest { merchant_id: merchant.into(), as_of: None };
        read.one(world.services.get_margin(admitted(margin)));
        let entries =
            v1::ListMarginEntriesRequest { merchant_id: merchant.into(), page_size: 1_000, ..Default::default() };
        read.one(world.services.list_margin_entries(admitted(entries)));
        let orders = v1::ListOrdersRequest { merchant_id: merchant.into(), page_size: 1_000, ..Default::default() };
        read.one(world.services.list_orders(admitted(orders)));
        for series in ["first", "second", "third"] {
            for number in [0, 3, 24] {
                let order =
                    v1::GetOrderRequest { merchant_id: merchant.into(), order_id: format!("{series}-{number}") };
                read.one(world.services.get_order(admitted(order)));
            }
        }
    }
    (lines, noticed)
}

struct Reading<'a> {
    world: &'a World,
    lines: &'a mut Vec<String>,
    noticed: &'a mut usize,
}

impl Reading<'_> {
    fn one<T: Debug>(&mut self, call: impl Future<Output = Result<Response<T>, Status>>) {
        match self.world.ask(call) {
            Ok(answer) => self.lines.push(format!("{answer:?}")),
            Err(status) => {
                assert!(status.message().contains("history"), "another refusal than for damage: {status}");
                self.lines.push("noticed".into());
                *self.noticed += 1;
            }
        }
    }
}

/// All files in which there is something.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else if entry.metadata().unwrap().len() > 0 {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// A directory that is as a clean stop leaves it, history and all.
fn whole(place: &Path) -> (PathBuf, Vec<String>) {
    let data = place.join("whole");
    copy(&golden().join("journal-1/data"), &data);
    let world = World::open(&data).unwrap();
    let (lines, noticed) = account(&world);
    assert_eq!(noticed, 0);
    world.engine.close().unwrap();
    (data, lines)
}

#[derive(Debug, Default)]
struct Counts {
    refused: usize,
    noticed: usize,
    harmless: usize,
}

#[test]
fn a_bit_that_is_not_as_it_was_written_is_noticed_or_does_no_harm() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("TPLUS_SEED").unwrap_or(0);
    let mut dice = Dice::new(seed);
    let place = tempfile::tempdir().unwrap();
    let (whole, lines) = whole(place.path());
    let files = files(&whole);
    let mut counts = Counts::default();
    for _ in 0..number("TPLUS_BITS").unwrap_or(60) {
        // Every file as often as the others, however short it is, and of a file rather what is there than what is empty.
        let file = &files[dice.below(files.len() as u64) as usize];
        let mut bytes = fs::read(file).unwrap();
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(bytes.len(), |last| last + 1);
        let within = if dice.one_in(8) { bytes.len() } else { written };
        let at = dice.below(within as u64) as usize;
        let bit = dice.below(8);
        bytes[at] ^= 1 << bit;
        let name = file.strip_prefix(&whole).unwrap();
        let told = format!("TPLUS_SEED={seed}: bit {bit} of byte {at} of {}", name.display());
        let damaged = place.path().join("damaged");
        copy(&whole, &damaged);
        fs::write(damaged.join(name), bytes).unwrap();
        // What can be made anew, or was never anything, is not looked at.
        let to_be_kept = !name.starts_with("history") && !name.ends_with("spare");
        let verified = inspect::verify(&damaged).is_ok_and(|report| report.torn.is_none());
        assert!(!to_be_kept || !verified, "{told}: `journal verify` finds nothing");
        match World::open(&damaged) {
            Err(_) => counts.refused += 1,
            Ok(world) => {
                let (now, noticed) = account(&world);
                for (line, then) in now.iter().zip(&lines) {
                    assert!(line == "noticed" || line == then, "{told}:\n{line}\nwas\n{then}");
                }
                drop(world.engine.close());
                *if noticed > 0 { &mut counts.noticed } else { &mut counts.harmless } += 1;
            }
        }
        fs::remove_dir_all(&damaged).unwrap();
    }
    println!("{counts:?}, in {} files", files.len());
    assert!(counts.refused > 0 && counts.harmless > 0, "{counts:?}");
}
