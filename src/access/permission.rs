//! What can be permitted, and which method needs what.

use std::{fmt, ops::BitOr};

macro_rules! permissions {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal: [$($method:literal),* $(,)?],)*) => {
        /// Something that a role may be allowed to do; each method of the API needs one of these.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[doc = $doc])* $name,)*
        }

        impl Permission {
            /// Every one of them, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// As it is written in the access file.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }

            /// The methods that need it, without `tplus.v1.`.
            pub const fn methods(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$($method),*],)*
                }
            }
        }
    };
}

permissions! {
    /// Orders are decided on.
    ClassifyOrder = "order.classify": [
        "OrderService/ClassifyOrder", "OrderService/ClassifyOrders", "OrderService/StreamClassifyOrders",
    ],
    /// Orders are given back.
    ReverseOrder = "order.reverse": ["OrderService/ReverseOrder"],
    /// Orders are looked up.
    ReadOrders = "order.read": ["OrderService/GetOrder", "OrderService/ListOrders"],
    /// The guarantee is raised and lowered.
    ModifyGuarantee = "guarantee.modify": ["GuaranteeService/ModifyGuarantee"],
    /// What is shown to shoppers and to the merchant of a guarantee, and its releases.
    ReadGuarantee = "guarantee.read": [
        "GuaranteeService/QuoteGuarantee", "GuaranteeService/BatchGetGuarantees", "GuaranteeService/GetRelease",
        "GuaranteeService/ListReleases",
    ],
    /// A merchant's margin, entries, statements and forecast.
    ReadMargin = "margin.read": [
        "MarginService/GetMargin", "MarginService/GetCashForecast", "MarginService/GetMarginEntry",
        "MarginService/ListMarginEntries", "MarginService/GetSettlementStatement",
    ],
    /// Payments of merchants are taken and returned.
    PayMargin = "margin.pay": ["MarginService/PayMargin", "MarginService/ReturnPayment"],
    /// Money is paid out, or comes back because that failed.
    Withdraw = "margin.withdraw": ["MarginService/Withdraw", "MarginService/FailWithdrawal"],
    /// A balance is put right by hand.
    AdjustBalance = "margin.adjust": ["MarginService/AdjustBalance"],
    /// Something is deducted from a guarantee.
    Deduct = "deduct": ["DisputeService/DeductMargin"],
    /// Deductions and appeals are looked up.
    ReadDisputes = "dispute.read": [
        "DisputeService/GetDeduction", "DisputeService/ListDeductions", "DisputeService/GetAppeal",
        "DisputeService/ListAppeals",
    ],
    /// An appeal is opened on behalf of a merchant.
    OpenAppeal = "appeal.open": ["DisputeService/OpenAppeal"],
    /// An appeal is decided.
    ResolveAppeal = "appeal.resolve": ["DisputeService/ResolveAppeal"],
    /// A merchant with a past comes from another system.
    ImportMerchant = "merchant.import": ["MerchantService/ImportMerchant"],
    /// Merchants and their holds are looked up.
    ReadMerchants = "merchant.read": [
        "MerchantService/GetMerchant", "MerchantService/ListMerchants", "MerchantService/GetHold",
        "MerchantService/ListHolds",
    ],
    /// A merchant's categories are set; a merchant is closed or opened again.
    WriteMerchants = "merchant.write": [
        "MerchantService/SetCategories", "MerchantService/CloseMerchant", "MerchantService/ReopenMerchant",
    ],
    /// Holds are placed and lifted.
    Hold = "hold": ["MerchantService/PlaceHold", "MerchantService/LiftHold"],
    /// The books of all merchants together.
    ReadBooks = "book.read": ["MarginService/GetTrialBalance", "MerchantService/GetExposure", "MerchantService/RankMerchants"],
    /// What happens is followed as it happens.
    WatchEvents = "event.read": ["EventService/WatchEvents"],
    /// Policies are looked up, and tried out on the past.
    ReadPolicy = "policy.read": [
        "PolicyService/GetPolicy", "PolicyService/ListPolicies", "PolicyService/EvaluatePolicy",
    ],
    /// A policy is announced.
    WritePolicy = "policy.write": ["PolicyService/SetPolicy"],
    /// A change is proposed for another to approve, or withdrawn by who has proposed it; it takes the permission for the change, too.
    Propose = "propose": ["ApprovalService/ProposeChange", "ApprovalService/WithdrawProposal"],
    /// What others have proposed is approved or rejected; it takes the permission for the change, too.
    Approve = "approve": ["ApprovalService/ApproveProposal", "ApprovalService/RejectProposal"],
    /// Proposals are looked up.
    ReadProposals = "proposal.read": ["ApprovalService/GetProposal", "ApprovalService/ListProposals"],
    /// The engine's time is asked for.
    ReadClock = "clock.read": ["ClockService/GetClock"],
    /// A manual clock is moved.
    MoveClock = "clock": ["ClockService/AdvanceClock"],
}

/// What begins the path of every method of ours.
const OURS: &str = "/tplus.v1.";

impl Permission {
    /// What a method needs, by its path, as `/tplus.v1.OrderService/ClassifyOrder`. Answers the method without what all begin with, too.
    /// `None`: it is no method of the API.
    pub fn needed(path: &str) -> Option<(Self, &'static str)> {
        let method = path.strip_prefix(OURS)?;
        let needed = |permission: &Self| {
            permission.methods().iter().find(|other| **other == method).map(|method| (*permission, *method))
        };
        Self::ALL.iter().find_map(needed)
    }

    /// The one that is written like this in the access file.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|permission| permission.text() == text)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// All there are.
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// Whether this one is among them.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & Self::bit(permission) != 0
    }

    const fn bit(permission: Permission) -> u32 {
        1 << permission as u32
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |all, one| all | Self::bit(one)))
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeSet;

    use prost::Message as _;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::proto::v1::DESCRIPTORS;

    /// The paths of all methods, as the protos have them.
    fn methods() -> BTreeSet<String> {
        let files = FileDescriptorSet::decode(DESCRIPTORS).unwrap().file;
        let services = files.iter().flat_map(|file| file.service.iter().map(|service| (file.package(), service)));
        let methods = services.flat_map(|(package, service)| {
            service.method.iter().map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
        });
        methods.filter(|path| path.starts_with(OURS)).collect()
    }

    #[test]
    fn every_method_needs_exactly_one_permission_and_no_permission_names_another() {
        let needed = Permission::ALL.iter().flat_map(|permission| permission.methods());
        let named: Vec<_> = needed.map(|method| format!("{OURS}{method}")).collect();
        assert_eq!(named.len(), methods().len());
        assert_eq!(named.into_iter().collect::<BTreeSet<_>>(), methods());
    }

    #[test]
    fn what_is_no_method_needs_nothing_that_anybody_has() {
        let classify = "OrderService/ClassifyOrder";
        assert_eq!(Permission::needed(&format!("{OURS}{classify}")), Some((Permission::ClassifyOrder, classify)));
        for path in ["", "/", "/tplus.v1.OrderService/", "/tplus.v1.OrderService/Classify", "OrderService/GetOrder"] {
            assert_eq!(Permission::needed(path), None, "{path}");
        }
    }

    #[test]
    fn permissions_are_told_by_their_text() {
        for permission in Permission::ALL {
            assert_eq!(Permission::parse(permission.text()), Some(*permission));
            assert!(Permissions::all().contains(*permission));
            assert!(!Permissions::default().contains(*permission));
        }
        assert!(Permission::ALL.len() <= 32, "they fit into the set");
    }
}
