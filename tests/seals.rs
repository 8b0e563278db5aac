//! Seals and proofs with the real program, over a journal that a real server has written: what is proven to somebody who has nothing but
//! two files, and what is noticed when a bit of it, or of the journal, is another.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "a test may stop at once"
)]

mod served;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use serde_json::Value;
use served::{Server, tplus};
use tempfile::TempDir;
use tplus::{
    journal::{FileOptions, FileStore, Journal, Lsn, NewDirectory, Options, Store as _, inspect},
    seal::{Proof, Seal},
};

const START: [&str; 6] = ["--listen", "127.0.0.1:0", "--clock", "manual", "--clock-start", "2026-01-01T00:00:00Z"];
/// Segments that few orders fill.
const SMALL: [(&str, &str); 1] = [("TPLUS_JOURNAL_SEGMENT_SIZE", "262144")];

/// The keys of RFC 8410, and another public one.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const OTHER: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuA=\n-----END PUBLIC KEY-----\n";

struct World {
    root: TempDir,
    server: Option<(Server, String)>,
}

impl World {
    /// A server that runs.
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = Some(Server::start(root.path(), &START, &SMALL));
        for (name, text) in [("key.pem", PRIVATE), ("pub.pem", PUBLIC), ("other.pem", OTHER)] {
            fs::write(root.path().join(name), text).unwrap();
        }
        Self { root, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Sends so many orders of this month.
    fn orders(&self, month: u32, count: u32) {
        let (_, address) = self.server.as_ref().unwrap();
        send(self.root.path(), address, month, count);
    }

    fn stop(&mut self) {
        self.server.take().unwrap().0.kill();
    }

    /// `tplus journal` in the folder of the world.
    fn journal(&self, args: &[&str]) -> Output {
        tplus(&["journal"]).args(args).current_dir(self.root.path()).output().unwrap()
    }

    /// The same, which has to succeed; what it printed goes to this file.
    #[track_caller]
    fn make(&self, file: &str, args: &[&str]) {
        fs::write(self.path(file), printed(&self.journal(args))).unwrap();
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(file)).unwrap()).unwrap()
    }

    fn change(&self, file: &str, from: &str, to: &str) -> String {
        let text = fs::read_to_string(self.path(file)).unwrap();
        assert!(text.contains(from), "{from} in {text}");
        fs::write(self.path("changed.json"), text.replacen(from, to, 1)).unwrap();
        "changed.json".to_owned()
    }
}

