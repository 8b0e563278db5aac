//! The Merkle tree over the records of a journal: that of RFC 9162, with BLAKE3 in the place of SHA-256.
//!
//! A leaf is `BLAKE3(00 ‖ record)`, a node `BLAKE3(01 ‖ left ‖ right)`, so that neither can be taken for the other. A tree of n leaves
//! has on its left the largest power of two that is below n, and is cut the same way further down. So its left parts are whole for ever, and a
//! tree that has grown still contains every earlier one: what is kept of it while it grows are the roots of those whole parts (*peaks*), one for
//! each bit that is set in n.
//!
//! ```text
//!            root                 7 leaves: peaks a, b and the leaf 6
//!          /      \
//!         a        ·
//!       /   \     / \
//!      ·     ·   b   6
//!     0 1   2 3 4 5
//! ```

use super::{Hash, Hex};

/// The hash of a record.
pub fn leaf(record: &[u8]) -> Hash {
    hash(0, &[record])
}

/// The hash of what two hashes stand for together.
pub fn node(left: Hash, right: Hash) -> Hash {
    hash(1, &[&left.0, &right.0])
}

fn hash(prefix: u8, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[prefix]);
    for part in parts {
        hasher.update(part);
    }
    Hex(*hasher.finalize().as_bytes())
}

/// A tree that grows leaf by leaf, in memory for the logarithm of its size; and, if one is wanted, the path from one of its nodes to its
/// root.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    size: u64,
    /// The whole parts, the largest first.
    peaks: Vec<Hash>,
    watched: Option<Watched>,
}

/// The path from a node upwards, as far as the tree has grown above it.
#[derive(Clone, Debug)]
struct Watched {
    /// Under which of the peaks the node is.
    peak: usize,
    path: Vec<Hash>,
}

impl Tree {
    /// A tree of `size` leaves with these peaks; none if that is not how many it would have.
    pub fn of_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() as u64 == u64::from(size.count_ones())).then_some(Self { size, peaks, watched: None })
    }

    /// How many leaves there are.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The whole parts, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        self.add(leaf, None);
    }

    /// Adds a leaf whose path is wanted.
    pub fn push_watched(&mut self, leaf: Hash) {
        self.watched = None;
        self.add(leaf, Some(vec![]));
    }

    /// Has the tree remember what proves that it contains what it is now.
    pub fn watch_growth(&mut self) {
        let last = self.peaks.last().filter(|_| !self.size.is_power_of_two());
        let path = last.copied().into_iter().collect();
        self.watched = self.peaks.len().checked_sub(1).map(|peak| Watched { peak, path });
    }

    fn add(&mut self, leaf: Hash, mut path: Option<Vec<Hash>>) {
        let mut grown = leaf;
        for _ in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            match &mut path {
                Some(path) => path.push(left),
                None => path = self.take_watched(self.peaks.len(), grown),
            }
            grown = node(left, grown);
        }
        if let Some(path) = path {
            self.watched = Some(Watched { peak: self.peaks.len(), path });
        }
        self.peaks.push(grown);
        self.size += 1;
    }

    /// The path of the watched node, if it is under this peak, which gets a sibling on its right.
    fn take_watched(&mut self, peak: usize, right: Hash) -> Option<Vec<Hash>> {
        let Watched { mut path, .. } = self.watched.take_if(|watched| watched.peak == peak)?;
        path.push(right);
        Some(path)
    }

    /// The root; none for a tree without leaves.
    pub fn root(&self) -> Option<Hash> {
        let (last, before) = self.peaks.split_last()?;
        Some(before.iter().rev().fold(*last, |right, left| node(*left, right)))
    }

    /// The path from the watched node to the root, lowest sibling first; nothing if no node is watched.
    pub fn path(&self) -> Vec<Hash> {
        let Some(Watched { peak, mut path }) = self.watched.clone() else { return vec![] };
        let (under, mut before) = (self.peaks.get(peak + 1..), self.peaks.get(..peak).unwrap_or_default().iter().rev());
        // All that is on the right of its peak is one sibling.
        if let Some((last, rest)) = under.and_then(<[Hash]>::split_last) {
            path.push(rest.iter().rev().fold(*last, |right, left| node(*left, right)));
        }
        path.extend(before.by_ref());
        path
    }
}

