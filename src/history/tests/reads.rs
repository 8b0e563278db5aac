//! Every read against a plain list.

use std::collections::BTreeMap;

use super::{
    super::{Clock, DaySums, Entry, Kind, Order, Position, ReleaseEnd, Sums, Wanted},
    KEY, filled, journal_of,
    world::{Dice, HOUR, NOON, Noted, World},
};
use crate::{
    codec::Fingerprint,
    domain::{Cycle, Day, Fact, Key, Merchant, MerchantId, Money, Standing, Timestamp},
    history::Reader,
    journal::Lsn,
};

/// A world and a reader of its history.
struct Read {
    world: World,
    reader: Reader,
    _dir: tempfile::TempDir,
}

fn read(seed: u64, steps: usize) -> Read {
    let world = World::after(seed, steps);
    let dir = tempfile::tempdir().unwrap();
    let history = filled(dir.path(), &journal_of(&world));
    Read { reader: history.reader(), world, _dir: dir }
}

fn merchants(world: &World) -> Vec<MerchantId> {
    world.merchants.keys().cloned().collect()
}

fn in_order<T>(mut items: Vec<T>, order: Order) -> Vec<T> {
    if order == Order::NewestFirst {
        items.reverse();
    }
    items
}

/// An instant around those at which things happen.
fn instant(world: &World, dice: &mut Dice) -> Timestamp {
    match dice.below(4) {
        0 => NOON.before(HOUR),
        1 => world.notes[dice.below(world.notes.len() as u64) as usize].entry.event.effective_at,
        _ => Timestamp::from_micros(NOON.micros() + (dice.below((world.now.micros() - NOON.micros()) as u64)) as i64),
    }
}

const ORDERS: [Order; 2] = [Order::OldestFirst, Order::NewestFirst];

#[test]
fn the_world_is_large_enough_to_mean_something() {
    let world = World::after(3, 4_000);
    for kind in Kind::ALL {
        let count = world.notes.iter().filter(|noted| noted.entry.kind() == *kind).count();
        assert!(count > 0, "{kind:?} never happens");
    }
    assert!(world.policies.len() > 2 && world.notes.len() > 3_000);
}

#[test]
fn entries_are_what_was_recorded_and_conserve_money() {
    let Read { world, reader, _dir } = read(3, 2_000);
    assert_eq!(reader.applied(), world.last());
    for id in merchants(&world) {
        let mut merchant = Merchant::default();
        for noted in world.notes_of(&id) {
            let entry = reader.entry(&id, noted.entry.number).unwrap().unwrap();
            assert_eq!(entry, noted.entry);
            merchant.apply(&entry.event);
            assert_eq!(merchant.check(), Ok(()));
        }
        assert_eq!(reader.entry(&id, merchant.facts() + 1).unwrap(), None);
        assert_eq!(reader.entry(&id, 0).unwrap(), None);
        let mut facts = vec![];
        reader
            .facts(&id, &mut |entry: &Entry| {
                facts.push(entry.clone());
                true
            })
            .unwrap();
        assert_eq!(facts, world.notes_of(&id).map(|noted| noted.entry.clone()).collect::<Vec<_>>());
    }
    assert_eq!(reader.merchants(None, 3).unwrap(), merchants(&world)[..3]);
    assert_eq!(reader.merchants(Some(&merchants(&world)[2]), 99).unwrap(), merchants(&world)[3..]);
}

#[test]
fn nobody_has_nothing() {
    let Read { reader, _dir, .. } = read(3, 50);
    let nobody = MerchantId::parse("nobody").unwrap();
    assert_eq!(reader.entry(&nobody, 1).unwrap(), None);
    assert_eq!(reader.entries(&nobody, &[], None, None, Order::OldestFirst, None, 9).unwrap(), []);
    assert_eq!(reader.as_of(&nobody, Clock::Recorded, Timestamp::MAX).unwrap(), None);
    assert_eq!(reader.quick_settled(Day(0), Some(&nobody)).unwrap(), []);
    assert_eq!(reader.later(&nobody, 1, 9).unwrap(), (vec![], 0));
}

