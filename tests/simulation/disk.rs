//! A disk that does everything a disk may do: it keeps what was written and what is durable apart, sector by sector and name by name;
//! fails; fills up; loses its power at any operation; and forgets of what was not synced whatever it likes.
//!
//! Only what changes something counts as an operation, so who reads beside it (the history) changes nothing about what happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Component, Path},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use tplus::{
    clock::TestTime,
    journal::{Disk, DiskFile, Held, Open},
};

use crate::dice::Dice;

const SECTOR: usize = 512;
/// The directory that everything is in.
const ROOT: u64 = 0;

/// A disk. Clones are the same one.
#[derive(Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

#[derive(Clone)]
struct State {
    dice: Dice,
    nodes: BTreeMap<u64, Node>,
    next: u64,
    held: BTreeSet<u64>,
    operations: u64,
    /// At which operation the power goes.
    power_goes_at: Option<u64>,
    /// At which operation there is an error, once.
    fails_at: Option<u64>,
    dead: bool,
    /// How many bytes all files may have.
    space: Option<u64>,
    /// Syncs take their time, by these clocks.
    slow: Option<Arc<TestTime>>,
    struck: BTreeMap<&'static str, u64>,
    /// Files whose sync has failed: what they hold is unclear, and no other sync may be taken to make it clear.
    unclear: BTreeSet<u64>,
}

#[derive(Clone)]
enum Node {
    Dir(Dir),
    File(File),
}

/// Names, as they are seen, and as they are durable; and how the one comes from the other, change by change.
#[derive(Clone, Default)]
struct Dir {
    seen: BTreeMap<String, u64>,
    durable: BTreeMap<String, u64>,
    pending: Vec<Change>,
}

/// Names that change together; nothing: it is gone.
type Change = Vec<(String, Option<u64>)>;

#[derive(Clone, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that may differ between the two, and will be made durable.
    dirty: BTreeSet<usize>,
}

/// What is about to happen to an operation.
enum Fate {
    Happens,
    /// It happens, or half of it, or nothing, and it is told to have failed.
    Fails(io::Error),
    /// The power is gone.
    IsInVain(io::Error),
}