fn send(root: &Path, address: &str, month: u32, count: u32) {
    let row = |n: u32| format!("o{month}-{n},1,s{},2026-{month:02}-02T00:00:00Z,{}.50\n", n % 7, 1 + n % 90);
    let rows = (0..count).map(row).fold("order_id,line,seller_id,completed_at,price\n".to_owned(), |a, b| a + &b);
    let file = root.join("rows.csv");
    fs::write(&file, rows).unwrap();
    let sent = tplus(&["replay", file.to_str().unwrap(), "--server", address]).output().unwrap();
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn refused(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_record_is_proven_to_who_holds_a_seal() {
    let world = World::new();
    world.orders(1, 40);
    // Beside the running server.
    world.make("seal.json", &["seal", "--data-dir", "data", "--key", "key.pem"]);
    world.orders(2, 40);
    let seal = world.json("seal.json");
    let records = seal["records"].as_u64().unwrap();
    assert!(records >= 40);
    let dump = printed(&world.journal(&["dump", "--data-dir", "data", "--json"]));
    for lsn in [1, 2, records / 2, records] {
        let number = lsn.to_string();
        world.make("proof.json", &["prove", "--data-dir", "data", "--seal", "seal.json", "--lsn", &number]);
        let verify = ["verify", "--seal", "seal.json", "--proof", "proof.json", "--public-key", "pub.pem"];
        let said = printed(&world.journal(&verify));
        assert!(said.starts_with(&format!("proven: this record is at lsn {lsn}\n{lsn} 2026-01-")), "{said}");
        assert!(said.contains(", as wanted\n"), "{said}");
        let json = printed(&world.journal(&[verify.as_slice(), &["--json"]].concat()));
        assert_eq!(json.trim_end(), dump.lines().nth(usize::try_from(lsn).unwrap() - 1).unwrap());
    }
    let beyond = (records + 1).to_string();
    let said = refused(&world.journal(&["prove", "--data-dir", "data", "--seal", "seal.json", "--lsn", &beyond]), 1);
    assert_eq!(said, format!("error: lsn {beyond} is not sealed: the seal is over lsn 1 to {records}\n"));
}

/// Every bit of both files, through what the program reads them with; some of them through the program.
#[test]
fn whatever_bit_is_changed_nothing_is_proven() {
    let world = World::new();
    world.orders(1, 20);
    world.make("seal.json", &["seal", "--data-dir", "data", "--key", "key.pem", "--to", "17"]);
    world.make("proof.json", &["prove", "--data-dir", "data", "--seal", "seal.json", "--lsn", "9"]);
    let [seal, proof] = ["seal.json", "proof.json"].map(|file| fs::read(world.path(file)).unwrap());
    let readable = world.json("proof.json")["readable"].clone();
    let proves = |seal: &[u8], proof: &[u8]| {
        let (Ok(seal), Ok(proof)) = (std::str::from_utf8(seal), std::str::from_utf8(proof)) else { return false };
        let (Ok(seal), Ok(Proof::Inclusion(proof))) = (Seal::parse(seal), Proof::parse(proof)) else { return false };
        proof.verify(&seal).is_ok() && proof.readable.as_ref() == Some(&readable)
    };
    assert!(proves(&seal, &proof));
    for (place, text) in [&seal, &proof].into_iter().enumerate() {
        let mut other = text.clone();
        for bit in 0..text.len() * 8 {
            other[bit / 8] ^= 1 << (bit % 8);
            let proven = if place == 0 { proves(&other, &proof) } else { proves(&seal, &other) };
            // The end of the last line means nothing.
            assert!(!proven || bit / 8 == text.len() - 1, "bit {bit}: {}", String::from_utf8_lossy(&other));
            other[bit / 8] ^= 1 << (bit % 8);
        }
    }

    let record = world.json("proof.json")["record"].as_str().unwrap().to_owned();
    let flipped = if record.starts_with("08") { record.replacen("08", "09", 1) } else { format!("08{}", &record[2..]) };
    let verify = |seal: &str, proof: &str| refused(&world.journal(&["verify", "--seal", seal, "--proof", proof]), 1);
    let said = verify("seal.json", &world.change("proof.json", &record, &flipped));
    assert_eq!(
        said,
        "error: this is not the record that was sealed at lsn 9: its path does not lead to the root of the seal\n"
    );
    let said = verify("seal.json", &world.change("proof.json", "\"lsn\": 9,\n  \"record", "\"lsn\": 8,\n  \"record"));
    assert!(said.contains("not the record that was sealed at lsn 8"), "{said}");
    let said = verify("seal.json", &world.change("proof.json", "2026-01-0", "2027-01-0"));
    assert!(said.contains("the field \"readable\" of the proof says something else"), "{said}");
    let said = verify("seal.json", &world.change("proof.json", "\"path\"", "\"more\": 1, \"path\""));
    assert!(said.contains("it is no proof: unknown field `more`"), "{said}");
    let said = verify(&world.change("seal.json", "\"recorded_at\": \"2026", "\"recorded_at\": \"2025"), "proof.json");
    assert!(said.contains("it was changed: its id is "), "{said}");
    let said = verify(&world.change("seal.json", "seal v1", "seal v2"), "proof.json");
    assert!(said.contains("its format is \"tplus seal v2\""), "{said}");
    world.make("other.json", &["seal", "--data-dir", "data", "--to", "18"]);
    assert!(verify("other.json", "proof.json").contains("the proof is for the seal "));
}

#[test]
fn a_seal_goes_on_from_an_earlier_one() {
    let world = World::new();
    world.orders(1, 30);
    world.make("first.json", &["seal", "--data-dir", "data", "--key", "key.pem"]);
    // Within a batch, mostly.
    world.make("early.json", &["seal", "--data-dir", "data", "--to", "5"]);
    world.orders(2, 50);
    world.make("whole.json", &["seal", "--data-dir", "data", "--key", "key.pem"]);
    let records = world.json("whole.json")["records"].to_string();
    let go_on = |since: &str, more: &[&str]| {
        world.journal(&[&["seal", "--data-dir", "data", "--since", since, "--to", &records], more].concat())
    };
    let more = go_on("first.json", &["--key", "key.pem"]);
    assert_eq!(printed(&more), fs::read_to_string(world.path("whole.json")).unwrap());
    let mut within = Seal::parse(&fs::read_to_string(world.path("early.json")).unwrap()).unwrap();
    within.chain.lsn = 4;
    fs::write(world.path("within.json"), within.to_string()).unwrap();
    assert!(refused(&go_on("within.json", &[]), 1).contains("over lsn 1 to 5 and ends within a batch"));
    for since in ["first.json", "early.json"] {
        world.make("proof.json", &["prove", "--data-dir", "data", "--seal", "whole.json", "--extends", since]);
        let verify = |seal: &str, since: &str| {
            world.journal(&["verify", "--seal", seal, "--proof", "proof.json", "--since", since])
        };
        let said = printed(&verify("whole.json", since));
        let before = &world.json(since)["records"];
        assert!(said.starts_with(&format!("proven: the {records} records begin with the {before} of")), "{said}");
        assert!(refused(&verify(since, "whole.json"), 1).contains("the proof is for the seal "));
        assert!(refused(&verify("whole.json", "whole.json"), 1).contains("the proof is for the seal "));
    }
    let backwards = world.journal(&["prove", "--data-dir", "data", "--seal", "first.json", "--extends", "whole.json"]);
    assert!(refused(&backwards, 1).contains("lies before what is read"));
    for seal in ["first.json", "early.json", "whole.json"] {
        let said = printed(&world.journal(&["verify", "--data-dir", "data", "--seal", seal]));
        let sealed = &world.json(seal)["records"];
        let first = format!("unchanged: the journal begins with the {sealed} records that were sealed\n");
        assert!(said.starts_with(&first), "{said}");
    }
}

/// Whatever was on its way when a seal was made, it is over a beginning of what the journal is in the end.
#[test]
fn seals_that_are_made_while_orders_come_are_of_one_journal() {
    let world = World::new();
    let mut records = Vec::new();
    let (root, address) = (world.root.path().to_owned(), world.server.as_ref().unwrap().1.clone());
    std::thread::scope(|scope| {
        let sending = scope.spawn(move || send(&root, &address, 1, 1_500));
        while !sending.is_finished() || records.is_empty() {
            let (file, before) = (format!("{}.json", records.len()), format!("{}.json", records.len().max(1) - 1));
            let since: &[&str] = if records.len() % 2 == 1 { &["--since", &before] } else { &[] };
            world.make(&file, &[["seal", "--data-dir", "data"].as_slice(), since].concat());
            records.push(world.json(&file)["records"].as_u64().unwrap());
        }
    });
    assert!(records.is_sorted());
    for place in 0..records.len() {
        let (seal, before) = (format!("{place}.json"), format!("{}.json", place.max(1) - 1));
        printed(&world.journal(&["verify", "--data-dir", "data", "--seal", &seal]));
        world.make("proof.json", &["prove", "--data-dir", "data", "--seal", &seal, "--extends", &before]);
        printed(&world.journal(&["verify", "--seal", &seal, "--since", &before, "--proof", "proof.json"]));
    }
}

/// A journal that is right in itself, but with another record in it.
fn forge(from: &Path, to: &Path, change: u64) {
    let identity = inspect::identity(from).unwrap();
    let (id, fingerprint_key, attributes) = (identity.id, identity.fingerprint_key, identity.attributes);
    let create = Some(NewDirectory { id, fingerprint_key, attributes });
    let options = FileOptions { segment_size: 1 << 20, create, ..FileOptions::default() };
    let store = Arc::new(FileStore::open(to, options).unwrap());
    let tail = store.recover(Lsn::FIRST, &mut |_, _| Ok(()), &mut |_| {}).unwrap();
    let journal = Journal::start(store, tail, Options::default()).unwrap();
    inspect::read(from, Lsn::FIRST, &mut |lsn, record| {
        let mut record = record.to_vec();
        if lsn.get() == change {
            // The last byte is of a time far ahead: no field is lost by it.
            *record.last_mut().unwrap() ^= 1;
        }
        journal.append(&record).unwrap();
        Ok(())
    })
    .unwrap();
    journal.close().unwrap();
}

#[test]
fn a_directory_that_is_not_what_was_sealed_is_told_from_one_that_is() {
    let mut world = World::new();
    world.orders(1, 30);
    world.stop();
    world.make("seal.json", &["seal", "--data-dir", "data"]);
    forge(&world.path("data"), &world.path("forged"), 20);
    printed(&world.journal(&["verify", "--data-dir", "forged"]));
    let said = refused(&world.journal(&["verify", "--data-dir", "forged", "--seal", "seal.json"]), 3);
    let records = &world.json("seal.json")["records"];
    let changed =
        format!("error: the journal was changed: its records at lsn 1 to {records} are not those that were sealed\n");
    assert_eq!(said, changed);
    assert_eq!(
        refused(&world.journal(&["prove", "--data-dir", "forged", "--seal", "seal.json", "--lsn", "3"]), 3),
        changed
    );
    // Another batch at the same records is another chain, and the same tree.
    forge(&world.path("data"), &world.path("again"), 0);
    let said = refused(&world.journal(&["verify", "--data-dir", "again", "--seal", "seal.json"]), 3);
    assert!(said.contains("its hash chain up to lsn"), "{said}");

    // A bit that flips in the journal is damage, for a seal as for a start.
    let segment = segments(&world.path("data")).remove(0);
    let mut bytes = fs::read(&segment).unwrap();
    bytes[3 * 512 + 100] ^= 1;
    fs::write(&segment, bytes).unwrap();
    for args in [
        ["seal", "--data-dir", "data", "--to", "9"].as_slice(),
        &["prove", "--data-dir", "data", "--seal", "seal.json", "--lsn", "9"],
        &["verify", "--data-dir", "data", "--seal", "seal.json"],
    ] {
        let said = refused(&world.journal(args), 3);
        assert!(said.contains("damaged at byte 1536, at lsn "), "{said}");
    }

    let other = World::new();
    fs::copy(world.path("seal.json"), other.path("seal.json")).unwrap();
    let said = refused(&other.journal(&["verify", "--data-dir", "data", "--seal", "seal.json"]), 1);
    assert!(said.contains("the seal is of the data directory "), "{said}");
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let listed = |dir: &str| fs::read_dir(data.join(dir)).into_iter().flatten();
    let mut found: Vec<_> = listed("archive").chain(listed("journal")).map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    found.sort_by_key(|path| path.file_name().map(std::ffi::OsStr::to_owned));
    found
}

#[test]
fn what_a_seal_still_says_when_old_records_are_gone() {
    let mut world = World::new();
    world.orders(1, 600);
    world.make("old.json", &["seal", "--data-dir", "data"]);
    world.make("proof.json", &["prove", "--data-dir", "data", "--seal", "old.json", "--lsn", "7"]);
    world.orders(2, 600);
    world.stop();
    world.make("new.json", &["seal", "--data-dir", "data"]);
    let kept = segments(&world.path("data"));
    assert!(kept.len() >= 3, "{kept:?}");
    fs::remove_file(&kept[0]).unwrap();
    let oldest: u64 = kept[1].file_stem().unwrap().to_str().unwrap().parse().unwrap();
    let sealed = world.json("old.json")["records"].as_u64().unwrap();
    assert!(oldest < sealed, "{oldest}");

    // By what was handed over before, nothing is lost.
    printed(&world.journal(&["verify", "--seal", "old.json", "--proof", "proof.json"]));
    for seal in ["old.json", "new.json"] {
        let said = printed(&world.journal(&["verify", "--data-dir", "data", "--seal", seal]));
        assert!(
            said.starts_with(&format!("unchanged as far as it is there: the records from lsn {oldest} to ")),
            "{said}"
        );
    }
    // Without the old records there is nothing to go on from but a seal over them.
    for args in [
        ["seal", "--data-dir", "data"].as_slice(),
        &["prove", "--data-dir", "data", "--seal", "new.json", "--lsn", "1100"],
    ] {
        let said = refused(&world.journal(args), 3);
        assert!(said.contains("records from lsn 1 are needed") && said.contains("\nhint: an earlier seal"), "{said}");
        printed(&world.journal(&[args, &["--since", "old.json"]].concat()));
    }
    let (old, new) = (["--since", "old.json"], world.json("new.json")["records"].to_string());
    let again = world.journal(&[["seal", "--data-dir", "data", "--to", &new].as_slice(), &old].concat());
    assert_eq!(printed(&again), fs::read_to_string(world.path("new.json")).unwrap());
    let said =
        printed(&world.journal(&[["verify", "--data-dir", "data", "--seal", "new.json"].as_slice(), &old].concat()));
    assert!(said.starts_with("unchanged: the journal begins"), "{said}");
    let said = refused(
        &world
            .journal(&[["prove", "--data-dir", "data", "--seal", "new.json", "--lsn", "7"].as_slice(), &old].concat()),
        1,
    );
    assert!(said.contains("lsn 7 lies before what is read"), "{said}");

    // What lies between the oldest record and the end is read, too.
    let seal = |file: &str| Seal::parse(&fs::read_to_string(world.path(file)).unwrap()).unwrap();
    let (old, new) = (seal("old.json"), seal("new.json"));
    let check = |since: Option<&Seal>| tplus::seal::check(&world.path("data"), &new, since);
    assert!(check(None).is_ok() && check(Some(&old)).is_ok());
    let mut bytes = fs::read(&kept[1]).unwrap();
    bytes[3 * 512 + 100] ^= 1;
    fs::write(&kept[1], bytes).unwrap();
    for since in [None, Some(&old)] {
        let said = check(since).unwrap_err().to_string();
        assert!(said.contains("damaged at byte 1536"), "{said}");
    }
}

/// What was sealed before is proven from a restored directory, too.
#[test]
fn a_restored_directory_holds_what_was_sealed() {
    let mut world = World::new();
    world.orders(1, 30);
    world.make("seal.json", &["seal", "--data-dir", "data", "--key", "key.pem"]);
    world.stop();
    for args in [
        ["backup", "--data-dir", "data", "--to", "backups"],
        ["restore", "--from", "backups", "--data-dir", "restored"],
    ] {
        printed(&tplus(&args).current_dir(world.root.path()).output().unwrap());
    }
    let prove = ["prove", "--data-dir", "restored", "--seal", "seal.json", "--lsn", "9"];
    let proven = world.journal(&prove);
    assert!(String::from_utf8_lossy(&proven.stderr).contains("restored from a backup"));
    world.make("proof.json", &prove);
    printed(&world.journal(&["verify", "--seal", "seal.json", "--proof", "proof.json"]));
    let said = printed(&world.journal(&["verify", "--data-dir", "restored", "--seal", "seal.json"]));
    assert!(said.contains("unchanged: the journal begins with the "), "{said}");
    let go_on = ["seal", "--data-dir", "restored", "--since", "seal.json", "--key", "key.pem"];
    printed(&world.journal(&go_on));
}

/// An earlier seal of the true chain over another past, as nobody but its maker would have it.
#[test]
fn nobody_signs_a_past_that_they_have_not_signed() {
    let world = World::new();
    world.orders(1, 30);
    world.make("signed.json", &["seal", "--data-dir", "data", "--key", "key.pem"]);
    let mut forged = Seal::parse(&fs::read_to_string(world.path("signed.json")).unwrap()).unwrap();
    let mut tree = tplus::seal::tree::Tree::default();
    (0..forged.records).for_each(|_| tree.push(forged.root));
    (forged.root, forged.peaks, forged.signature) = (tree.root().unwrap(), tree.peaks().to_vec(), None);
    fs::write(world.path("forged.json"), forged.to_string()).unwrap();
    let other = tplus::seal::Key::parse_pem(&PRIVATE.replace("EINTuc", "EINTud")).unwrap();
    fs::write(world.path("theirs.json"), forged.signed(&other).to_string()).unwrap();
    world.orders(2, 30);
    let seal = |since: &str| world.journal(&["seal", "--data-dir", "data", "--key", "key.pem", "--since", since]);
    assert!(refused(&seal("forged.json"), 1).contains("forged.json: it is not signed"));
    assert!(refused(&seal("theirs.json"), 1).contains("theirs.json: it is signed with the key "));
    printed(&seal("signed.json"));
}

#[test]
fn a_seal_is_worth_its_signature() {
    let world = World::new();
    world.make("signed.json", &["seal", "--data-dir", "data", "--key", "key.pem", "--to", "1"]);
    world.make("bare.json", &["seal", "--data-dir", "data", "--to", "1"]);
    let verify = |seal: &str, key: &str| world.journal(&["verify", "--seal", seal, "--public-key", key]);
    assert!(printed(&verify("signed.json", "pub.pem")).contains(", as wanted\n"));
    assert!(refused(&verify("bare.json", "pub.pem"), 1).contains("bare.json: it is not signed"));
    assert!(refused(&verify("signed.json", "other.pem"), 1).contains("it is signed with the key "));
    assert!(refused(&verify("signed.json", "key.pem"), 2).contains("BEGIN PUBLIC KEY"));
    let said = printed(&world.journal(&["verify", "--seal", "bare.json"]));
    assert!(said.contains("signed by nobody: make sure"), "{said}");
    let key = world.json("signed.json")["signature"]["public_key"].as_str().unwrap().to_owned();
    let changed = world.change("signed.json", &key[60..], "abcd");
    let said = refused(&world.journal(&["verify", "--seal", &changed]), 1);
    assert!(said.contains("its signature is not one of the key "), "{said}");
}

#[test]
fn what_makes_no_sense_is_a_usage_error() {
    let world = World::new();
    world.make("seal.json", &["seal", "--data-dir", "data"]);
    for args in [
        ["verify"].as_slice(),
        &["verify", "--proof", "seal.json"],
        &["verify", "--data-dir", "data", "--seal", "seal.json", "--proof", "seal.json"],
        &["prove", "--data-dir", "data", "--seal", "seal.json"],
        &["prove", "--data-dir", "data", "--seal", "seal.json", "--lsn", "1", "--extends", "seal.json"],
        &["seal", "--data-dir", "data", "--to", "0"],
        &["seal", "--data-dir", "data", "--key", "pub.pem"],
    ] {
        refused(&world.journal(args), 2);
    }
    assert!(refused(&world.journal(&["seal", "--data-dir", "data", "--to", "999999"]), 1).contains("ends at lsn "));
    assert!(refused(&world.journal(&["seal", "--data-dir", "nowhere"]), 1).contains("nowhere"));
    assert!(refused(&world.journal(&["verify", "--seal", "key.pem"]), 1).contains("it is no seal"));
}
