//! What differs between two policies, in the policy's own terms: each key of the text with what it says in either.
//!
//! Pure. It compares what policies mean and not how they are written: comments, order of purposes and spelling of spans are no difference.
//! Two policies without a difference decide alike.

use std::collections::BTreeMap;

use super::{Distance, Limit, Period, Policy, PurposeRule, Rule};

/// One key of which two policies say different things.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// The key, such as `purpose.promotion.limits`.
    pub path: String,
    /// What the first says; absent: nothing.
    pub from: Option<String>,
    /// What the second says; absent: nothing.
    pub to: Option<String>,
}

/// What a policy says, key by key. Whatever a policy leaves to its default is not said.
pub fn terms(policy: &Policy) -> BTreeMap<String, String> {
    let Policy { version: _, purposes, overall, quiet_hours, holidays } = policy;
    let mut said = BTreeMap::new();
    let mut say = |path: String, text: String| {
        said.insert(path, text);
    };
    if let Some(hours) = quiet_hours {
        say("network.quiet_hours".to_owned(), format!("{} to {}", hours.from.format("%H:%M"), hours.until.format("%H:%M")));
    }
    if !holidays.is_empty() {
        say("network.holidays".to_owned(), listed(holidays));
    }
    if !overall.is_empty() {
        say("overall.limits".to_owned(), limits(overall));
    }
    for (purpose, rule) in purposes {
        match rule {
            PurposeRule::Forbidden(reason) => say(format!("purpose.{purpose}.forbidden"), reason.clone()),
            PurposeRule::Allowed(rule) => rule_terms(rule, |key, text| say(format!("purpose.{purpose}.{key}"), text)),
        }
    }
    said
}

fn rule_terms(rule: &Rule, mut say: impl FnMut(&'static str, String)) {
    let Rule {
        basis,
        occasion,
        unless_booked_ahead,
        window,
        announced,
        limits: limited,
        channels,
        permit_valid_for,
        overrides,
        quiet_hours_override_for,
        agenda,
        reason_required,
    } = rule;
    say("basis", basis.as_str().to_owned());
    if let Some(occasion) = occasion {
        say("occasion", occasion.as_str().to_owned());
    }
    if let Some(window) = window {
        say("window", format!("from {} until {}", distance(window.from), distance(window.until)));
    }
    for (key, set) in [
        ("unless_booked_ahead", unless_booked_ahead),
        ("announced", announced),
        ("agenda", agenda),
        ("reason_required", reason_required),
    ] {
        if *set {
            say(key, "true".to_owned());
        }
    }
    say("limits", limits(limited));
    say("channels", channels.iter().map(|channel| channel.as_str()).collect::<Vec<_>>().join(", "));
    say("permit_valid_for", format!("{} minutes", permit_valid_for.num_minutes()));
    if !overrides.is_empty() {
        let words: Vec<String> = overrides.iter().map(|what| what.as_str().to_owned()).collect();
        say("overrides", words.join(", "));
    }
    if let Some(span) = quiet_hours_override_for {
        say("quiet_hours_override_for", format!("{} minutes", span.num_minutes()));
    }
}

/// In minutes where it has a length, so that 24 hours and a day are one.
fn distance(distance: Distance) -> String {
    let (period, side) = match distance {
        Distance::Before(period) => (period, "before"),
        Distance::After(period) => (period, "after"),
    };
    let period = match (period, period.fixed().map(|length| length.num_minutes())) {
        (Period::Days(_) | Period::Months(_), _) | (_, None) => period.to_string(),
        (_, Some(minutes)) if minutes % (24 * 60) == 0 && minutes > 0 => {
            Period::Days(u32::try_from(minutes / 1440).unwrap_or(0)).to_string()
        }
        (_, Some(minutes)) if minutes % 60 == 0 => Period::Hours(u32::try_from(minutes / 60).unwrap_or(0)).to_string(),
        _ => period.to_string(),
    };
    format!("{period} {side}")
}

/// In their order, in which refusals name them.
fn limits(limits: &[Limit]) -> String {
    listed(limits)
}

fn listed(all: &[impl ToString]) -> String {
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What differs, by key.
pub fn diff(from: &Policy, to: &Policy) -> Vec<Difference> {
    let (from, to) = (terms(from), terms(to));
    let paths: std::collections::BTreeSet<&String> = from.keys().chain(to.keys()).collect();
    let difference = |path: &String| Difference { path: path.clone(), from: from.get(path).cloned(), to: to.get(path).cloned() };
    paths.into_iter().map(difference).filter(|one| one.from != one.to).collect()
}

/// Makes of one policy's terms the other's, by what differs between them.
pub fn apply(terms: &mut BTreeMap<String, String>, differences: &[Difference]) {
    for Difference { path, to, .. } in differences {
        match to {
            Some(text) => drop(terms.insert(path.clone(), text.clone())),
            None => drop(terms.remove(path)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{DEFAULT, text};
    use super::*;

    fn default() -> Policy {
        text::parse(DEFAULT, "default").unwrap()
    }

    /// The default with some of its lines changed, at random and the same at each run.
    fn variant(seed: u64) -> Option<Policy> {
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |end: u64| {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            dice % end
        };
        let line = |line: &str| match below(12) {
            0 => line.replace("attempts = 1", "attempts = 3").replace("agenda = true", "agenda = false"),
            1 => line.replace("24 hours", "48 hours").replace("30 days", "10 days"),
            2 => line.replace("announced = true", "announced = false").replace("\"sms\", ", ""),
            _ => line.to_owned(),
        };
        let changed: Vec<String> = DEFAULT.lines().map(line).collect();
        text::parse(&changed.join("\n"), &format!("v{seed}")).ok()
    }

    #[test]
    fn a_policy_does_not_differ_from_itself_whatever_its_name_and_its_comments() {
        let mut renamed = default();
        renamed.version = "other".into();
        assert_eq!(diff(&default(), &renamed), []);
        let bare: Vec<&str> = DEFAULT.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
        assert_eq!(diff(&default(), &text::parse(&bare.join("\n"), "bare").unwrap()), []);
    }

    #[test]
    fn applying_what_differs_makes_one_of_the_other_and_back() {
        let variants: Vec<Policy> = (0..60).filter_map(variant).collect();
        assert!(variants.len() > 30, "{}", variants.len());
        let mut differing = 0;
        for one in &variants {
            assert_eq!(diff(one, one), []);
            for other in &variants {
                let there = diff(one, other);
                differing += usize::from(!there.is_empty());
                let mut said = terms(one);
                apply(&mut said, &there);
                assert_eq!(said, terms(other));
                let back: Vec<Difference> =
                    there.iter().map(|d| Difference { path: d.path.clone(), from: d.to.clone(), to: d.from.clone() }).collect();
                assert_eq!(back, diff(other, one));
                // No difference means that they say the same but for the name.
                if there.is_empty() {
                    assert_eq!(Policy { version: one.version.clone(), ..other.clone() }, *one);
                }
            }
        }
        assert!(differing > 500, "{differing}");
    }

    #[test]
    fn differences_are_in_the_policys_own_terms() {
        let changed = DEFAULT.replacen("announced = true", "announced = false", 1);
        assert_ne!(changed, DEFAULT);
        let found = diff(&default(), &text::parse(&changed, "changed").unwrap());
        assert_eq!(
            found,
            [Difference { path: "purpose.wellbeing_check.announced".to_owned(), from: Some("true".to_owned()), to: None }]
        );
    }
}