#[test]
fn entries_are_listed_by_kind_and_time_in_pages() {
    let Read { world, reader, _dir } = read(5, 1_500);
    let mut dice = Dice(99);
    for round in 0..400 {
        let id = merchants(&world)[dice.below(6) as usize].clone();
        let kinds: Vec<Kind> = match dice.below(3) {
            0 => vec![],
            1 => vec![Kind::OrderClassified, Kind::MarginPaid],
            _ => vec![Kind::ProfitSettled, Kind::OrderReversed, Kind::HoldPlaced],
        };
        let from = (dice.below(2) == 0).then(|| instant(&world, &mut dice));
        let to = (dice.below(2) == 0).then(|| instant(&world, &mut dice));
        let order = ORDERS[round % 2];
        let wanted = |noted: &&Noted| {
            let at = noted.entry.event.effective_at;
            (kinds.is_empty() || kinds.contains(&noted.entry.kind()))
                && from.is_none_or(|from| from <= at)
                && to.is_none_or(|to| at < to)
        };
        let expected: Vec<_> = world.notes_of(&id).filter(wanted).map(|noted| noted.entry.clone()).collect();
        let expected = in_order(expected, order);
        let (mut listed, mut after) = (vec![], None);
        loop {
            let page = reader.entries(&id, &kinds, from, to, order, after, 7).unwrap();
            assert!(page.len() <= 7);
            let Some(last) = page.last() else { break };
            after = Some(last.number);
            listed.extend(page);
        }
        assert_eq!(listed, expected);
    }
}

/// What became of a fact, as the world knows it.
fn standing(world: &World, entry: &Entry) -> Standing {
    let fact = &entry.event.fact;
    let key = if entry.kind() == Kind::AppealOpened { fact.subject() } else { fact.key() };
    let known = key.and_then(|key| world.known.get(&Fingerprint::of(KEY, &entry.merchant, key)));
    known.map_or(Standing::Unchanged, |known| known.standing)
}

#[test]
fn what_was_asked_for_is_found_with_what_became_of_it() {
    let Read { world, reader, _dir } = read(7, 2_000);
    for noted in &world.notes {
        let (id, entry) = (&noted.entry.merchant, &noted.entry);
        let found = match entry.event.fact.key() {
            Some(Key::Order(order)) => reader.order(id, order).unwrap(),
            Some(Key::Request(request)) => reader.request(id, request).unwrap(),
            None => continue,
        };
        let found = found.unwrap();
        assert_eq!((&found.entry, found.standing), (entry, standing(&world, entry)));
        let about =
            |later: &&Noted| later.entry.event.fact.subject().is_some_and(|key| Some(key) == entry.event.fact.key());
        let later: Vec<_> = world.notes_of(id).filter(about).map(|noted| noted.entry.clone()).collect();
        let count = later.len() as u64;
        assert_eq!(reader.later(id, entry.number, 3).unwrap(), (later.into_iter().take(3).collect(), count));
    }
}

#[test]
fn orders_are_listed_by_settlement_date_and_others_by_kind() {
    let Read { world, reader, _dir } = read(9, 1_500);
    let mut dice = Dice(5);
    for round in 0..200 {
        let id = merchants(&world)[dice.below(6) as usize].clone();
        let (from, to) = (instant(&world, &mut dice), instant(&world, &mut dice).after(48 * HOUR));
        let order = ORDERS[round % 2];
        let mut expected: Vec<_> = world
            .notes_of(&id)
            .filter_map(|noted| Some((noted.entry.event.fact.order()?.settles_at, noted.entry.number)))
            .filter(|(at, _)| from <= *at && *at < to)
            .collect();
        expected.sort_unstable();
        let expected = in_order(expected, order);
        let (mut listed, mut after) = (vec![], None);
        loop {
            let page = reader.orders(&id, Some(from), Some(to), order, after, 5).unwrap();
            let Some(last) = page.last() else { break };
            after = Some((last.entry.event.fact.order().unwrap().settles_at, last.entry.number));
            assert!(page.iter().all(|found| found.standing == standing(&world, &found.entry)));
            listed.extend(
                page.iter().map(|found| (found.entry.event.fact.order().unwrap().settles_at, found.entry.number)),
            );
        }
        assert_eq!(listed, expected);
        let kind = [Kind::MarginDeducted, Kind::AppealOpened, Kind::HoldPlaced][round % 3];
        let expected = world.notes_of(&id).filter(|noted| noted.entry.kind() == kind).map(|noted| noted.entry.number);
        let (expected, mut listed, mut after) = (in_order(expected.collect(), order), vec![], None);
        loop {
            let page = reader.of_kind(&id, kind, order, after, 2).unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.entry.number);
            assert!(page.iter().all(|found| found.standing == standing(&world, &found.entry)));
            listed.extend(page.iter().map(|found| found.entry.number));
        }
        assert_eq!(listed, expected);
    }
}

