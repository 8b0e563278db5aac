//! What happens, for whoever wants to follow.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    grpc::reads::Events,
    proto::v1::{WatchEventsRequest, event_service_server::EventService},
};

#[async_trait]
impl EventService for Services {
    type WatchEventsStream = Events;

    async fn watch_events(&self, request: Request<WatchEventsRequest>) -> Result<Response<Events>, Status> {
        let (session, request) = admitted(request)?;
        Ok(Response::new(self.past()?.watch(&request, session, self.slot.draining()).await?))
    }
}
