//! The services: convert, execute, convert.

use std::sync::Arc;

use tonic::{Request, Response, Status, async_trait};

use super::{EngineSlot, convert};
use crate::{
    domain::Command,
    engine::{self, Answer, Engine},
    proto::v1::{
        AdvanceClockRequest, AdvanceClockResponse, ClassifyOrderRequest, ClassifyOrderResponse, GetClockRequest,
        GetClockResponse, GetMarginRequest, GetMarginResponse, ImportMerchantRequest, ImportMerchantResponse,
        ModifyGuaranteeRequest, ModifyGuaranteeResponse, clock_service_server::ClockService,
        guarantee_service_server::GuaranteeService, margin_service_server::MarginService,
        merchant_service_server::MerchantService, order_service_server::OrderService,
    },
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
        self.engine()?.execute(request).await.map_err(convert::failed)
    }
}

#[async_trait]
impl OrderService for Services {
    async fn classify_order(
        &self,
        request: Request<ClassifyOrderRequest>,
    ) -> Result<Response<ClassifyOrderResponse>, Status> {
        let order = convert::classify_order(&request.into_inner())?;
        let answer = self.execute(order).await?;
        Ok(Response::new(convert::order_classified(&answer)))
    }
}

#[async_trait]
impl GuaranteeService for Services {
    async fn modify_guarantee(
        &self,
        request: Request<ModifyGuaranteeRequest>,
    ) -> Result<Response<ModifyGuaranteeResponse>, Status> {
        let change = convert::modify_guarantee(&request.into_inner())?;
        let answer = self.execute(change).await?;
        Ok(Response::new(convert::guarantee_modified(&answer)))
    }
}

#[async_trait]
impl MerchantService for Services {
    async fn import_merchant(
        &self,
        request: Request<ImportMerchantRequest>,
    ) -> Result<Response<ImportMerchantResponse>, Status> {
        let import = convert::import_merchant(&request.into_inner())?;
        let answer = self.execute(import).await?;
        Ok(Response::new(convert::merchant_imported(&answer)))
    }
}

#[async_trait]
impl MarginService for Services {
    async fn get_margin(&self, request: Request<GetMarginRequest>) -> Result<Response<GetMarginResponse>, Status> {
        let merchant = convert::get_margin(&request.into_inner())?;
        let margin = self.engine()?.margin(&merchant).await;
        let margin = margin.map_err(|error| convert::failed_about(&merchant, error))?;
        Ok(Response::new(convert::margin(&merchant, &margin)))
    }
}

#[async_trait]
impl ClockService for Services {
    async fn get_clock(&self, _: Request<GetClockRequest>) -> Result<Response<GetClockResponse>, Status> {
        let engine = self.engine()?;
        let now = engine.now().await.map_err(convert::failed)?;
        Ok(Response::new(convert::clock(now, engine.clock_mode())))
    }

    async fn advance_clock(
        &self,
        request: Request<AdvanceClockRequest>,
    ) -> Result<Response<AdvanceClockResponse>, Status> {
        let to = convert::advance_clock(&request.into_inner())?;
        let now = self.engine()?.advance_clock(to).await.map_err(convert::failed)?;
        Ok(Response::new(convert::clock_advanced(now)))
    }
}
