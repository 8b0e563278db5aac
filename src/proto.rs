//! The code generated from `proto/`: the public API and the durable format.

#[cfg(feature = "server")]
pub(crate) mod fields;

/// The public API, `tplus.v1`.
pub mod v1 {
    #![allow(missing_docs, clippy::all, reason = "generated; the proto files carry the comments")]
    tonic::include_proto!("tplus.v1");

    /// The descriptors of the public API, as reflection serves them.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tplus_v1.bin"));
}

/// The server of `tplus.v1.OrderService`, with the messages of [`crate::grpc::wire`] for orders by the thousand.
#[cfg(feature = "server")]
pub mod orders {
    #![allow(missing_docs, clippy::all, reason = "generated; the proto files carry the comments")]
    include!(concat!(env!("OUT_DIR"), "/by_hand/tplus.v1.rs"));
}

/// The durable format, `tplus.journal.v1`.
#[cfg(feature = "server")]
pub mod journal {
    #![allow(missing_docs, clippy::all, reason = "generated; the proto files carry the comments")]
    tonic::include_proto!("tplus.journal.v1");
}