impl SimDisk {
    pub(crate) fn new(dice: Dice) -> Self {
        let state = State {
            dice,
            nodes: BTreeMap::from([(ROOT, Node::Dir(Dir::default()))]),
            next: ROOT + 1,
            held: BTreeSet::new(),
            operations: 0,
            power_goes_at: None,
            fails_at: None,
            dead: false,
            space: None,
            slow: None,
            struck: BTreeMap::new(),
            unclear: BTreeSet::new(),
        };
        Self(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// The power goes at the `n`-th operation from now, which may still happen, or in part.
    pub(crate) fn lose_power_in(&self, n: u64) {
        let mut state = self.state();
        state.power_goes_at = Some(state.operations + n);
    }

    /// The `n`-th operation from now fails.
    pub(crate) fn fail_in(&self, n: u64) {
        let mut state = self.state();
        state.fails_at = Some(state.operations + n);
    }

    /// Whatever was to go wrong and has not yet does not.
    pub(crate) fn plan_nothing(&self) {
        let mut state = self.state();
        (state.power_goes_at, state.fails_at) = (None, None);
    }

    /// Every other sync takes 0.3 to 30 seconds from now on, by these clocks; or none does.
    pub(crate) fn be_slow(&self, clocks: Option<Arc<TestTime>>) {
        self.state().slow = clocks;
    }

    /// How much more all files together may grow; nothing: without bound.
    pub(crate) fn leave_space(&self, bytes: Option<u64>) {
        let mut state = self.state();
        state.space = bytes.map(|bytes| bytes + state.used());
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// What has struck, and how often.
    pub(crate) fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.state().struck.clone()
    }

    /// Another process takes over: nothing is lost, and no plan of evil is left.
    pub(crate) fn next_process(&self) {
        let mut state = self.state();
        state.held.clear();
        state.unclear.clear();
        (state.power_goes_at, state.fails_at, state.dead) = (None, None, false);
    }

    /// The power was gone, and is there again: of what was not synced, this and that is left.
    pub(crate) fn reboot(&self) {
        self.next_process();
        let mut state = self.state();
        let State { nodes, dice, struck, .. } = &mut *state;
        for node in nodes.values_mut() {
            match node {
                Node::Dir(dir) => dir.reboot(dice, struck),
                Node::File(file) => file.reboot(dice, struck),
            }
        }
        state.forget_unreachable();
    }

    /// Another disk with the same on it.
    pub(crate) fn copy(&self) -> Self {
        let copy = Self(Arc::new(Mutex::new(self.state().clone())));
        copy.next_process();
        copy
    }

    /// Flips a bit of a file. Answers its name, and which bit.
    pub(crate) fn flip_a_bit(&self) -> Option<(String, usize)> {
        let mut state = self.state();
        let files: Vec<_> = state.files().into_iter().filter(|(_, id)| !state.file(*id).seen.is_empty()).collect();
        let (name, id) = files.get(state.dice.below(files.len().max(1) as u64) as usize)?.clone();
        let bits = state.file(id).seen.len() as u64 * 8;
        let bit = state.dice.below(bits) as usize;
        let file = state.file_mut(id);
        for bytes in [&mut file.seen, &mut file.durable] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        *state.struck.entry("a flipped bit").or_default() += 1;
        Some((name, bit))
    }

    /// A digest of all that is seen, names and bytes.
    pub(crate) fn digest(&self) -> String {
        let state = self.state();
        let mut hasher = blake3::Hasher::new();
        for (name, id) in state.files() {
            let file = state.file(id);
            hasher.update(name.as_bytes()).update(&file.seen.len().to_le_bytes()).update(&file.seen);
        }
        format!("{} after {} operations", hasher.finalize().to_hex(), state.operations)
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimDisk")
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn broken(what: &str) -> io::Error {
    io::Error::other(format!("an injected fault: {what}"))
}

impl State {
    /// Counts an operation, and says what becomes of it.
    fn operate(&mut self, what: &'static str) -> Fate {
        if self.dead {
            return Fate::IsInVain(broken("the power is gone"));
        }
        self.operations += 1;
        if self.power_goes_at == Some(self.operations) {
            self.dead = true;
            *self.struck.entry("the power gone").or_default() += 1;
            return Fate::Fails(broken("the power goes"));
        }
        if self.fails_at == Some(self.operations) {
            self.fails_at = None;
            *self.struck.entry(what).or_default() += 1;
            return Fate::Fails(broken(what));
        }
        Fate::Happens
    }

    /// An operation that happens as a whole or not at all.
    fn whole<T>(&mut self, what: &'static str, happen: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        match self.operate(what) {
            Fate::Happens => happen(self),
            Fate::IsInVain(error) => Err(error),
            Fate::Fails(error) => {
                if self.dice.one_in(2) {
                    // It is told to have failed all the same.
                    drop(happen(self));
                }
                Err(error)
            }
        }
    }

    fn find(&self, path: &Path) -> io::Result<u64> {
        let mut at = ROOT;
        for part in path.components() {
            let Component::Normal(name) = part else { continue };
            let Some(Node::Dir(dir)) = self.nodes.get(&at) else { return Err(io::ErrorKind::NotADirectory.into()) };
            at = *name.to_str().and_then(|name| dir.seen.get(name)).ok_or_else(not_found)?;
        }
        Ok(at)
    }

    fn dir_of(&self, path: &Path) -> io::Result<(u64, String)> {
        let dir = self.find(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(not_found)?;
        Ok((dir, name.to_owned()))
    }

    fn dir_mut(&mut self, id: u64) -> io::Result<&mut Dir> {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn file(&self, id: u64) -> &File {
        match self.nodes.get(&id) {
            Some(Node::File(file)) => file,
            _ => panic!("no file"),
        }
    }

    fn file_mut(&mut self, id: u64) -> &mut File {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => file,
            _ => panic!("no file"),
        }
    }

    /// All files that have a name, with it.
    fn files(&self) -> Vec<(String, u64)> {
        let (mut found, mut ahead) = (Vec::new(), vec![(String::new(), ROOT)]);
        while let Some((path, id)) = ahead.pop() {
            match self.nodes.get(&id) {
                Some(Node::Dir(dir)) => {
                    ahead.extend(dir.seen.iter().map(|(name, id)| (format!("{path}/{name}"), *id)));
                }
                Some(Node::File(_)) => found.push((path, id)),
                None => {}
            }
        }
        found.sort();
        found
    }

    fn used(&self) -> u64 {
        self.files().iter().map(|(_, id)| self.file(*id).seen.len() as u64).sum()
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<u64> {
        let (dir, name) = self.dir_of(path)?;
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, node);
        self.dir_mut(dir)?.change(vec![(name, Some(id))]);
        Ok(id)
    }

    fn forget_unreachable(&mut self) {
        let (mut reached, mut ahead) = (BTreeSet::new(), vec![ROOT]);
        while let Some(id) = ahead.pop() {
            reached.insert(id);
            if let Some(Node::Dir(dir)) = self.nodes.get(&id) {
                ahead.extend(dir.seen.values());
            }
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }
}

impl Dir {
    fn change(&mut self, change: Change) {
        apply(&mut self.seen, &change);
        self.pending.push(change);
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    /// The changes reach the disk in their order, up to some of them.
    fn reboot(&mut self, dice: &mut Dice, struck: &mut BTreeMap<&'static str, u64>) {
        let all = self.pending.len();
        let kept = dice.below(all as u64 + 1) as usize;
        if kept < all {
            *struck.entry("names lost").or_default() += 1;
        }
        self.pending.truncate(kept);
        self.sync();
        self.seen = self.durable.clone();
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: &Change) {
    for (name, id) in change {
        match id {
            Some(id) => names.insert(name.clone(), *id),
            None => names.remove(name),
        };
    }
}

impl File {
    fn write(&mut self, bytes: &[u8], at: usize) {
        let end = at + bytes.len();
        if self.seen.len() < end {
            self.seen.resize(end, 0);
        }
        self.seen[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / SECTOR..end.div_ceil(SECTOR));
    }

    fn set_len(&mut self, len: usize) {
        let from = len.min(self.seen.len()) / SECTOR;
        self.dirty.extend(from..len.max(self.seen.len()).div_ceil(SECTOR));
        self.seen.resize(len, 0);
    }

    fn sync(&mut self) {
        let dirty = std::mem::take(&mut self.dirty);
        self.keep(&dirty);
        self.durable.truncate(self.seen.len());
    }

    /// Makes some sectors durable.
    fn keep(&mut self, sectors: &BTreeSet<usize>) {
        for sector in sectors {
            let from = (sector * SECTOR).min(self.seen.len());
            let to = (from + SECTOR).min(self.seen.len());
            if from < to {
                self.durable.resize(self.durable.len().max(to), 0);
                self.durable[from..to].copy_from_slice(&self.seen[from..to]);
            }
        }
    }

    fn some_of_dirty(&self, dice: &mut Dice) -> BTreeSet<usize> {
        // All, none, or any.
        match dice.below(4) {
            0 => BTreeSet::new(),
            1 => self.dirty.clone(),
            _ => self.dirty.iter().copied().filter(|_| dice.one_in(2)).collect(),
        }
    }

    /// A sync that fails: some of it is durable, and the rest is taken for it from now on.
    fn fail_sync(&mut self, dice: &mut Dice) {
        let some = self.some_of_dirty(dice);
        self.keep(&some);
        self.dirty.clear();
    }

    fn reboot(&mut self, dice: &mut Dice, struck: &mut BTreeMap<&'static str, u64>) {
        let some = self.some_of_dirty(dice);
        self.keep(&some);
        if some.len() < self.dirty.len() {
            let torn = if some.is_empty() { "writes lost" } else { "writes torn" };
            *struck.entry(torn).or_default() += 1;
        }
        if some.len() == self.dirty.len() || dice.one_in(2) {
            // It had been shortened, or may have been.
            self.durable.truncate(self.seen.len());
        }
        self.dirty.clear();
        self.seen = self.durable.clone();
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, how: Open) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        let found = state.find(path);
        let id = match (how, found) {
            (Open::New, Ok(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Open::ToRead | Open::ToWrite | Open::ToCommit, found) => found?,
            (Open::Anew, Ok(id)) => state.whole("emptying a file", |state| {
                state.file_mut(id).set_len(0);
                state.unclear.remove(&id);
                Ok(id)
            })?,
            (Open::New | Open::Anew, Err(_)) => {
                state.whole("making a file", |state| state.add(path, Node::File(File::default())))?
            }
        };
        match state.nodes.get(&id) {
            Some(Node::File(_)) => Ok(Box::new(SimFile { disk: self.clone(), id })),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.state();
        let id = state.find(path)?;
        Ok(state.file(id).seen.len() as u64)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.state().find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        let id = state.find(dir)?;
        Ok(state.dir_mut(id)?.seen.keys().cloned().collect())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let missing: Vec<_> = dir.ancestors().take_while(|path| state.find(path).is_err()).collect();
        for path in missing.into_iter().rev() {
            state.whole("making a directory", |state| state.add(path, Node::Dir(Dir::default())))?;
        }
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.remove(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = state.find(from)?;
        let ((from_dir, from), (to_dir, to)) = (state.dir_of(from)?, state.dir_of(to)?);
        state.whole("renaming", |state| {
            if from_dir == to_dir {
                state.dir_mut(to_dir)?.change(vec![(from, None), (to, Some(id))]);
            } else {
                // Two directories, each durable by itself.
                state.dir_mut(to_dir)?.change(vec![(to, Some(id))]);
                state.dir_mut(from_dir)?.change(vec![(from, None)]);
            }
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let (id, (dir, name)) = (state.find(from)?, state.dir_of(to)?);
        if state.find(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.whole("linking", |state| {
            state.dir_mut(dir)?.change(vec![(name, Some(id))]);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.find(path)?;
        let (dir, name) = state.dir_of(path)?;
        state.whole("removing", |state| {
            state.dir_mut(dir)?.change(vec![(name, None)]);
            Ok(())
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = if dir == Path::new(".") { ROOT } else { state.find(dir)? };
        state.whole("syncing a directory", |state| {
            state.dir_mut(id)?.sync();
            Ok(())
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Held>> {
        let file = self.open(path, Open::ToWrite).or_else(|_| self.open(path, Open::New));
        drop(file?);
        let mut state = self.state();
        let id = state.find(path)?;
        if !state.held.insert(id) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock { disk: self.clone(), id }))
    }
}

struct SimLock {
    disk: SimDisk,
    id: u64,
}

impl Held for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.disk.state().held.remove(&self.id);
    }
}

struct SimFile {
    disk: SimDisk,
    id: u64,
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.state().file(self.id).seen.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], at: u64) -> io::Result<usize> {
        let state = self.disk.state();
        let seen = &state.file(self.id).seen;
        let from = (at as usize).min(seen.len());
        let rest = &seen[from..];
        let len = rest.len().min(bytes.len());
        bytes[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }

    fn write_at(&mut self, bytes: &[u8], at: u64) -> io::Result<()> {
        let (mut state, at) = (self.disk.state(), at as usize);
        let grows = (at + bytes.len()).saturating_sub(state.file(self.id).seen.len()) as u64;
        let full = state.space.is_some_and(|space| grows > 0 && state.used() + grows > space);
        if full && !state.dead {
            *state.struck.entry("a full disk").or_default() += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        match state.operate("writing") {
            Fate::Happens => state.file_mut(self.id).write(bytes, at),
            Fate::Fails(error) => {
                // Up to the end of a sector.
                let end = state.dice.below(bytes.len() as u64 + 1) as usize + at;
                let len = (end / SECTOR * SECTOR).saturating_sub(at);
                state.file_mut(self.id).write(&bytes[..len], at);
                return Err(error);
            }
            Fate::IsInVain(error) => return Err(error),
        }
        Ok(())
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        let id = self.id;
        self.disk.state().whole("shortening", |state| {
            state.file_mut(id).set_len(len as usize);
            Ok(())
        })
    }

    fn sync_data(&mut self) -> io::Result<()> {
        self.sync_all()
    }

    fn sync_all(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        assert!(state.dead || !state.unclear.contains(&self.id), "a sync that failed is tried again");
        match state.operate("syncing") {
            Fate::Happens => {
                let State { dice, slow, struck, .. } = &mut *state;
                if let Some(clocks) = slow.as_ref().filter(|_| dice.one_in(2)) {
                    clocks.advance(Duration::from_millis(300 + dice.below(29_700)));
                    *struck.entry("a slow sync").or_default() += 1;
                }
                state.file_mut(self.id).sync();
                Ok(())
            }
            Fate::Fails(error) => {
                let State { nodes, dice, dead, unclear, .. } = &mut *state;
                unclear.insert(self.id);
                // Where the power goes, what is left is found out when it is there again.
                if let Some(Node::File(file)) = nodes.get_mut(&self.id).filter(|_| !*dead) {
                    file.fail_sync(dice);
                }
                Err(error)
            }
            Fate::IsInVain(error) => Err(error),
        }
    }
}