/// The root of a tree of `size` leaves in which `leaf` has the place `index`, counted from 0, by its path; none if there is no such path.
pub fn root_of_path(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    let mut steps = Steps { at: index, end: size.checked_sub(1).filter(|last| index <= *last)? };
    let mut root = leaf;
    for sibling in path {
        root = if steps.next_is_left()? { node(*sibling, root) } else { node(root, *sibling) };
    }
    steps.is_at_root().then_some(root)
}

/// Whether a tree of `size` leaves with this root contains one of `old_size` leaves with that root as its beginning, by the path that
/// [`Tree::watch_growth`] has left.
pub fn is_growth((old_size, old_root): (u64, Hash), (size, root): (u64, Hash), path: &[Hash]) -> bool {
    if old_size == size {
        return path.is_empty() && old_root == root;
    }
    if old_size == 0 || old_size > size {
        return false;
    }
    // A whole part stands for itself.
    let (first, path) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        let Some((first, path)) = path.split_first() else { return false };
        (*first, path)
    };
    let skipped = (old_size - 1).trailing_ones();
    let mut steps = Steps { at: (old_size - 1).unbounded_shr(skipped), end: (size - 1).unbounded_shr(skipped) };
    let (mut old, mut new) = (first, first);
    for sibling in path {
        match steps.next_is_left() {
            Some(true) => (old, new) = (node(*sibling, old), node(*sibling, new)),
            Some(false) => new = node(new, *sibling),
            None => return false,
        }
    }
    steps.is_at_root() && (old, new) == (old_root, root)
}

/// The way from a node to the root, as in RFC 9162, 2.1.3.2: its place on its level, and that of the last node there.
struct Steps {
    at: u64,
    end: u64,
}

impl Steps {
    /// Goes a level up, and answers whether the sibling passed is on the left; none at the root. A node without a sibling goes up until it
    /// has one.
    fn next_is_left(&mut self) -> Option<bool> {
        if self.end == 0 {
            return None;
        }
        let is_left = self.at & 1 == 1 || self.at == self.end;
        if is_left {
            let alone = self.at.trailing_zeros();
            self.at = self.at.unbounded_shr(alone);
            self.end = self.end.unbounded_shr(alone);
        }
        self.at >>= 1;
        self.end >>= 1;
        Some(is_left)
    }

