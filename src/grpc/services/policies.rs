//! Policies.

use tonic::{Request, Response, Status, async_trait};

use super::{Services, admitted};
use crate::{
    domain::{Change, InForce},
    engine::PolicyRequest,
    grpc::convert::{self, Cursor},
    proto::v1::{
        EvaluatePolicyRequest, EvaluatePolicyResponse, GetPolicyRequest, GetPolicyResponse, ListPoliciesRequest,
        ListPoliciesResponse, SetPolicyRequest, SetPolicyResponse, policy_service_server::PolicyService,
    },
};

#[async_trait]
impl PolicyService for Services {
    async fn get_policy(&self, request: Request<GetPolicyRequest>) -> Result<Response<GetPolicyResponse>, Status> {
        let (_, request) = admitted(request)?;
        let version = convert::get_policy(&request);
        let (now, policies) = self.engine()?.policies().await.map_err(convert::failed)?;
        let found = match version {
            None => policies.at(now),
            Some(version) => policies.version(version).ok_or_else(|| convert::policy_not_found(version))?,
        };
        Ok(Response::new(convert::policy(found, policies.latest().version)))
    }

    async fn list_policies(
        &self,
        request: Request<ListPoliciesRequest>,
    ) -> Result<Response<ListPoliciesResponse>, Status> {
        let (_, request) = admitted(request)?;
        let page = convert::page(&request)?;
        let (_, policies) = self.engine()?.policies().await.map_err(convert::failed)?;
        let seen = page.after.as_ref().map_or(0, |last| last.number);
        let versions = policies.versions().filter(|version| version.version > seen).take(page.size);
        let versions: Vec<&InForce> = versions.collect();
        let last = versions.last().map_or(seen, |version| version.version);
        let next = if last < policies.latest().version { page.token(Cursor::at(last)) } else { String::new() };
        Ok(Response::new(convert::policies(&versions, next)))
    }

    async fn set_policy(&self, request: Request<SetPolicyRequest>) -> Result<Response<SetPolicyResponse>, Status> {
        let (session, request) = admitted(request)?;
        let request = PolicyRequest { caller: session.caller().to_owned(), ..convert::set_policy(&request)? };
        let alone = request.validate_only || !session.needs_approval(&Change::Policy(request.set.clone()));
        let request = PolicyRequest { validate_only: request.validate_only || !alone, ..request };
        let announced = self.engine()?.set_policy(&request).await.map_err(convert::failed)?;
        if !alone && !announced.replayed {
            return Err(super::alone(&session, ""));
        }
        Ok(Response::new(convert::policy_announced(&announced)))
    }

    async fn evaluate_policy(
        &self,
        request: Request<EvaluatePolicyRequest>,
    ) -> Result<Response<EvaluatePolicyResponse>, Status> {
        let (_, request) = admitted(request)?;
        Ok(Response::new(self.past()?.evaluate(&request).await?))
    }
}