#[test]
fn settlements_are_listed_by_when_they_were_due() {
    let Read { world, reader, _dir } = read(11, 1_500);
    let mut dice = Dice(8);
    for _ in 0..100 {
        let id = merchants(&world)[dice.below(6) as usize].clone();
        let (from, to) = (instant(&world, &mut dice), instant(&world, &mut dice));
        let due = |noted: &&Noted| matches!(&noted.entry.event.fact, Fact::ProfitSettled(fact) if from <= fact.settles_at && fact.settles_at < to);
        let mut expected: Vec<_> = world.notes_of(&id).filter(due).map(|noted| noted.entry.number).collect();
        let mut listed: Vec<_> = reader.settled(&id, from, to).unwrap().iter().map(|entry| entry.number).collect();
        expected.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, expected);
    }
}

#[test]
fn any_instant_of_the_past_is_what_its_facts_make_of_it() {
    let Read { world, reader, _dir } = read(13, 3_000);
    assert!(merchants(&world).iter().any(|id| world.notes_of(id).count() > 200), "snapshots are used");
    let mut dice = Dice(21);
    for round in 0..600 {
        let id = merchants(&world)[dice.below(merchants(&world).len() as u64) as usize].clone();
        let at = instant(&world, &mut dice);
        let clock = [Clock::Effective, Clock::Recorded][round % 2];
        let by_then = |noted: &&Noted| match clock {
            Clock::Effective => noted.entry.event.effective_at <= at,
            Clock::Recorded => noted.entry.recorded_at <= at,
        };
        let expected = world.notes_of(&id).rfind(by_then).map(|noted| noted.after.clone());
        assert_eq!(reader.as_of(&id, clock, at).unwrap(), expected);
    }
}

#[test]
fn releases_are_known_with_what_became_of_them() {
    let Read { world, reader, _dir } = read(15, 3_000);
    let mut ends = [0, 0, 0];
    for id in merchants(&world) {
        let rows = reader.releases(&id, Order::OldestFirst, None, usize::MAX).unwrap();
        let newest = reader.releases(&id, Order::NewestFirst, Some(rows.len() as u64), usize::MAX).unwrap();
        let last_but_one = rows.iter().rev().skip(1).cloned().collect::<Vec<_>>();
        assert_eq!(newest, last_but_one);
        let merchant = &world.merchants[&id];
        assert_eq!(rows.len() as u64, merchant.releases_ever);
        for (number, row) in (1..).zip(&rows) {
            assert_eq!((row.number, reader.release(&id, number).unwrap().as_ref()), (number, Some(row)));
            // Through all states: what it was at first, what is left of it, and how it ended.
            let of = |merchant: &Merchant| merchant.releases().iter().find(|release| release.number == number).cloned();
            let seen: Vec<_> = world.notes_of(&id).filter_map(|noted| Some((noted, of(&noted.after)?))).collect();
            let (created, first) = seen.first().unwrap();
            assert_eq!(
                (row.original, row.created_by, row.created_at),
                (first.amount, created.entry.number, first.created_at)
            );
            assert_eq!(row.due_at, first.due_at);
            let (last_seen, last) = seen.last().unwrap();
            let ended = world.notes_of(&id).find(|noted| noted.entry.number > last_seen.entry.number);
            let expected = ended.map(|noted| {
                let at = noted.entry.event.effective_at;
                if noted.entry.kind() == Kind::ReleaseCompleted {
                    ReleaseEnd::Completed(at)
                } else {
                    ReleaseEnd::Taken(at)
                }
            });
            assert_eq!(row.end, expected);
            let taken = matches!(row.end, Some(ReleaseEnd::Taken(_)));
            assert_eq!(row.left, if taken { Money::ZERO } else { last.amount });
            ends[match row.end {
                None => 0,
                Some(ReleaseEnd::Completed(_)) => 1,
                Some(ReleaseEnd::Taken(_)) => 2,
            }] += 1;
        }
    }
    assert!(ends[1] > 0 && ends[2] > 0, "{ends:?}");
}

