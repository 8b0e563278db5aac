//! Messages as the JSON that proto3 defines, by the descriptors that reflection serves too: what grpcurl shows and takes.

use std::sync::OnceLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor, SerializeOptions};
use serde_json::Value;

use super::rpc::Rpc;
use crate::{
    cli::{Exit, Failure},
    proto::v1::DESCRIPTORS,
};

/// The answer of a call.
pub(super) fn answer<R: Rpc>(answer: &R::Answer) -> Result<Value, Failure> {
    named(answer, method(R::METHOD).map(|method| method.output()))
}

/// An item of the list with this name in the answer of a call.
pub(super) fn item<R: Rpc>(item: &impl Message) -> Result<Value, Failure> {
    let listed = |field: prost_reflect::FieldDescriptor| field.is_list().then(|| field.kind().as_message().cloned());
    let found = method(R::METHOD).and_then(|method| method.output().fields().find_map(listed).flatten());
    named(item, found)
}

/// A message of this name of the public API.
pub(super) fn message(name: &str, message: &impl Message) -> Result<Value, Failure> {
    named(message, pool().get_message_by_name(&format!("tplus.v1.{name}")))
}

fn named(message: &impl Message, descriptor: Option<MessageDescriptor>) -> Result<Value, Failure> {
    let unsayable = |error: &dyn std::error::Error| {
        Failure::new(Exit::Failed, error.to_string()).during("the answer cannot be said in JSON")
    };
    let descriptor = descriptor.ok_or_else(|| unsayable(&std::fmt::Error))?;
    let message = DynamicMessage::decode(descriptor, &*message.encode_to_vec()).map_err(|error| unsayable(&error))?;
    message
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|error| unsayable(&error))
}

/// `tplus.v1.Service/Method`.
pub(super) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.split_once('/')?;
    pool().get_service_by_name(service)?.methods().find(|method| method.name() == name)
}

/// The paths of all calls there are.
#[cfg(test)]
pub(super) fn methods() -> impl Iterator<Item = String> {
    let of = |service: prost_reflect::ServiceDescriptor| {
        let paths: Vec<_> =
            service.methods().map(|method| format!("{}/{}", service.full_name(), method.name())).collect();
        paths
    };
    let mut all: Vec<_> = pool().services().flat_map(of).collect();
    all.sort();
    all.into_iter()
}

fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    // They were made by the compiler of this program; a pool without any says that no message is known.
    POOL.get_or_init(|| DescriptorPool::decode(DESCRIPTORS).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::proto::v1::*;

    #[test]
    fn messages_are_the_json_of_proto3() {
        let order = Order {
            merchant_id: "m1".into(),
            settles_at: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 500_000_000 }),
            cycle: SettlementCycle::Quick.into(),
            entry: u64::MAX,
            receipt: Some(Receipt { multiple: 3, ..Receipt::default() }),
            ..Order::default()
        };
        assert_eq!(
            item::<ListOrdersRequest>(&order).unwrap(),
            json!({
                "merchantId": "m1",
                "cycle": "SETTLEMENT_CYCLE_QUICK",
                "settlesAt": "2026-01-01T00:00:00.500Z",
                "receipt": { "multiple": 3 },
                "entry": "18446744073709551615",
            })
        );
        let rules = Policy {
            release_after: Some(prost_types::Duration { seconds: 90, nanos: 0 }),
            category_minimums: [("toys".to_owned(), 50)].into(),
            ..Policy::default()
        };
        assert_eq!(
            message("Policy", &rules).unwrap(),
            json!({ "releaseAfter": "90s", "categoryMinimums": { "toys": "50" } })
        );
    }
}
