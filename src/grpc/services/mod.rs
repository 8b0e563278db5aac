//! The services: convert, execute, convert.

mod about;
mod approvals;
mod chunks;
mod clock;
mod deciders;
mod disputes;
mod events;
mod guarantees;
mod margins;
mod merchants;
mod orders;
mod policies;

use std::sync::Arc;

use tonic::Status;

use self::{about::admitted, deciders::Deciders};
use super::{
    EngineSlot, convert,
    reads::{Past, Sharing},
};
use crate::{
    access::{Denied, Session},
    domain::{Change, Command, Key, MerchantId},
    engine::{self, Answer, Engine, View},
    trace,
};

/// All services of `tplus.v1`.
#[derive(Clone, Debug)]
pub struct Services {
    slot: Arc<EngineSlot>,
    sharing: Sharing,
    deciders: Deciders,
}

/// How many streams of events there may be at once.
const WATCHERS: usize = 1_024;

impl Services {
    /// Services that ask the engine in this slot.
    pub fn new(slot: Arc<EngineSlot>) -> Self {
        Self { slot, sharing: Sharing::new(WATCHERS), deciders: Deciders::new() }
    }

    fn engine(&self) -> Result<Arc<Engine>, Status> {
        self.slot.engine().map_err(convert::not_ready)
    }

    /// Decides on a command in the name of who is asking.
    async fn execute<C: Command>(
        &self,
        session: &Session,
        request: engine::Request<C>,
    ) -> Result<Answer<C::Fact>, Status> {
        let request = engine::Request { caller: session.caller().to_owned(), ..request };
        // What is not there is named, though the request is gone by then.
        let merchant = request.merchant.clone();
        let thing = request.command.subject().map(|key| match key {
            Key::Order(id) => id.to_string(),
            Key::Request(id) => id.to_string(),
        });
        trace::about(&merchant);
        let answer = self.engine()?.execute(request).await;
        answer.map_err(|error| convert::failed_about_thing(&merchant, thing.as_deref().unwrap_or_default(), error))
    }

    /// The same for a change that it may take another one to approve. What was decided already is answered all the same.
    async fn execute_alone<C: Command + Clone>(
        &self,
        session: &Session,
        request: engine::Request<C>,
        change: impl FnOnce(MerchantId, C) -> Change,
    ) -> Result<Answer<C::Fact>, Status> {
        let merchant = request.merchant.clone();
        if request.validate_only || !session.needs_approval(&change(merchant.clone(), request.command.clone())) {
            return self.execute(session, request).await;
        }
        let looked = self.execute(session, engine::Request { validate_only: true, ..request }).await?;
        if looked.replayed { Ok(looked) } else { Err(alone(session, merchant.as_str())) }
    }

    /// The history, and the engine that it follows.
    fn past(&self) -> Result<Past, Status> {
        let serving = self.slot.serving().map_err(convert::not_ready)?;
        Ok(Past::new(serving, self.sharing.clone()))
    }

    async fn view(&self, merchant: &MerchantId) -> Result<View, Status> {
        trace::about(merchant);
        let view = self.engine()?.view(merchant).await;
        view.map_err(|error| convert::failed_about(merchant, error))
    }
}

/// The caller may not do this alone, and it is written down that he wanted to.
fn alone(session: &Session, merchant: &str) -> Status {
    convert::denied(&session.refuse(merchant, |caller| Denied::Alone { caller }))
}
