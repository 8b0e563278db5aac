//! Seals over a journal, and proofs that go with them: what an outsider can check without the journal. The formats, and what they prove, are
//! in docs/proofs.md.

mod directory;
mod hex;
mod proof;
mod sign;
mod statement;
pub mod tree;

pub use self::{
    directory::{Kept, SealError, check, extend, include, make},
    hex::{Hash, Hex, HexBytes, InvalidHex},
    proof::{Extension, Inclusion, InvalidProof, Proof, Unproven},
    sign::{InvalidKey, Key, PublicKey},
    statement::{ChainHead, InvalidSeal, Seal, Signature},
};
