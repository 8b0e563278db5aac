//! The ways to be told no.

use super::{BadToken, Exceeded, Permission};

/// Why somebody may not do what he asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nothing tells who is asking.
    #[error("the call has neither a client certificate with a name nor a token")]
    NoCredentials,
    /// The client's certificate was good when the connection was made, and has expired since.
    #[error("the client's certificate has expired")]
    CertificateExpired,
    /// There is a token, and none is believed.
    #[error("no tokens are believed here")]
    NoTokens,
    /// The token is not believed.
    #[error("the token {0}")]
    BadToken(BadToken),
    /// Who is asking is told, and nobody knows him.
    #[error("{caller} is not known")]
    Unknown {
        /// Who is asking.
        caller: String,
    },
    /// He has not the permission that the method needs.
    #[error("{caller} has not the permission {needs}")]
    NotPermitted {
        /// Who is asking.
        caller: String,
        /// What it takes.
        needs: Permission,
    },
    /// The method is none of those that anybody may use.
    #[error("there is no such method")]
    NoMethod {
        /// Who is asking.
        caller: String,
    },
    /// The merchant is none of his.
    #[error("{caller} may not touch the merchant {:?}", merchant.chars().take(64).collect::<String>())]
    OtherMerchant {
        /// Who is asking.
        caller: String,
        /// About whom.
        merchant: String,
    },
    /// It is about all merchants, and some of them are none of his.
    #[error("{caller} may only touch some of the merchants, and this is about all")]
    AllMerchants {
        /// Who is asking.
        caller: String,
    },
    /// Nobody may make this change alone.
    #[error("{caller} may not do this alone: propose it, and have another approve it")]
    Alone {
        /// Who is asking.
        caller: String,
    },
    /// He would approve what he has proposed himself.
    #[error("{caller} has proposed this, and it takes another one to approve it")]
    OwnProposal {
        /// Who is asking.
        caller: String,
    },
    /// He would withdraw what another has proposed.
    #[error("{caller} has not proposed this, and cannot withdraw it")]
    OthersProposal {
        /// Who is asking.
        caller: String,
    },
    /// He asks for too much.
    #[error("{caller} asks for more than it may: {exceeded}")]
    Limited {
        /// Who is asking.
        caller: String,
        /// Which limit.
        exceeded: Exceeded,
    },
}

impl Denied {
    /// Who was asking, as far as it is known.
    pub fn caller(&self) -> &str {
        match self {
            Self::NoCredentials | Self::CertificateExpired | Self::NoTokens | Self::BadToken(_) => "",
            Self::Unknown { caller }
            | Self::NotPermitted { caller, .. }
            | Self::NoMethod { caller }
            | Self::OtherMerchant { caller, .. }
            | Self::AllMerchants { caller }
            | Self::Alone { caller }
            | Self::OwnProposal { caller }
            | Self::OthersProposal { caller }
            | Self::Limited { caller, .. } => caller,
        }
    }
}
