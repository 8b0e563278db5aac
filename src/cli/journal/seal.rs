//! `tplus journal seal`, `prove`, and the part of `verify` that is about them. What is checked is said in words, and with whom the reader
//! has to be content: a proof is worth as much as the way on which the seal has come.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use prost::Message as _;

use super::{Exit, Failure, print, record};
use crate::{
    journal::{RecoverError, inspect},
    proto::journal::Record,
    seal::{
        self, Extension, Inclusion, InvalidProof, InvalidSeal, Kept, Key, Proof, PublicKey, Seal, SealError, Unproven,
    },
};

/// The longest file that is read, in bytes: more than a proof with the longest record takes.
const LONGEST: u64 = 256 << 20;

/// What `tplus journal seal` is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct MakeArgs {
    /// The data directory; a server may be using it.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// Seal the records up to this one; all that are durable, if it is not given.
    #[arg(long, value_name = "LSN", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<u64>,
    /// Go on from an earlier seal, and read only what came since.
    #[arg(long, value_name = "SEAL")]
    since: Option<PathBuf>,
    /// Sign with this key of Ed25519: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519` makes it.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

/// What `tplus journal prove` is asked for.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("proven").args(["lsn", "extends"]).required(true))]
pub(super) struct ProveArgs {
    /// The data directory; a server may be using it.
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The seal that the proof is for.
    #[arg(long, value_name = "SEAL")]
    seal: PathBuf,
    /// Prove that the record at this position is sealed.
    #[arg(long, value_name = "LSN", value_parser = clap::value_parser!(u64).range(1..))]
    lsn: Option<u64>,
    /// Prove that the seal goes on from this earlier one.
    #[arg(long, value_name = "SEAL")]
    extends: Option<PathBuf>,
    /// Go on from an earlier seal, whose records need not be there any more.
    #[arg(long, value_name = "SEAL", requires = "lsn")]
    since: Option<PathBuf>,
}

/// What `tplus journal verify` is asked for about seals.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// A seal. By itself: whether it is whole, and what it says.
    #[arg(long, value_name = "SEAL")]
    pub(super) seal: Option<PathBuf>,
    /// A proof for that seal; no data directory is needed.
    #[arg(long, value_name = "PROOF", requires = "seal", conflicts_with = "data_dir")]
    proof: Option<PathBuf>,
    /// The earlier seal, for a proof that one goes on from it; or for a directory that no longer holds its records.
    #[arg(long, value_name = "SEAL", requires = "seal")]
    since: Option<PathBuf>,
    /// The seals have to be signed with this key: PEM, as `openssl pkey -pubout` writes it.
    #[arg(long, value_name = "FILE", requires = "seal")]
    public_key: Option<PathBuf>,
    /// Print what was proven as one JSON object.
    #[arg(long, requires = "proof")]
    json: bool,
}

/// Prints a seal.
pub(super) fn make(args: &MakeArgs) -> Result<(), Failure> {
    let key = args.key.as_deref().map(|file| {
        let key = Key::parse_pem(&read(file)?);
        key.map_err(|error| Failure::new(Exit::Usage, error).during(file.display()))
    });
    let key = key.transpose()?;
    // A seal that goes on from another says again what that says: who signs it has to have signed that.
    let since = args.since.as_deref().map(|file| read_signed(file, key.as_ref().map(Key::public))).transpose()?;
    let seal = seal::make(&args.data_dir, args.to, since.as_ref(), key.as_ref())?;
    since.map_or(Ok(()), |since| note_restored(&args.data_dir, &since))?;
    print(&seal.to_string())
}

/// Prints a proof.
pub(super) fn prove(args: &ProveArgs) -> Result<(), Failure> {
    let seal = read_seal(&args.seal)?;
    if let Some(file) = &args.extends {
        let proof = seal::extend(&args.data_dir, &read_seal(file)?, &seal)?;
        return print(&Proof::Extension(proof).to_string());
    }
    let since = args.since.as_deref().map(read_seal).transpose()?;
    let lsn = args.lsn.unwrap_or_default();
    let (bytes, path) = seal::include(&args.data_dir, &seal, lsn, since.as_ref())?;
    note_restored(&args.data_dir, &seal)?;
    let readable = record::json(lsn, &decoded(lsn, &bytes)?);
    print(&Proof::Inclusion(Inclusion::new(&seal, lsn, bytes, readable, path)).to_string())
}

/// Holds a directory or a proof against a seal, or a seal against itself.
pub(super) fn verify(dir: Option<&Path>, args: &VerifyArgs) -> Result<(), Failure> {
    let Some(file) = &args.seal else { return Ok(()) };
    let key = args.public_key.as_deref().map(|file| {
        let key = PublicKey::parse_pem(&read(file)?);
        key.map_err(|error| Failure::new(Exit::Usage, error).during(file.display()))
    });
    let key = key.transpose()?;
    let seal = read_signed(file, key)?;
    let since = args.since.as_deref().map(|file| read_signed(file, key)).transpose()?;
    let Some(proof) = &args.proof else {
        let found = dir.map(|dir| seal::check(dir, &seal, since.as_ref())).transpose()?;
        dir.map_or(Ok(()), |dir| note_restored(dir, &seal))?;
        return print(&(found.map_or_else(String::new, |kept| still_kept(&seal, kept)) + &said(&seal, key)));
    };
    let text = read(proof)?;
    match Proof::parse(&text).map_err(|error: InvalidProof| failed(error).during(proof.display()))? {
        Proof::Inclusion(proof) if since.is_none() => included(&seal, &proof, key, args.json),
        Proof::Extension(proof) => match since {
            Some(since) => extended(&since, &seal, &proof, key, args.json),
            None => Err(Failure::new(Exit::Usage, "the proof is about two seals; --since names the earlier one")),
        },
        Proof::Inclusion(_) => Err(Failure::new(Exit::Usage, "the proof is of a record, and needs no --since")),
    }
}

