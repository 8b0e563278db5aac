//! Who is asking may not, or nobody knows who he is.

use std::time::Duration;

use tonic::Status;

use super::{exhausted, info, reason, status};
use crate::access::{BadToken, Denied, Exceeded};

/// How long a caller may wait who has too many calls under way: until some of them are answered.
const SOME_ANSWERS: Duration = Duration::from_millis(100);

/// The gate said no.
pub fn denied(denied: &Denied) -> Status {
    let said = denied.to_string();
    match denied {
        Denied::NoCredentials | Denied::CertificateExpired => {
            status(reason::CREDENTIALS_MISSING, said, info(reason::CREDENTIALS_MISSING, []))
        }
        Denied::BadToken(BadToken::Expired) => status(reason::TOKEN_EXPIRED, said, info(reason::TOKEN_EXPIRED, [])),
        Denied::NoTokens | Denied::BadToken(_) => status(reason::TOKEN_INVALID, said, info(reason::TOKEN_INVALID, [])),
        Denied::Unknown { .. } => status(reason::CALLER_UNKNOWN, said, info(reason::CALLER_UNKNOWN, [])),
        Denied::NotPermitted { needs, .. } => status(
            reason::PERMISSION_MISSING,
            said,
            info(reason::PERMISSION_MISSING, [("permission", needs.to_string())]),
        ),
        Denied::NoMethod { .. } => status(reason::PERMISSION_MISSING, said, info(reason::PERMISSION_MISSING, [])),
        Denied::OtherMerchant { merchant, .. } => {
            let figures = [("merchant_id", merchant.chars().take(64).collect())];
            status(reason::MERCHANT_OUT_OF_SCOPE, said, info(reason::MERCHANT_OUT_OF_SCOPE, figures))
        }
        Denied::AllMerchants { .. } => {
            status(reason::MERCHANT_OUT_OF_SCOPE, said, info(reason::MERCHANT_OUT_OF_SCOPE, []))
        }
        Denied::Alone { .. } => status(reason::APPROVAL_REQUIRED, said, info(reason::APPROVAL_REQUIRED, [])),
        Denied::OwnProposal { .. } => {
            status(reason::APPROVER_IS_PROPOSER, said, info(reason::APPROVER_IS_PROPOSER, []))
        }
        Denied::OthersProposal { .. } => status(reason::NOT_THE_PROPOSER, said, info(reason::NOT_THE_PROPOSER, [])),
        Denied::Limited { exceeded, .. } => match exceeded {
            Exceeded::Rate { retry_after } => exhausted(reason::RATE_EXCEEDED, &said, *retry_after),
            // Waiting is of no use: so many never come at once.
            Exceeded::Burst { most } => {
                status(reason::RATE_EXCEEDED, said, info(reason::RATE_EXCEEDED, [("most", most.to_string())]))
            }
            Exceeded::Concurrent { .. } => exhausted(reason::CONCURRENCY_EXCEEDED, &said, SOME_ANSWERS),
        },
    }
}
