//! Pages of lists (AIP-158): a token carries the whole request and the place to go on from.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message;
use tonic::Status;

use super::status;
use crate::proto::v1;

/// The size of a page when none is asked for.
const DEFAULT_SIZE: i32 = 50;
/// The largest page.
const MAX_SIZE: i32 = 1_000;

/// A request for a page of a list.
pub trait Paged: Message + Default + Clone {
    /// Its name, so that a token of another list is refused.
    const NAME: &'static str;

    /// How many items are wanted; 0: as many as usual.
    fn page_size(&self) -> i32;

    /// The token of the page before.
    fn page_token(&self) -> &str;

    /// The request without size and token.
    fn filter(&self) -> Self;

    /// The first field that is given and is not as in the request that the token carries.
    fn differs(&self, carried: &Self) -> Option<&'static str>;
}

/// A page to be read.
#[derive(Clone, Debug)]
pub struct Page<R> {
    /// The request, as it was when the first page was asked for.
    pub request: R,
    /// How many items to answer at most.
    pub size: usize,
    /// Where to go on; none: at the beginning.
    pub after: Option<Cursor>,
}

/// The last item of a page, by what its list is ordered by.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Cursor {
    /// A number.
    #[prost(uint64, tag = "1")]
    pub number: u64,
    /// An instant, in microseconds.
    #[prost(int64, tag = "2")]
    pub instant: i64,
    /// An id.
    #[prost(string, tag = "3")]
    pub id: String,
}

impl Cursor {
    /// A place in a list that is ordered by number.
    pub const fn at(number: u64) -> Self {
        Self { number, instant: 0, id: String::new() }
    }
}

/// What a token says.
#[derive(Clone, PartialEq, Eq, Message)]
struct Token {
    #[prost(string, tag = "1")]
    list: String,
    #[prost(bytes = "vec", tag = "2")]
    request: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    after: Option<Cursor>,
}

/// What a request for a page asks for.
///
/// # Errors
/// `INVALID_FIELD` for a size out of bounds, a token that this list did not give, and a field that differs from the one the
/// token carries.
pub fn page<R: Paged>(request: &R) -> Result<Page<R>, Status> {
    let bad = |field: &'static str, reason: String| status::invalid(vec![(field.into(), reason)]);
    let size = match request.page_size() {
        0 => DEFAULT_SIZE,
        size => size,
    };
    let size = usize::try_from(size).ok().filter(|_| (1..=MAX_SIZE).contains(&size));
    let size = size.ok_or_else(|| bad("page_size", format!("has to be 1 to {MAX_SIZE}")))?;
    if request.page_token().is_empty() {
        return Ok(Page { request: request.filter(), size, after: None });
    }
    let carried = open::<R>(request.page_token());
    let (carried, after) = carried.ok_or_else(|| bad("page_token", "is none that this list gave".to_owned()))?;
    match request.differs(&carried) {
        Some(field) => Err(bad(field, "has to be as it was for the first page, or left out".to_owned())),
        None => Ok(Page { request: carried, size, after: Some(after) }),
    }
}

impl<R: Paged> Page<R> {
    /// The token of the next page: none if this one was not full.
    pub fn next_token(&self, items: usize, last: Option<Cursor>) -> String {
        match last {
            Some(last) if items >= self.size => self.token(last),
            _ => String::new(),
        }
    }

