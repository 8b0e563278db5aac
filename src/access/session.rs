//! A call that was admitted, and what it may still be refused for.

use std::{net::SocketAddr, num::NonZeroU32, sync::Arc, time::Duration};

use super::{Access, Attempt, BadToken, Believing, Denied, FourEyes, Grant, Identity, Permission, Scope, UnderWay};
use crate::{
    clock::{Micros, OsTime, TimeSource as _},
    domain::Change,
};

/// Who is asking, in a call that was admitted. There is no default: a call that nobody has admitted has none, and is refused.
#[derive(Clone, Debug)]
pub struct Session(Option<Arc<Admitted>>);

#[derive(Debug)]
struct Admitted {
    access: Arc<Access>,
    identity: Identity,
    grant: Arc<Grant>,
    needs: Permission,
    method: &'static str,
    peer: Option<SocketAddr>,
    standing: Standing,
}

/// What it rests on that somebody is known.
#[derive(Debug)]
pub struct Standing {
    /// Until when, on the wall clock.
    pub(super) until: Option<Micros>,
    /// Which tokens were believed, if he is known by one.
    pub(super) tokens: Option<Believing>,
}

impl Grant {
    /// What a method needs, if this may have it now.
    pub(super) fn admit(&self, path: &str) -> Result<((Permission, &'static str), UnderWay), Denied> {
        let caller = || self.name.to_string();
        let needs = Permission::needed(path).ok_or_else(|| Denied::NoMethod { caller: caller() })?;
        let (needs, method) = needs;
        if !self.may.contains(needs) {
            return Err(Denied::NotPermitted { caller: caller(), needs });
        }
        let limited = |exceeded| {
            self.budget.refused(NonZeroU32::MIN, exceeded);
            Denied::Limited { caller: caller(), exceeded }
        };
        let under_way = self.budget.begin().map_err(limited)?;
        self.budget.take(NonZeroU32::MIN).map_err(limited)?;
        Ok(((needs, method), under_way))
    }
}

impl Session {
    /// Anybody, who may do everything: where nobody is asked who he is.
    pub const fn anybody() -> Self {
        Self(None)
    }

