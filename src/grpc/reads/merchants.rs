//! Lists of merchants.

use tonic::Status;

use super::{Past, blocking};
use crate::{grpc::convert, proto::v1};

impl Past {
    /// In the order of their ids; how they stand is as of now.
    pub(in crate::grpc) async fn list_merchants(
        &self,
        request: &v1::ListMerchantsRequest,
    ) -> Result<v1::ListMerchantsResponse, Status> {
        let convert::Merchants { stage, after, page } = convert::list_merchants(request)?;
        let position = self.engine.recorded().await.map_err(convert::failed)?;
        self.history.caught_up(position, super::PATIENCE).await.map_err(convert::history_failed)?;
        let (reader, size) = (self.history.reader(), page.size);
        let ids = blocking(move || reader.merchants(after.as_ref(), size)).await?;
        let last = ids.last().map(|id| convert::Cursor { id: id.to_string(), ..convert::Cursor::at(0) });
        let next_page_token = page.next_token(ids.len(), last);
        let views = self.engine.views(&ids, |id, view| (view.merchant.stage(), convert::merchant(id, view)));
        let views = views.await.map_err(convert::failed)?.into_iter().flatten();
        let wanted = views.filter(|(its, _)| stage.is_none_or(|stage| *its == stage));
        Ok(v1::ListMerchantsResponse { merchants: wanted.map(|(_, merchant)| merchant).collect(), next_page_token })
    }
}