    const fn is_at_root(&self) -> bool {
        self.end == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MOST: u64 = 200;

    fn records(count: u64) -> Vec<Vec<u8>> {
        (0..count).map(|n| n.to_be_bytes().repeat(usize::try_from(n % 40).unwrap())).collect()
    }

    fn leaves(count: u64) -> Vec<Hash> {
        records(count).iter().map(|record| leaf(record)).collect()
    }

    fn grown(leaves: &[Hash]) -> Tree {
        let mut tree = Tree::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf));
        tree
    }

    /// MTH of RFC 9162, as it is written there.
    fn reference_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [one] => *one,
            many => {
                let (left, right) = many.split_at(cut(many.len()));
                node(reference_root(left), reference_root(right))
            }
        }
    }

    /// The largest power of two that is below.
    fn cut(count: usize) -> usize {
        (0..).map(|bit| 1 << bit).take_while(|power| *power < count).last().unwrap()
    }

    /// PATH of RFC 9162.
    fn reference_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return vec![];
        }
        let (left, right) = leaves.split_at(cut(leaves.len()));
        let (mut path, sibling) = if index < left.len() {
            (reference_path(index, left), right)
        } else {
            (reference_path(index - left.len(), right), left)
        };
        path.push(reference_root(sibling));
        path
    }

    /// SUBPROOF of RFC 9162.
    fn reference_growth(old: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
        if old == leaves.len() {
            return if is_known { vec![] } else { vec![reference_root(leaves)] };
        }
        let (left, right) = leaves.split_at(cut(leaves.len()));
        let (mut path, sibling) = if old <= left.len() {
            (reference_growth(old, left, is_known), right)
        } else {
            (reference_growth(old - left.len(), right, false), left)
        };
        path.push(reference_root(sibling));
        path
    }

    #[test]
    fn leaves_and_nodes_are_told_apart() {
        let (a, b) = (leaf(b"a"), leaf(b"b"));
        assert_eq!(leaf(b"").to_string(), "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
        assert_ne!(node(a, b), leaf(&[a.0, b.0].concat()));
        assert_ne!(node(a, b), node(b, a));
    }

    #[test]
    fn the_root_is_that_of_the_definition() {
        assert_eq!(Tree::default().root(), None);
        let leaves = leaves(MOST);
        for size in 1..=leaves.len() {
            assert_eq!(grown(&leaves[..size]).root(), Some(reference_root(&leaves[..size])), "{size}");
        }
    }

    #[test]
    fn every_leaf_of_every_tree_is_proven_and_no_other_in_its_place() {
        let leaves = leaves(MOST);
        let stranger = leaf(b"stranger");
        for size in 1..=leaves.len() {
            let root = reference_root(&leaves[..size]);
            for index in 0..size {
                let mut tree = grown(&leaves[..index]);
                tree.push_watched(leaves[index]);
                leaves[index + 1..size].iter().for_each(|leaf| tree.push(*leaf));
                let path = tree.path();
                assert_eq!(path, reference_path(index, &leaves[..size]), "{index} of {size}");
                let proven = |leaf, index, size, path: &[Hash]| root_of_path(leaf, index, size, path) == Some(root);
                let (place, count) = (index as u64, size as u64);
                assert!(proven(leaves[index], place, count, &path), "{index} of {size}");
                assert!(!proven(stranger, place, count, &path));
                assert!(!proven(leaves[index], place, count, &[&*path, &[stranger]].concat()));
                if let Some((_, shorter)) = path.split_last() {
                    assert!(!proven(leaves[index], place, count, shorter));
                }
                for other in (0..=count).filter(|other| *other != place) {
                    assert!(!proven(leaves[index], other, count, &path), "{index} of {size} also as {other}");
                }
            }
        }
    }

    #[test]
    fn every_tree_contains_every_earlier_one() {
        let leaves = leaves(MOST);
        let roots: Vec<Hash> = (1..=leaves.len()).map(|size| reference_root(&leaves[..size])).collect();
        for old in 1..=leaves.len() {
            let mut tree = grown(&leaves[..old]);
            tree.watch_growth();
            for size in old..=leaves.len() {
                let path = if size == old { vec![] } else { tree.path() };
                assert_eq!(path, reference_growth(old, &leaves[..size], true), "{old} in {size}");
                let (before, after) = ((old as u64, roots[old - 1]), (size as u64, roots[size - 1]));
                assert!(is_growth(before, after, &path), "{old} in {size}");
                assert!(!is_growth((old as u64, leaf(b"stranger")), after, &path));
                assert!(!is_growth(before, (size as u64, leaf(b"stranger")), &path));
                assert!(!is_growth(before, after, &[&*path, &[leaf(b"stranger")]].concat()));
                assert!(old == 1 || !is_growth((old as u64 - 1, roots[old - 1]), after, &path));
                assert!(!is_growth(before, (size as u64 + 1, roots[size - 1]), &path) || path_fits(old, size));
                if size < leaves.len() {
                    tree.push(leaves[size]);
                }
            }
        }
    }

    /// Whether the way from the old tree is as long, and turns as often, in a tree that has one leaf more: the path says nothing of sizes
    /// then, which the seals say.
    fn path_fits(old: usize, size: usize) -> bool {
        let turns = |size: u64| {
            let skipped = (old as u64 - 1).trailing_ones();
            let mut steps = Steps { at: (old as u64 - 1) >> skipped, end: (size - 1) >> skipped };
            std::iter::from_fn(|| steps.next_is_left()).collect::<Vec<_>>()
        };
        turns(size as u64) == turns(size as u64 + 1)
    }

    #[test]
    fn a_tree_goes_on_from_its_peaks() {
        let leaves = leaves(MOST);
        for size in 0..=leaves.len() {
            let before = grown(&leaves[..size]);
            let mut tree = Tree::of_peaks(before.size(), before.peaks().to_vec()).unwrap();
            leaves[size..].iter().for_each(|leaf| tree.push(*leaf));
            assert_eq!(tree.root(), Some(reference_root(&leaves)), "{size}");
        }
        assert!(Tree::of_peaks(3, leaves[..1].to_vec()).is_none());
    }

    proptest! {
        /// Whatever bit of a path is changed, it leads elsewhere.
        #[test]
        fn no_other_path_proves(size in 2..1_000_usize, at: prop::sample::Index, bit: prop::sample::Index) {
            let leaves = leaves(size as u64);
            let index = at.index(size);
            let mut path = reference_path(index, &leaves);
            let bit = bit.index(path.len() * 256);
            path[bit / 256].0[bit / 8 % 32] ^= 1 << (bit % 8);
            let root = reference_root(&leaves);
            prop_assert_ne!(root_of_path(leaves[index], index as u64, size as u64, &path), Some(root));
        }
    }
}
