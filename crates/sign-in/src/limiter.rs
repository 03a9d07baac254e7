//! How often an address may try within a minute. In memory and bounded: whoever tried longest ago is forgotten first.
//!
//! An attempt is counted before it is made, in one step with the judgement, so that no number of attempts at once gets past the limit.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use chrono::Duration;
use lru::LruCache;
use tact_domain::Time;
use tact_service::Problem;

/// For how many addresses it is known.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// For how long an attempt counts.
const COUNTS: Duration = Duration::minutes(1);

/// The attempts of each address that still count, the earliest first.
#[derive(Debug)]
pub(crate) struct Limiter {
    most: usize,
    counted: Mutex<LruCache<IpAddr, VecDeque<Time>>>,
}

impl Limiter {
    /// So many times within any minute.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, counted: Mutex::new(LruCache::new(ADDRESSES)) }
    }

    /// Counts one more attempt of this address, which is about to be made.
    ///
    /// # Errors
    /// A problem that says when to ask again, if this address has come to its limit; the attempt is then not to be made, and not counted.
    pub(crate) fn count(&self, address: Option<IpAddr>, now: Time) -> Result<(), Problem> {
        let Some(address) = address.map(group) else { return Ok(()) };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let attempts = counted.get_or_insert_mut(address, VecDeque::new);
        // What seems to come later was counted before the clock was set back.
        attempts.retain(|at| *at <= now && now < *at + COUNTS);
        match attempts.front() {
            Some(earliest) if attempts.len() >= self.most => {
                let left = (*earliest + COUNTS - now).num_milliseconds();
                let seconds = u32::try_from((left + 999) / 1000).unwrap_or(1);
                Err(Problem::too_many("too many attempts from this address; wait, then try again").retry_after(seconds))
            }
            _ => {
                attempts.push_back(now);
                Ok(())
            }
        }
    }

    /// Does not count an attempt that was counted at this moment: it went well, or could not be made.
    pub(crate) fn take_back(&self, address: Option<IpAddr>, counted_at: Time) {
        let Some(address) = address.map(group) else { return };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(attempts) = counted.get_mut(&address) else { return };
        if let Some(at) = attempts.iter().rposition(|at| *at == counted_at) {
            attempts.remove(at);
        }
        if attempts.is_empty() {
            counted.pop(&address);
        }
    }
}

/// One caller of IPv6 has a whole network of 64 bits.
fn group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_772_000_000 + seconds, 0).unwrap()
    }

    #[test]
    fn within_any_minute_an_address_tries_so_often_and_no_more() {
        let limiter = Limiter::new(3);
        let [one, other]: [Option<IpAddr>; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().ok());
        for second in [0, 50, 55] {
            limiter.count(one, at(second)).unwrap();
        }
        assert_eq!(limiter.count(one, at(59)).unwrap_err().status(), 429);
        limiter.count(other, at(59)).unwrap();
        // The first one counts no more, the others still do: no minute has more than three.
        limiter.count(one, at(60)).unwrap();
        assert_eq!(limiter.count(one, at(61)).unwrap_err().status(), 429);
        assert_eq!(limiter.count(one, at(109)).unwrap_err().status(), 429);
        limiter.count(one, at(110)).unwrap();
        // A clock that is set back keeps nobody out.
        limiter.count(one, at(0)).unwrap();
    }

    #[test]
    fn what_went_well_does_not_count() {
        let limiter = Limiter::new(1);
        let one = "10.0.0.1".parse().ok();
        for second in 0..5 {
            limiter.count(one, at(second)).unwrap();
            assert_eq!(limiter.count(one, at(second)).unwrap_err().status(), 429, "one is on its way");
            limiter.take_back(one, at(second));
        }
        assert!(limiter.counted.lock().unwrap().is_empty());
    }

    #[test]
    fn addresses_of_one_caller_count_together_and_none_is_kept_for_ever() {
        let limiter = Limiter::new(1);
        limiter.count("2001:db8::1".parse().ok(), at(0)).unwrap();
        assert!(limiter.count("2001:db8::ffff:2".parse().ok(), at(1)).is_err());
        assert!(limiter.count("2001:db8:0:1::1".parse().ok(), at(1)).is_ok());
        for number in 0..20_000_u32 {
            limiter.count(Some(std::net::Ipv4Addr::from(number).into()), at(2)).unwrap();
        }
        assert_eq!(limiter.counted.lock().unwrap().len(), 10_000);
        assert!(limiter.count("2001:db8::1".parse().ok(), at(3)).is_ok());
    }
}
