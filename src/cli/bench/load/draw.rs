//! Chance that is cheap and can be had again: numbers from a seed, and merchants by Zipf's law.

/// Numbers from a seed, by SplitMix64: no cryptography, and nothing that costs more than the order it is for.
#[derive(Clone, Debug)]
pub(in crate::cli::bench) struct Draws(u64);

/// What SplitMix64 steps by: 2⁶⁴ over the golden ratio.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Draws {
    /// The numbers of a seed; each stream of the same seed has numbers of its own.
    pub(in crate::cli::bench) const fn new(seed: u64, stream: u64) -> Self {
        Self(scattered(seed).wrapping_add(scattered(stream.wrapping_mul(STEP))))
    }

    /// Any number.
    pub(in crate::cli::bench) const fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(STEP);
        scattered(self.0)
    }

    /// A number below a bound; 0 if the bound is.
    pub(in crate::cli::bench) fn below(&mut self, bound: u32) -> u32 {
        let scaled = (self.any() >> 32) * u64::from(bound);
        u32::try_from(scaled >> 32).unwrap_or_default()
    }

    /// Yes, in this share of all cases.
    pub(in crate::cli::bench) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A number from 0 to 1, without 1.
    fn unit(&mut self) -> f64 {
        const LEVELS: f64 = (1_u64 << 53) as f64;
        (self.any() >> 11) as f64 / LEVELS
    }
}

/// Another number for each number, which looks like any.
pub(super) const fn scattered(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Which merchant an order is of.
#[derive(Debug)]
pub(super) enum Popularity {
    /// Any of so many alike.
    Even(u32),
    /// The first the most often. A table of aliases (Vose's method): a draw is one look into it, however many merchants there are.
    Zipf(Vec<Alias>),
}

/// A place of the table: itself in some cases, another in all others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alias {
    /// In how many of 2³² cases it is this place itself.
    own: u32,
    /// Which it is else.
    other: u32,
}

impl Popularity {
    /// Of so many merchants, by Zipf's law with an exponent if there is one.
    pub(super) fn of(count: u32, exponent: Option<f64>) -> Self {
        match exponent {
            None => Self::Even(count),
            Some(exponent) => Self::Zipf(aliases((1..=count).map(|rank| f64::from(rank).powf(-exponent)).collect())),
        }
    }

    /// A merchant.
    pub(super) fn draw(&self, draws: &mut Draws) -> u32 {
        match self {
            Self::Even(count) => draws.below(*count),
            Self::Zipf(table) => {
                let place = draws.below(u32::try_from(table.len()).unwrap_or(u32::MAX));
                let Some(alias) = table.get(place as usize) else { return place };
                if (draws.any() >> 32) as u32 <= alias.own { place } else { alias.other }
            }
        }
    }
}

/// Fills up the places of less than the mean weight from those of more.
fn aliases(weights: Vec<f64>) -> Vec<Alias> {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let mut table: Vec<Alias> = (0..).zip(&weights).map(|(place, _)| Alias { own: u32::MAX, other: place }).collect();
    let (mut few, mut many): (Vec<_>, Vec<_>) =
        (0_u32..).zip(weights.into_iter().map(|weight| weight / mean)).partition(|(_, weight)| *weight < 1.0);
    while let Some((place, weight)) = few.pop() {
        let Some((giver, has)) = many.pop() else { break };
        if let Some(alias) = table.get_mut(place as usize) {
            *alias = Alias { own: (weight * f64::from(u32::MAX)) as u32, other: giver };
        }
        let left = has + weight - 1.0;
        if left < 1.0 { few.push((giver, left)) } else { many.push((giver, left)) }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_stay_below_their_bound_and_come_again() {
        let (mut one, mut same) = (Draws::new(7, 1), Draws::new(7, 1));
        for bound in [1, 2, 10, u32::MAX] {
            let drawn = one.below(bound);
            assert!(drawn < bound && drawn == same.below(bound));
        }
        assert_ne!(Draws::new(7, 1).any(), Draws::new(7, 2).any());
    }

    #[test]
    fn the_first_by_zipf_is_drawn_as_often_as_the_law_says() {
        let (count, rounds) = (1_000, 200_000);
        let popularity = Popularity::of(count, Some(1.0));
        let mut draws = Draws::new(1, 1);
        let mut hits = vec![0_u32; count as usize];
        for _ in 0..rounds {
            hits[popularity.draw(&mut draws) as usize] += 1;
        }
        let harmonic: f64 = (1..=count).map(|rank| 1.0 / f64::from(rank)).sum();
        for rank in [1, 2, 10] {
            let expected = f64::from(rounds) / harmonic / f64::from(rank);
            let found = f64::from(hits[rank as usize - 1]);
            assert!((found / expected - 1.0).abs() < 0.1, "rank {rank}: {found} instead of {expected}");
        }
    }
}