    /// The token of a page that goes on after an item.
    pub fn token(&self, after: Cursor) -> String {
        let token = Token { list: R::NAME.to_owned(), request: self.request.encode_to_vec(), after: Some(after) };
        let mut bytes = token.encode_to_vec();
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn open<R: Paged>(token: &str) -> Option<(R, Cursor)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (bytes, sum) = bytes.split_last_chunk::<4>()?;
    if crc32c::crc32c(bytes) != u32::from_le_bytes(*sum) {
        return None;
    }
    let token = Token::decode(bytes).ok().filter(|token| token.list == R::NAME)?;
    Some((R::decode(&*token.request).ok()?, token.after?))
}

macro_rules! paged {
    ($($name:ident { $($field:ident),* })*) => {
        $(impl Paged for v1::$name {
            const NAME: &'static str = stringify!($name);

            fn page_size(&self) -> i32 {
                self.page_size
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            #[allow(clippy::needless_update, reason = "a list without a filter")]
            fn filter(&self) -> Self {
                Self { page_size: 0, page_token: String::new(), ..self.clone() }
            }

            #[allow(unused_variables, reason = "a list without a filter")]
            fn differs(&self, carried: &Self) -> Option<&'static str> {
                let unset = Self::default();
                $(if self.$field != unset.$field && self.$field != carried.$field {
                    return Some(stringify!($field));
                })*
                None
            }
        })*
    };
}

paged! {
    ListOrdersRequest { merchant_id, settles_from, settles_to, newest_first }
    ListMarginEntriesRequest { merchant_id, kinds, from, to, newest_first }
    GetSettlementStatementRequest { merchant_id, date }
    ListReleasesRequest { merchant_id, state, newest_first }
    ListDeductionsRequest { merchant_id, newest_first }
    ListAppealsRequest { merchant_id, state, newest_first }
    ListHoldsRequest { merchant_id, standing_only, newest_first }
    ListMerchantsRequest { state }
    ListPoliciesRequest {}
    ListProposalsRequest { merchant_id, state }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt as _;

    use super::*;

    fn orders(merchant: &str, from: &str, size: i32, token: &str) -> v1::ListOrdersRequest {
        v1::ListOrdersRequest {
            merchant_id: merchant.into(),
            settles_from: from.into(),
            page_size: size,
            page_token: token.into(),
            ..Default::default()
        }
    }

    fn blamed<R: Paged + std::fmt::Debug>(request: &R) -> String {
        let details = page(request).unwrap_err().get_error_details();
        details.bad_request().unwrap().field_violations[0].field.clone()
    }

    #[test]
    fn a_token_keeps_the_filter() {
        let first = page(&orders("m", "2026-01-01", 10, "")).unwrap();
        assert_eq!((first.size, first.after.clone()), (10, None));
        let token = first.next_token(10, Some(Cursor::at(7)));
        for (merchant, from) in [("", ""), ("m", ""), ("m", "2026-01-01")] {
            let next = page(&orders(merchant, from, 20, &token)).unwrap();
            assert_eq!(next.request, first.request);
            assert_eq!((next.size, next.after), (20, Some(Cursor::at(7))));
        }
    }

    #[test]
    fn another_filter_is_refused_with_its_field() {
        let token = page(&orders("m", "2026-01-01", 10, "")).unwrap().token(Cursor::at(7));
        assert_eq!(blamed(&orders("n", "", 0, &token)), "merchant_id");
        assert_eq!(blamed(&orders("", "2026-01-02", 0, &token)), "settles_from");
        let newest_first = v1::ListOrdersRequest { newest_first: true, ..orders("", "", 0, &token) };
        assert_eq!(blamed(&newest_first), "newest_first");
    }

    #[test]
    fn what_is_no_token_of_this_list_is_refused() {
        let token = page(&orders("m", "", 10, "")).unwrap().token(Cursor::at(7));
        let of_other = v1::ListHoldsRequest { page_token: token.clone(), ..Default::default() };
        assert_eq!(blamed(&of_other), "page_token");
        for broken in ["x", "AAAA", &token[1..], &format!("{token}A")] {
            assert_eq!(blamed(&orders("m", "", 0, broken)), "page_token", "{broken}");
        }
        for size in [-1, 1_001] {
            assert_eq!(blamed(&orders("m", "", size, "")), "page_size");
        }
    }

    #[test]
    fn the_last_page_has_no_token() {
        let page = page(&orders("m", "", 10, "")).unwrap();
        assert_eq!(page.next_token(9, Some(Cursor::at(7))), "");
        assert_eq!(page.next_token(0, None), "");
    }
}
