//! How often an address may fail within a minute. In memory and bounded: whoever failed longest ago is forgotten first.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use tact_domain::Time;
use tact_service::Problem;

/// For how many addresses it is known.
const ADDRESSES: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// What is counted of each address: since when, and how often.
#[derive(Debug)]
pub(crate) struct Limiter {
    most: u32,
    counted: Mutex<LruCache<IpAddr, (Time, u32)>>,
}

impl Limiter {
    /// So many times within a minute.
    pub(crate) fn new(most: u32) -> Self {
        Self { most, counted: Mutex::new(LruCache::new(ADDRESSES)) }
    }

    /// # Errors
    /// A problem that says when to ask again, if this address has come to its limit.
    pub(crate) fn admit(&self, address: Option<IpAddr>, now: Time) -> Result<(), Problem> {
        let Some(address) = address.map(group) else { return Ok(()) };
        let counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner).peek(&address).copied();
        match counted {
            Some((since, times)) if times >= self.most => match u32::try_from(60 - (now - since).num_seconds()) {
                Ok(left @ 1..=60) => {
                    Err(Problem::too_many("too many attempts from this address; wait, then try again").retry_after(left))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Counts one more of this address.
    pub(crate) fn count(&self, address: Option<IpAddr>, now: Time) {
        let Some(address) = address.map(group) else { return };
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = counted.get_or_insert_mut(address, || (now, 0));
        if !(0..60).contains(&(now - entry.0).num_seconds()) {
            *entry = (now, 0);
        }
        entry.1 = entry.1.saturating_add(1);
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
    fn an_address_is_kept_out_until_its_minute_is_over() {
        let limiter = Limiter::new(3);
        let [one, other]: [Option<IpAddr>; 2] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().ok());
        for second in 0..3 {
            limiter.admit(one, at(second)).unwrap();
            limiter.count(one, at(second));
        }
        assert_eq!(limiter.admit(one, at(59)).unwrap_err().status(), 429);
        limiter.admit(other, at(59)).unwrap();
        limiter.admit(one, at(60)).unwrap();
        limiter.count(one, at(60));
        limiter.admit(one, at(61)).unwrap();
    }

    #[test]
    fn addresses_of_one_caller_count_together_and_none_is_kept_for_ever() {
        let limiter = Limiter::new(1);
        limiter.count("2001:db8::1".parse().ok(), at(0));
        assert!(limiter.admit("2001:db8::ffff:2".parse().ok(), at(1)).is_err());
        assert!(limiter.admit("2001:db8:0:1::1".parse().ok(), at(1)).is_ok());
        for number in 0..20_000_u32 {
            limiter.count(Some(std::net::Ipv4Addr::from(number).into()), at(2));
        }
        assert_eq!(limiter.counted.lock().unwrap().len(), 10_000);
        assert!(limiter.admit("2001:db8::1".parse().ok(), at(3)).is_ok());
    }
}
