//! Deductions, appeals and holds.

use tonic::Status;

use super::Past;
use crate::{
    domain::{AppealOutcome, Fact, MerchantId, RequestId, Standing, Thing},
    grpc::convert,
    history::{Entry, Found, HistoryError, Kind, Reader},
    proto::v1,
};

impl Past {
    pub(in crate::grpc) async fn get_deduction(
        &self,
        request: &v1::GetDeductionRequest,
    ) -> Result<v1::GetDeductionResponse, Status> {
        let (merchant, id) = convert::by_request(&request.merchant_id, "deduction_id", &request.deduction_id)?;
        let (of, deduction) = (merchant.clone(), id.clone());
        let read = self.read(&merchant, move |reader, _| match reader.request(&of, &deduction)? {
            Some(found) => deduction_of(reader, &of, &found),
            None => Ok(None),
        });
        let deduction = read.await?.ok_or_else(|| convert::not_there(Thing::Deduction, &merchant, id.as_str()))?;
        Ok(v1::GetDeductionResponse { deduction: Some(deduction) })
    }

    pub(in crate::grpc) async fn list_deductions(
        &self,
        request: &v1::ListDeductionsRequest,
    ) -> Result<v1::ListDeductionsResponse, Status> {
        let list = convert::list_deductions(request)?;
        let (of, order, after, size) = (list.merchant.clone(), list.order, list.after(), list.page.size);
        let read = self.read(&list.merchant, move |reader, _| {
            let found = reader.of_kind(&of, Kind::MarginDeducted, order, after, size)?;
            let shown = found.iter().map(|found| deduction_of(reader, &of, found));
            Ok((shown.collect::<Result<Vec<_>, _>>()?, last(&found)))
        });
        let (deductions, last) = read.await?;
        let next_page_token = list.page.next_token(deductions.len(), last);
        Ok(v1::ListDeductionsResponse { deductions: deductions.into_iter().flatten().collect(), next_page_token })
    }

    pub(in crate::grpc) async fn get_appeal(
        &self,
        request: &v1::GetAppealRequest,
    ) -> Result<v1::GetAppealResponse, Status> {
        let (merchant, id) = convert::by_request(&request.merchant_id, "deduction_id", &request.deduction_id)?;
        let (of, deduction) = (merchant.clone(), id.clone());
        let read = self.read(&merchant, move |reader, _| appeal_against(reader, &of, &deduction));
        let appeal = read.await?.ok_or_else(|| convert::not_there(Thing::Appeal, &merchant, id.as_str()))?;
        Ok(v1::GetAppealResponse { appeal: Some(appeal) })
    }

    pub(in crate::grpc) async fn list_appeals(
        &self,
        request: &v1::ListAppealsRequest,
    ) -> Result<v1::ListAppealsResponse, Status> {
        let list = convert::list_appeals(request)?;
        let state = convert::appeal_state_wanted(list.page.request.state)?;
        let (of, order, after, size) = (list.merchant.clone(), list.order, list.after(), list.page.size);
        let read = self.read(&list.merchant, move |reader, _| {
            let found = reader.of_kind(&of, Kind::AppealOpened, order, after, size)?;
            let shown = found.iter().map(|found| match &found.entry.event.fact {
                Fact::AppealOpened(fact) => appeal_against(reader, &of, &fact.deduction_id),
                _ => Ok(None),
            });
            Ok((shown.collect::<Result<Vec<_>, _>>()?, last(&found)))
        });
        let (appeals, last) = read.await?;
        let next_page_token = list.page.next_token(appeals.len(), last);
        let wanted = |appeal: &v1::Appeal| state.is_none_or(|state| appeal.state == i32::from(state));
        let appeals = appeals.into_iter().flatten().filter(wanted).collect();
        Ok(v1::ListAppealsResponse { appeals, next_page_token })
    }

    pub(in crate::grpc) async fn get_hold(&self, request: &v1::GetHoldRequest) -> Result<v1::GetHoldResponse, Status> {
        let (merchant, id) = convert::by_request(&request.merchant_id, "hold_id", &request.hold_id)?;
        let (of, hold) = (merchant.clone(), id.clone());
        let read = self.read(&merchant, move |reader, _| match reader.request(&of, &hold)? {
            Some(found) => hold_of(reader, &of, &found),
            None => Ok(None),
        });
        let hold = read.await?.ok_or_else(|| convert::not_there(Thing::Hold, &merchant, id.as_str()))?;
        Ok(v1::GetHoldResponse { hold: Some(hold) })
    }

    pub(in crate::grpc) async fn list_holds(
        &self,
        request: &v1::ListHoldsRequest,
    ) -> Result<v1::ListHoldsResponse, Status> {
        let list = convert::list_holds(request)?;
        let (of, order, after, size) = (list.merchant.clone(), list.order, list.after(), list.page.size);
        let read = self.read(&list.merchant, move |reader, _| {
            let found = reader.of_kind(&of, Kind::HoldPlaced, order, after, size)?;
            let shown = found.iter().map(|found| hold_of(reader, &of, found));
            Ok((shown.collect::<Result<Vec<_>, _>>()?, last(&found)))
        });
        let (holds, last) = read.await?;
        let next_page_token = list.page.next_token(holds.len(), last);
        let standing_only = list.page.request.standing_only;
        let wanted = |hold: &v1::Hold| !standing_only || hold.lifted_at.is_none();
        Ok(v1::ListHoldsResponse { holds: holds.into_iter().flatten().filter(wanted).collect(), next_page_token })
    }
}

fn last(found: &[Found]) -> Option<convert::Cursor> {
    found.last().map(|found| convert::Cursor::at(found.entry.number))
}

/// The facts about a deduction: its appeal, and how that was resolved. About a hold: how it was lifted.
fn later(reader: &Reader, merchant: &MerchantId, found: &Found) -> Result<Vec<Entry>, HistoryError> {
    // A deduction is appealed against once and resolved once, a hold is lifted once.
    const MOST: usize = 2;
    match found.standing {
        Standing::Unchanged => Ok(Vec::new()),
        _ => reader.later(merchant, found.entry.number, MOST).map(|(later, _)| later),
    }
}

fn deduction_of(reader: &Reader, merchant: &MerchantId, found: &Found) -> Result<Option<v1::Deduction>, HistoryError> {
    let outcome = later(reader, merchant, found)?.iter().find_map(outcome);
    Ok(convert::deduction(found, outcome))
}

fn outcome(entry: &Entry) -> Option<AppealOutcome> {
    match &entry.event.fact {
        Fact::AppealResolved(fact) => Some(fact.outcome),
        _ => None,
    }
}

fn appeal_against(
    reader: &Reader,
    merchant: &MerchantId,
    deduction: &RequestId,
) -> Result<Option<v1::Appeal>, HistoryError> {
    let Some(found) = reader.request(merchant, deduction)? else { return Ok(None) };
    let later = later(reader, merchant, &found)?;
    Ok(later.first().and_then(|opened| convert::appeal(opened, &found, later.get(1))))
}

fn hold_of(reader: &Reader, merchant: &MerchantId, found: &Found) -> Result<Option<v1::Hold>, HistoryError> {
    Ok(convert::hold(&found.entry, later(reader, merchant, found)?.first()))
}
