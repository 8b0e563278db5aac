//! Rows that hold many things: facts of a merchant, numbers of facts, records of the journal.

mod bytes;
mod facts;
mod numbers;
mod order;
mod records;

pub(super) use bytes::Rest;
pub(super) use facts::{BLOCK, Facts, Line, Noted, Packer, block_start, count, first_line};
pub(super) use numbers::{MOST_NUMBERS, Numbers, pack_numbers};
pub(super) use records::{MOST_RECORDS, Packed, Records, pack_record};
