//! The services: convert, execute, convert.

mod clock;
mod disputes;
mod guarantees;
mod margins;
mod merchants;
mod orders;
mod policies;

use std::sync::Arc;

use tonic::Status;

use super::{EngineSlot, convert};
use crate::{
    domain::{Command, Key, MerchantId},
    engine::{self, Answer, Engine, View},
};

/// All services of `tplus.v1`.
#[derive(Clone, Debug)]
pub struct Services {
    slot: Arc<EngineSlot>,
}

impl Services {
    /// Services that ask the engine in this slot.
    pub const fn new(slot: Arc<EngineSlot>) -> Self {
        Self { slot }
    }

    fn engine(&self) -> Result<Arc<Engine>, Status> {
        self.slot.engine().map_err(convert::not_ready)
    }

    async fn execute<C: Command>(&self, request: engine::Request<C>) -> Result<Answer<C::Fact>, Status> {
        // What is not there is named, though the request is gone by then.
        let merchant = request.merchant.clone();
        let thing = request.command.subject().map(|key| match key {
            Key::Order(id) => id.to_string(),
            Key::Request(id) => id.to_string(),
        });
        let answer = self.engine()?.execute(request).await;
        answer.map_err(|error| convert::failed_about_thing(&merchant, thing.as_deref().unwrap_or_default(), error))
    }

    async fn view(&self, merchant: &MerchantId) -> Result<View, Status> {
        let view = self.engine()?.view(merchant).await;
        view.map_err(|error| convert::failed_about(merchant, error))
    }
}
