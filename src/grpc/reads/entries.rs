//! Margin entries and releases.

use tonic::Status;

use super::Past;
use crate::{domain::Thing, grpc::convert, proto::v1};

impl Past {
    pub(in crate::grpc) async fn get_entry(
        &self,
        request: &v1::GetMarginEntryRequest,
    ) -> Result<v1::GetMarginEntryResponse, Status> {
        let (merchant, number) = convert::by_number(&request.merchant_id, request.number)?;
        let of = merchant.clone();
        let entry = self.read(&merchant, move |reader, _| reader.entry(&of, number)).await?;
        let entry = entry.ok_or_else(|| convert::not_there(Thing::Entry, &merchant, &number.to_string()))?;
        Ok(v1::GetMarginEntryResponse { entry: Some(convert::entry(&entry)) })
    }

    pub(in crate::grpc) async fn list_entries(
        &self,
        request: &v1::ListMarginEntriesRequest,
    ) -> Result<v1::ListMarginEntriesResponse, Status> {
        let convert::Entries { list, kinds, from, to } = convert::list_entries(request)?;
        let (of, order, after, size) = (list.merchant.clone(), list.order, list.after(), list.page.size);
        let read =
            self.read(&list.merchant, move |reader, _| reader.entries(&of, &kinds, from, to, order, after, size));
        let entries = read.await?;
        let last = entries.last().map(|entry| convert::Cursor::at(entry.number));
        let next_page_token = list.page.next_token(entries.len(), last);
        Ok(v1::ListMarginEntriesResponse { entries: entries.iter().map(convert::entry).collect(), next_page_token })
    }

    pub(in crate::grpc) async fn get_release(
        &self,
        request: &v1::GetReleaseRequest,
    ) -> Result<v1::GetReleaseResponse, Status> {
        let (merchant, number) = convert::by_number(&request.merchant_id, request.number)?;
        let of = merchant.clone();
        let read = self.read(&merchant, move |reader, now| Ok(reader.release(&of, number)?.map(|row| (row, now))));
        let (row, now) =
            read.await?.ok_or_else(|| convert::not_there(Thing::Release, &merchant, &number.to_string()))?;
        Ok(v1::GetReleaseResponse { release: Some(convert::release_status(&row, now)) })
    }

    pub(in crate::grpc) async fn list_releases(
        &self,
        request: &v1::ListReleasesRequest,
    ) -> Result<v1::ListReleasesResponse, Status> {
        let list = convert::list_releases(request)?;
        let state = convert::release_state_wanted(list.page.request.state)?;
        let (of, order, after, size) = (list.merchant.clone(), list.order, list.after(), list.page.size);
        let read = self.read(&list.merchant, move |reader, now| Ok((reader.releases(&of, order, after, size)?, now)));
        let (rows, now) = read.await?;
        let next_page_token = list.page.next_token(rows.len(), rows.last().map(|row| convert::Cursor::at(row.number)));
        let wanted = rows.iter().filter(|row| state.is_none_or(|state| convert::release_state(row) == state));
        let releases = wanted.map(|row| convert::release_status(row, now)).collect();
        Ok(v1::ListReleasesResponse { releases, next_page_token })
    }
}
