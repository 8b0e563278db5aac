//! What is asked about how a merchant stands now.

use std::collections::BTreeSet;

use super::answers::{
    ModelMargin, ShownCleanRecord, ShownForecast, ShownForecastItem, ShownMerchant, ShownNextMultiple, ShownPending,
    ShownQuota, ShownQuote,
};
use super::api::ModelRefusal;
use super::due::Due;
use super::history::{History, Past};
use super::merchant::{ModelMerchant, Release};
use super::plain::{is_id, money};
use super::policy::{Basis, Counts, Policies, PolicyVersion};
use super::proposals::{ProposalState, ShownProposal};
use super::{LARGEST_GUARANTEE, Model, check, malformed, positive};

/// A question other than GetMargin as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    Forecast {
        merchant_id: String,
    },
    Quote {
        merchant_id: String,
        prices: Vec<String>,
    },
    Guarantees {
        merchant_ids: Vec<String>,
    },
    Merchant {
        merchant_id: String,
    },
    Policy {
        version: u64,
    },
    Proposal {
        proposal_id: String,
    },
    Proposals {
        /// Empty: all there are.
        merchant_id: String,
        state: Option<ProposalState>,
        /// For the driver: how many to ask for at once.
        page_size: i32,
    },
    /// What is answered from the history.
    History(History),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    Forecast(ShownForecast),
    Quote(ShownQuote),
    Guarantees { known: Vec<(String, String)>, unknown: Vec<String> },
    Merchant(ShownMerchant),
    Policy { policy: PolicyVersion, latest: u64 },
    Proposals(Vec<ShownProposal>),
    Past(Past),
}

impl Model {
    pub fn ask(&self, query: &Query) -> Result<Told, ModelRefusal> {
        match query {
            Query::Forecast { merchant_id } => self.forecast(merchant_id).map(Told::Forecast),
            Query::Quote { merchant_id, prices } => self.quote(merchant_id, prices).map(Told::Quote),
            Query::Guarantees { merchant_ids } => self.guarantees(merchant_ids),
            Query::Merchant { merchant_id } => self.merchant(merchant_id).map(Told::Merchant),
            Query::Policy { version } => {
                let policies = &self.policies.0;
                let found = policies.iter().find(|policy| policy.version == *version);
                let policy = if *version == 0 { Some(self.version()) } else { found };
                let policy = policy.ok_or(ModelRefusal::Unknown { field: "version" })?.clone();
                Ok(Told::Policy { policy, latest: self.policies.latest().version })
            }
            Query::Proposal { proposal_id } => self.proposal(proposal_id).map(|one| Told::Proposals(vec![one])),
            Query::Proposals { merchant_id, state, .. } => {
                check(merchant_id.is_empty() || is_id(merchant_id), malformed("merchant_id"))?;
                Ok(Told::Proposals(self.list_proposals(merchant_id, *state)))
            }
            Query::History(history) => self.past(history).map(Told::Past),
        }
    }

    /// The merchant as of now, if it was ever opened.
    pub fn known(&self, merchant_id: &str) -> Result<ModelMerchant, ModelRefusal> {
        check(is_id(merchant_id), malformed("merchant_id"))?;
        check(self.merchants.contains_key(merchant_id), ModelRefusal::NotFound)?;
        Ok(self.peek(merchant_id))
    }

    pub fn margin(&self, merchant_id: &str) -> Result<ModelMargin, ModelRefusal> {
        Ok(self.known(merchant_id)?.shown(merchant_id, &self.policies, self.now))
    }

    pub fn merchant(&self, merchant_id: &str) -> Result<ShownMerchant, ModelRefusal> {
        let merchant = self.known(merchant_id)?;
        let required = self.policy().required(&merchant.categories);
        Ok(ShownMerchant {
            merchant_id: merchant_id.into(),
            state: merchant.state,
            guarantee: money(merchant.guarantee),
            categories: merchant.categories.clone(),
            required_guarantee: money(required),
            shortfall: money((required - merchant.guarantee).max(0)),
            holds: merchant.standing_holds().count() as u32,
            open_appeals: merchant.open_appeals() as u32,
            historical_profit: money(merchant.historical_profit()),
            multiple: merchant.multiple(self.policy()),
            entries: merchant.entries.len() as u64,
        })
    }

    /// Does what will fall due, one after another, on a copy.
    fn forecast(&self, merchant_id: &str) -> Result<ShownForecast, ModelRefusal> {
        let mut merchant = self.known(merchant_id)?;
        let available = money(merchant.available);
        let held = if merchant.is_held() { merchant.releasing() } else { 0 };
        let mut items = Vec::new();
        while let Some((due_at, due)) = merchant.outstanding(&self.policies).first().copied() {
            if let Some((amount, income)) = merchant.apply(due_at, due, i64::MAX) {
                let settles = matches!(due, Due::Settlement { .. });
                let available = money(merchant.available);
                items.push(ShownForecastItem { due_at, settles, amount: money(amount), income, available });
            }
        }
        Ok(ShownForecast { merchant_id: merchant_id.into(), as_of: self.now, available, items, held: money(held) })
    }

