//! What a gateway says of a message, and which of several words counts. They come late, twice and out of order: whatever the order in which
//! they come, the same one stands at the end.

use serde::{Deserialize, Serialize};
use tact_domain::{Outcome, Time, UnknownWord, nearest_word};

macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)+) => {
        /// What a gateway says of a message.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Status { $($(#[$doc])* $variant,)+ }

        impl Status {
            /// Every status: first those that say nothing final, then the final ones, of which a later one here goes before an earlier one
            /// of the same moment.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// The words, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl std::str::FromStr for Status {
            type Err = UnknownWord;
            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord {
                        what: "status of a message",
                        got: word.chars().take(80).collect(),
                        known: Self::WORDS,
                        nearest: nearest_word(word, Self::WORDS.iter().copied()),
                    }),
                }
            }
        }
    };
}

statuses! {
    /// The gateway has it.
    Accepted = "accepted",
    /// It is on its way: sent, or the telephone rings.
    Sent = "sent",
    /// It never left the gateway.
    Failed = "failed",
    /// It was not delivered while it was worth delivering.
    Expired = "expired",
    /// It cannot be delivered.
    Undeliverable = "undeliverable",
    /// Nobody answered.
    NoAnswer = "no_answer",
    /// The line was busy.
    Busy = "busy",
    /// A machine answered.
    Voicemail = "voicemail",
    /// It arrived at the patient's device or mailbox.
    Delivered = "delivered",
    /// A person answered the call.
    Answered = "answered",
    /// It was read.
    Read = "read",
    /// The number or address is somebody else's, or nobody's.
    WrongNumber = "wrong_number",
    /// The person asked not to be contacted.
    OptedOut = "opted_out",
}

impl Status {
    /// How the contact ended, if this says so. What may have left us and did not arrive is counted as an attempt: when unsure, do less (P14).
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Accepted | Self::Sent => None,
            Self::Failed => Some(Outcome::Failed),
            Self::Expired | Self::Undeliverable | Self::NoAnswer => Some(Outcome::NoAnswer),
            Self::Busy => Some(Outcome::Busy),
            Self::Voicemail => Some(Outcome::Voicemail),
            Self::Delivered | Self::Answered | Self::Read => Some(Outcome::Reached),
            Self::WrongNumber => Some(Outcome::WrongNumber),
            Self::OptedOut => Some(Outcome::Declined),
        }
    }

    const fn is_final(self) -> bool {
        self.outcome().is_some()
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = std::borrow::Cow::<'de, str>::deserialize(d)?;
        word.parse().map_err(serde::de::Error::custom)
    }
}

/// What is said of a message, and by whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// What.
    pub word: Word,
    /// When it happened, by the clock of whoever says it.
    pub at: Time,
}

/// Who says how a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The gateway.
    Gateway(Status),
    /// We ourselves: it never left us, by proof; or a person has closed it. Whatever the gateway says to the contrary, sooner or later, counts
    /// before it.
    Own(Outcome),
}

impl Said {
    /// How the contact ended by this.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self.word {
            Word::Gateway(status) => status.outcome(),
            Word::Own(outcome) => Some(outcome),
        }
    }

    /// By what one word goes before another: final ones before others, the gateway's before our own, a request to stop before everything,
    /// then the later one. All of one message's words come from one clock, so it matters not how far that is from ours.
    fn weight(&self) -> (bool, bool, bool, Time, Status) {
        match self.word {
            Word::Gateway(status) => (status.is_final(), true, status == Status::OptedOut, self.at, status),
            Word::Own(_) => (true, false, false, self.at, Status::Accepted),
        }
    }

    /// The one of two that counts, whichever came first.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(status: Status, second: i64) -> Said {
        Said { word: Word::Gateway(status), at: Time::from_timestamp(second, 0).unwrap() }
    }

    #[test]
    fn the_same_word_counts_in_whatever_order_they_come() {
        let own = |outcome| Said { word: Word::Own(outcome), at: Time::from_timestamp(9, 0).unwrap() };
        let cases = [
            (vec![said(Status::Accepted, 1), said(Status::Sent, 2), said(Status::Delivered, 3), said(Status::Read, 4)], 3),
            // Non-final words never go before final ones, however late.
            (vec![said(Status::Delivered, 3), said(Status::Sent, 8), said(Status::Accepted, 9)], 0),
            (vec![said(Status::OptedOut, 3), said(Status::Delivered, 8), said(Status::Failed, 9)], 0),
            (vec![said(Status::Undeliverable, 3), said(Status::Delivered, 3)], 1),
            (vec![said(Status::Delivered, 3), said(Status::WrongNumber, 5)], 1),
            // We believed that it never left; the gateway knows better.
            (vec![own(Outcome::Failed), said(Status::Delivered, 3)], 1),
            (vec![own(Outcome::Failed), said(Status::Sent, 30)], 0),
        ];
        for (words, counts) in cases {
            let expected = words[counts];
            for turn in 0..words.len() {
                let mut turned = words.clone();
                turned.rotate_left(turn);
                for order in [turned.clone(), turned.into_iter().rev().collect()] {
                    // Each of them twice, as they come.
                    let counted = order.iter().chain(&order).copied().reduce(Said::or).unwrap();
                    assert_eq!(counted, expected, "{order:?}");
                }
            }
        }
    }

    #[test]
    fn every_word_reads_back() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        assert!("delivred".parse::<Status>().unwrap_err().to_string().contains("did you mean `delivered`?"));
    }
}