    pub(super) fn new(
        access: Arc<Access>,
        (identity, grant): (Identity, Arc<Grant>),
        (needs, method): (Permission, &'static str),
        peer: Option<SocketAddr>,
        standing: Standing,
    ) -> Self {
        Self(Some(Arc::new(Admitted { access, identity, grant, needs, method, peer, standing })))
    }

    /// Who is asking, as it stands in the records of what comes of it; empty, if nobody was asked.
    pub fn caller(&self) -> &str {
        self.0.as_ref().map_or("", |admitted| &admitted.grant.name)
    }

    /// Whether the call may be about this merchant, by its id as it was given.
    ///
    /// # Errors
    /// [`Denied::OtherMerchant`].
    pub fn may_touch(&self, merchant: &str) -> Result<(), Denied> {
        if self.0.as_ref().is_none_or(|admitted| admitted.grant.merchants.contains(merchant)) {
            return Ok(());
        }
        Err(self.refuse(merchant, |caller| Denied::OtherMerchant { caller, merchant: merchant.to_owned() }))
    }

    /// Whether the call may be about all merchants together.
    ///
    /// # Errors
    /// [`Denied::AllMerchants`].
    pub fn may_touch_all(&self) -> Result<(), Denied> {
        if self.touches_all() { Ok(()) } else { Err(self.refuse("", |caller| Denied::AllMerchants { caller })) }
    }

    /// Whether the caller has another permission than the one that the method needs, for something about a merchant (empty: about all).
    ///
    /// # Errors
    /// [`Denied::NotPermitted`].
    pub fn may(&self, needs: Permission, merchant: &str) -> Result<(), Denied> {
        match &self.0 {
            Some(admitted) if !admitted.grant.may.contains(needs) => {
                Err(self.refuse(merchant, |caller| Denied::NotPermitted { caller, needs }))
            }
            _ => Ok(()),
        }
    }

    /// Whether the rules as they stand now want another one to approve a change.
    pub fn needs_approval(&self, change: &Change) -> bool {
        self.four_eyes().are_needed(change)
    }

    /// How long what the caller proposes may be approved.
    pub fn proposals_last(&self) -> Duration {
        self.four_eyes().expires_after
    }

    fn four_eyes(&self) -> FourEyes {
        self.0.as_ref().map_or_else(FourEyes::default, |admitted| admitted.access.four_eyes())
    }

    /// Writes down that the caller was refused something about a merchant (empty: about all), and answers why.
    pub fn refuse(&self, merchant: &str, why: impl FnOnce(String) -> Denied) -> Denied {
        let denied = why(self.caller().to_owned());
        self.0.as_ref().map_or(denied.clone(), |admitted| admitted.refuse(merchant, denied))
    }

    /// Whether the call may be about any merchant, so that nobody has to look at them one by one.
    pub fn touches_all(&self) -> bool {
        self.0.as_ref().is_none_or(|admitted| admitted.grant.merchants == Scope::All)
    }

    /// Takes so many more of the calls that may come in a second, or none of them: orders of a chunk behind the first.
    ///
    /// # Errors
    /// [`Denied::Limited`].
    pub fn take(&self, more: usize) -> Result<(), Denied> {
        let (Some(admitted), Some(more)) = (&self.0, number(more)) else { return Ok(()) };
        let limited = |exceeded| Denied::Limited { caller: self.caller().to_owned(), exceeded };
        admitted.grant.budget.take(more).map_err(limited)
    }

    /// The same for a call that is refused if they may not come.
    ///
    /// # Errors
    /// [`Denied::Limited`].
    pub fn demand(&self, more: usize) -> Result<(), Denied> {
        let (Some(admitted), Some(more)) = (&self.0, number(more)) else { return Ok(()) };
        admitted.grant.budget.take(more).map_err(|exceeded| {
            admitted.grant.budget.refused(more, exceeded);
            admitted.refuse("", Denied::Limited { caller: self.caller().to_owned(), exceeded })
        })
    }

    /// How many can be taken at once, if ever.
    pub fn most_at_once(&self) -> usize {
        let most = self.0.as_ref().and_then(|admitted| admitted.grant.budget.limits().most_at_once());
        most.map_or(usize::MAX, |most| usize::try_from(most.get()).unwrap_or(usize::MAX))
    }

    /// Whether what was admitted would be admitted now: a stream may outlive a token, or rules that let it begin.
    ///
    /// # Errors
    /// When it would not.
    pub fn stands(&self) -> Result<(), Denied> {
        let Some(admitted) = &self.0 else { return Ok(()) };
        let Standing { until, tokens } = &admitted.standing;
        if until.is_some_and(|until| OsTime.wall() >= until) {
            let denied =
                if tokens.is_some() { Denied::BadToken(BadToken::Expired) } else { Denied::CertificateExpired };
            return Err(admitted.refuse("", denied));
        }
        if tokens.as_ref().is_some_and(|tokens| !admitted.access.believes(tokens)) {
            return Err(admitted.refuse("", Denied::BadToken(BadToken::UnknownKey)));
        }
        let caller = || self.caller().to_owned();
        let now = admitted.access.grant(&admitted.identity);
        let Some(now) = now else { return Err(admitted.refuse("", Denied::Unknown { caller: caller() })) };
        // A stream goes on only with the scope and the limits that its orders are judged by.
        let begun = &admitted.grant;
        let same = now.merchants == begun.merchants && now.budget.limits() == begun.budget.limits();
        if now.may.contains(admitted.needs) && same {
            return Ok(());
        }
        Err(admitted.refuse("", Denied::NotPermitted { caller: caller(), needs: admitted.needs }))
    }
}

/// None of nothing.
fn number(calls: usize) -> Option<NonZeroU32> {
    NonZeroU32::new(u32::try_from(calls).unwrap_or(u32::MAX))
}

impl Admitted {
    fn refuse(&self, merchant: &str, denied: Denied) -> Denied {
        let attempt = Attempt {
            caller: self.grant.name.to_string(),
            peer: self.peer,
            method: self.method.to_owned(),
            merchant: merchant.to_owned(),
        };
        self.access.refuse(attempt, denied)
    }
}