/// Says so, where a directory has not the id that was sealed: it was restored, or it would have been refused.
fn note_restored(dir: &Path, seal: &Seal) -> Result<(), Failure> {
    let found = seal::Hex(inspect::identity(dir)?.id);
    if found != seal.directory {
        let sealed = seal.directory;
        // Nobody may be there to read it.
        drop(writeln!(
            io::stderr(),
            "note: the seal is of the data directory {sealed}, and this is {found}, restored from a backup"
        ));
    }
    Ok(())
}

fn included(seal: &Seal, proof: &Inclusion, key: Option<PublicKey>, json: bool) -> Result<(), Failure> {
    proof.verify(seal)?;
    let record = decoded(proof.lsn, &proof.record.0)?;
    let readable = record::json(proof.lsn, &record);
    if proof.readable.as_ref().is_some_and(|theirs| *theirs != readable) {
        let other = "the record is sealed, but the field \"readable\" of the proof says something else than it";
        let hint = format!(
            "it says {readable}\nanother release of tplus may use other words; without the field, the record alone is judged"
        );
        return Err(failed(other).hint(hint));
    }
    if json {
        return print(&format!("{readable}\n"));
    }
    print(&format!(
        "proven: this record is at lsn {}\n{}\n{}",
        proof.lsn,
        record::line(proof.lsn, &record),
        said(seal, key)
    ))
}

fn extended(since: &Seal, seal: &Seal, proof: &Extension, key: Option<PublicKey>, json: bool) -> Result<(), Failure> {
    proof.verify(since, seal)?;
    let (before, after) = (since.records, seal.records);
    if json {
        let proven =
            serde_json::json!({ "since": since.id(), "records_since": before, "seal": seal.id(), "records": after });
        return print(&format!("{proven}\n"));
    }
    print(&format!(
        "proven: the {after} records begin with the {before} of the earlier seal {}\n{}",
        since.id(),
        said(seal, key)
    ))
}

fn still_kept(seal: &Seal, kept: Kept) -> String {
    match kept {
        Kept::Records => format!("unchanged: the journal begins with the {} records that were sealed\n", seal.records),
        Kept::From(oldest) => format!(
            "unchanged as far as it is there: the records from lsn {oldest} to {} belong to the hash chain that was sealed; \
             earlier ones are not in the directory\n",
            seal.chain.lsn
        ),
    }
}

/// What a seal says, and who stands for it.
fn said(seal: &Seal, wanted: Option<PublicKey>) -> String {
    let signed = match (&seal.signature, wanted) {
        (None, _) => "nobody: make sure that it is the one that was handed over or published".to_owned(),
        (Some(by), Some(_)) => format!("{}, as wanted", by.public_key),
        (Some(by), None) => format!("{}: make sure whose key that is, or name it with --public-key", by.public_key),
    };
    let Seal { directory, records, recorded_at, .. } = seal;
    format!(
        "seal: {}\n  data directory {directory}, {records} records, the last one recorded at {recorded_at}\n  signed by {signed}\n",
        seal.id()
    )
}

fn decoded(lsn: u64, bytes: &[u8]) -> Result<Record, Failure> {
    Record::decode(bytes).map_err(|error| failed(error).during(format!("the record at lsn {lsn} cannot be read")))
}

/// A seal, which has to be signed with this key if one is wanted.
fn read_signed(file: &Path, wanted: Option<PublicKey>) -> Result<Seal, Failure> {
    let seal = read_seal(file)?;
    let reason = match (wanted, &seal.signature) {
        (Some(_), None) => "it is not signed".to_owned(),
        (Some(wanted), Some(by)) if by.public_key != wanted => {
            format!("it is signed with the key {}, not with {wanted}", by.public_key)
        }
        _ => return Ok(seal),
    };
    Err(failed(reason).during(file.display()))
}

fn read_seal(file: &Path) -> Result<Seal, Failure> {
    Seal::parse(&read(file)?).map_err(|error: InvalidSeal| failed(error).during(file.display()))
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(file).and_then(|opened| opened.take(LONGEST).read_to_string(&mut text));
    match read {
        Ok(_) => Ok(text),
        Err(error) => Err(failed(error).during(format!("cannot read {}", file.display()))),
    }
}

fn failed(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Failure {
    Failure::new(Exit::Failed, reason)
}

impl From<Unproven> for Failure {
    fn from(unproven: Unproven) -> Self {
        failed(unproven)
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        let exit = match error {
            SealError::Journal(missing @ RecoverError::Missing { .. }) => {
                return Self::from(missing)
                    .hint("an earlier seal over the records that are gone can stand in for them: --since");
            }
            SealError::Journal(error) => return error.into(),
            SealError::Lost { .. } | SealError::Changed { .. } | SealError::OtherChain { .. } => Exit::Damaged,
            SealError::OtherDirectory { .. }
            | SealError::Empty
            | SealError::NotYet { .. }
            | SealError::NotSealed { .. }
            | SealError::WithinBatch { .. }
            | SealError::BeforeOrigin { .. } => Exit::Failed,
        };
        Self::new(exit, error)
    }
}