    fn quote(&self, merchant_id: &str, prices: &[String]) -> Result<ShownQuote, ModelRefusal> {
        check(is_id(merchant_id), malformed("merchant_id"))?;
        check((1..=1_000).contains(&prices.len()), malformed("prices"))?;
        let prices: Vec<i128> = prices.iter().map(|price| positive(price, "prices")).collect::<Result<_, _>>()?;
        let merchant = self.known(merchant_id)?;
        let (version, today) = (self.version(), self.today());
        let policy = &version.policy;
        let multiple = merchant.multiple(policy);
        let day_total = merchant.day_total(today, policy.counts);
        let total: i128 = prices.iter().sum();
        // The least quota that has room for all, and the least whole dollars that give it.
        let least = (day_total + total + i128::from(multiple) - 1) / i128::from(multiple);
        let dollars = (least + 99) / 100;
        let guarantee = dollars * 100;
        // What would really be set aside for that guarantee.
        let reserve = merchant.releasing() + merchant.available;
        let raise = (guarantee - merchant.guarantee).max(0);
        let frozen = guarantee.min(if raise > 0 { merchant.frozen + reserve } else { merchant.frozen });
        let enough = match policy.basis {
            Basis::Guarantee => true,
            Basis::Frozen => frozen * i128::from(multiple) >= day_total + total,
        };
        let exists = enough && guarantee / 100 <= i128::from(LARGEST_GUARANTEE);
        let basis = if policy.basis == Basis::Guarantee { guarantee } else { frozen };
        let above = policy.max_guarantee.is_some_and(|max| guarantee > i128::from(max) * 100);
        let closing = merchant.state != super::MerchantState::Open;
        let with_it = || {
            let covered = raise.min(reserve);
            [money(raise), money(covered), money(basis * i128::from(multiple))]
        };
        Ok(ShownQuote {
            guarantee: exists.then_some((guarantee / 100) as u64),
            with_it: exists.then(with_it),
            multiple,
            day_total: money(day_total),
            orders_total: money(total),
            resets_at: self.policies.start_of(today + 1),
            policy_version: version.version,
            obstacle: !exists || (raise > 0 && (above || closing)),
        })
    }

    fn guarantees(&self, merchant_ids: &[String]) -> Result<Told, ModelRefusal> {
        check((1..=1_000).contains(&merchant_ids.len()), malformed("merchant_ids"))?;
        check(merchant_ids.iter().all(|id| is_id(id)), malformed("merchant_ids"))?;
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for id in merchant_ids {
            match self.merchants.get(id) {
                Some(_) => known.push((id.clone(), money(self.peek(id).guarantee))),
                None => unknown.push(id.clone()),
            }
        }
        Ok(Told::Guarantees { known, unknown })
    }
}

impl ModelMerchant {
    /// What GetMargin shows, when everything due by then was applied.
    pub fn shown(&self, id: &str, policies: &Policies, now: i64) -> ModelMargin {
        let version = policies.version_at(now);
        let policy = &version.policy;
        let today = policies.day_of(now);
        let historical = self.historical_profit();
        let multiple = self.multiple(policy);
        let mut releases: Vec<&Release> = self.open_releases().collect();
        releases.sort_by_key(|release| (release.due_at, release.number));
        let next = policy.tiers.iter().find(|(above, _)| historical <= *above);
        let limit = self.quota(policy);
        let required = policy.required(&self.categories);
        ModelMargin {
            merchant_id: id.to_owned(),
            as_of: now,
            guarantee: money(self.guarantee),
            frozen: money(self.frozen),
            gap: money(self.gap()),
            gap_since: self.gap_since,
            releasing: releases.iter().map(|release| release.shown()).collect(),
            releasing_total: money(self.releasing()),
            available: money(self.available),
            pending: self.shown_pending(policies),
            pending_total: money(self.pending_profit()),
            debt: money(self.debt),
            debt_since: self.debt_since,
            historical_profit: money(historical),
            multiple,
            next_multiple: next.map(|(above, multiple)| ShownNextMultiple {
                multiple: *multiple,
                above: money(*above),
                missing: money(above - historical + 1),
            }),
            quota: ShownQuota {
                limit: money(limit),
                limit_by_frozen: money(self.frozen * i128::from(multiple)),
                limit_by_guarantee: money(self.guarantee * i128::from(multiple)),
                used_all: money(self.day_total(today, Counts::All)),
                used_quick: money(self.day_total(today, Counts::Quick)),
                remaining: money((limit - self.day_total(today, policy.counts)).max(0)),
                resets_at: policies.start_of(today + 1),
                policy_version: version.version,
            },
            categories: self.categories.clone(),
            required_guarantee: money(required),
            shortfall: money((required - self.guarantee).max(0)),
            holds: self.standing_holds().map(|hold| (hold.id.clone(), hold.placed_at)).collect(),
            clean_record: policy.clean_record.map(|days| ShownCleanRecord {
                possible_from: self.clean_from(days).filter(|from| *from > now),
                open_appeals: self.open_appeals() as u32,
            }),
            state: self.state,
            lifetime: self.lifetime().shown(),
            entries: self.entries.len() as u64,
        }
    }

    fn shown_pending(&self, policies: &Policies) -> Vec<ShownPending> {
        let orders = self.orders.iter().filter(|order| !order.settled).map(|order| {
            let key = (order.settles_at, order.day, order.cycle);
            (key, 1, order.profit - order.profit_reversed)
        });
        let bulks = self.bulks.iter().filter(|bulk| !bulk.settled).map(|bulk| {
            let key = (bulk.settles_at, bulk.day, bulk.cycle);
            (key, bulk.orders, bulk.profit)
        });
        let all: Vec<_> = orders.chain(bulks).collect();
        let keys: BTreeSet<_> = all.iter().map(|(key, ..)| *key).collect();
        let one = |key: (i64, i64, super::api::Cycle)| {
            let mine = || all.iter().filter(move |(of, ..)| *of == key);
            ShownPending {
                settles_at: key.0,
                cycle: key.2,
                completed_day: policies.start_of(key.1),
                orders: mine().map(|(_, orders, _)| orders).sum(),
                profit: money(mine().map(|(.., profit)| profit).sum()),
            }
        };
        keys.into_iter().map(one).collect()
    }
}