#[test]
fn days_add_up() {
    let Read { world, reader, _dir } = read(17, 2_500);
    let (first, last) = (world.timeline.day_of(NOON), world.timeline.day_of(world.now));
    for clock in [Clock::Effective, Clock::Recorded] {
        let day_of = |noted: &Noted| match clock {
            Clock::Effective => world.timeline.day_of(noted.entry.event.effective_at),
            Clock::Recorded => world.timeline.day_of(noted.entry.recorded_at),
        };
        let until = |day: Day| {
            let mut sums = Sums::default();
            for id in merchants(&world) {
                if let Some(noted) = world.notes_of(&id).rfind(|noted| day_of(noted) <= day) {
                    sums.add(&Sums::of(&noted.after));
                }
            }
            sums
        };
        for day in (first.0 - 2..last.0 + 3).map(Day) {
            let DaySums { opening, change, closing } = reader.day(clock, day).unwrap();
            assert_eq!((&opening, &closing), (&until(day.minus(1)), &until(day)));
            let mut sum = opening;
            sum.add(&change);
            assert_eq!(sum, closing);
            let (balances, lifetime) = (&closing.balances, &closing.lifetime);
            let held = balances.frozen + balances.releasing + balances.available - balances.debt;
            assert_eq!(lifetime.came_in() - lifetime.went_out(), held);
        }
    }
}

#[test]
fn what_settled_quickly_is_summed_by_day_of_completion() {
    let Read { world, reader, _dir } = read(19, 2_500);
    let mut by_day = BTreeMap::<(Day, MerchantId), Money>::new();
    for noted in &world.notes {
        let (day, plus, minus) = match &noted.entry.event.fact {
            Fact::ProfitSettled(fact) if fact.cycle == Cycle::Quick => (fact.day, fact.income.total(), Money::ZERO),
            Fact::OrderImported(fact) if fact.settled => (fact.order.day, fact.order.profit, Money::ZERO),
            Fact::OrderReversed(fact) if fact.cycle == Cycle::Quick && fact.charge.is_some() => {
                (fact.day, Money::ZERO, fact.profit)
            }
            _ => continue,
        };
        let sum = by_day.entry((day, noted.entry.merchant.clone())).or_default();
        *sum = *sum + plus - minus;
    }
    for from in by_day.keys().map(|(day, _)| *day) {
        let mut expected = BTreeMap::<MerchantId, Money>::new();
        for ((_, id), sum) in by_day.iter().filter(|((day, _), _)| *day >= from) {
            *expected.entry(id.clone()).or_default() += *sum;
        }
        expected.retain(|_, sum| !sum.is_zero());
        let listed = reader.quick_settled(from, None).unwrap();
        assert_eq!(listed, expected.clone().into_iter().collect::<Vec<_>>());
        for (id, sum) in expected {
            assert_eq!(reader.quick_settled(from, Some(&id)).unwrap(), [(id, sum)]);
        }
    }
}

#[test]
fn the_journal_is_told_in_its_order_from_any_place() {
    let Read { world, reader, _dir } = read(23, 1_500);
    let mut dice = Dice(2);
    for round in 0..60 {
        let wanted = Wanted {
            merchants: if round % 3 == 1 { merchants(&world)[..2].to_vec() } else { vec![] },
            kinds: if round % 4 == 2 { vec![Kind::MarginPaid, Kind::ProfitSettled] } else { vec![] },
        };
        let begin = (Lsn::new(dice.below(world.last().get())), dice.below(3) as u32);
        let is_wanted = |entry: &Entry| {
            (wanted.merchants.is_empty() || wanted.merchants.contains(&entry.merchant))
                && (wanted.kinds.is_empty() || wanted.kinds.contains(&entry.kind()))
        };
        let mut expected: Vec<_> = world
            .notes
            .iter()
            .filter(|noted| is_wanted(&noted.entry))
            .map(|noted| (noted.entry.lsn, noted.entry.index))
            .collect();
        if wanted.merchants.is_empty() && wanted.kinds.is_empty() {
            expected.extend(world.policies.iter().map(|(_, lsn, _)| (*lsn, 0)));
        }
        expected.retain(|place| *place > begin);
        expected.sort_unstable();
        let (mut told, mut position) = (vec![], Position::from(begin));
        loop {
            let events = reader.events(position, &wanted, 40).unwrap();
            told.extend(events.items.iter().map(|told| <(Lsn, u32)>::from(told.position())));
            if events.position == position {
                break;
            }
            assert!(events.position > position);
            position = events.position;
        }
        assert_eq!(told, expected);
        assert!(!position.is_after(world.last()) && position.is_after(world.last().previous()));
    }
}
