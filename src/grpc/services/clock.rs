//! The engine's time.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    grpc::convert,
    proto::v1::{
        AdvanceClockRequest, AdvanceClockResponse, GetClockRequest, GetClockResponse,
        clock_service_server::ClockService,
    },
};

#[async_trait]
impl ClockService for Services {
    async fn get_clock(&self, request: Request<GetClockRequest>) -> Result<Response<GetClockResponse>, Status> {
        admitted(request)?;
        let engine = self.engine()?;
        let now = engine.now().await.map_err(convert::failed)?;
        Ok(Response::new(convert::clock(now, engine.clock_mode())))
    }

    async fn advance_clock(
        &self,
        request: Request<AdvanceClockRequest>,
    ) -> Result<Response<AdvanceClockResponse>, Status> {
        let (session, request) = admitted(request)?;
        let to = convert::advance_clock(&request)?;
        let now = self.engine()?.advance_clock(to, session.caller()).await.map_err(convert::failed)?;
        Ok(Response::new(convert::clock_advanced(now)))
    }
}
