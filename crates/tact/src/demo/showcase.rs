//! A few lives that together meet every purpose and every reason to refuse, so that the sample network shows them all whatever the seed.

use chrono::Duration;
use tact_domain::Time;

use super::lives::{Life, Step, Timed, slot};
use super::morning;

/// The day before the sample's morning that is a holiday: Russia Day, a Friday.
pub(super) const HOLIDAY: &str = "2026-06-12";

/// A day before the sample's morning, at a slot.
fn before(days: i64, at: usize) -> Time {
    slot(morning(), -days, at)
}

fn ask(purpose: &'static str, channel: &'static str) -> Step {
    Step::Contact { purpose, channel, about: None, outcome: None }
}

fn contact(purpose: &'static str, channel: &'static str, outcome: &'static str) -> Step {
    Step::Contact { purpose, channel, about: None, outcome: Some(outcome) }
}

fn book(kind: &'static str, starts_at: Time) -> Step {
    Step::Book { number: 0, kind, starts_at }
}

/// The lives. `first` is the number of the first of them.
pub(super) fn lives(first: usize) -> Vec<Life> {
    let consent = |channels: &[&'static str]| Step::Consent { channels: channels.to_vec(), expires: None };
    let surgery = before(6, 0);
    let scripts: Vec<Vec<(Time, Step)>> = vec![
        // What the policy does not know, and what it forbids.
        vec![
            (before(5, 0), ask("birthday_greeting", "phone")),
            (before(5, 0), ask("visit_survey", "phone")),
            (before(5, 0), ask("sales_follow_up", "phone")),
            (before(5, 1), ask("win_back", "sms")),
            (before(5, 1), ask("how_are_you", "messenger")),
        ],
        // A patient who has died.
        vec![(before(9, 0), Step::Die), (before(4, 0), ask("checkup_invitation", "phone"))],
        // Promotions: each way in which consent can fail, the channel that is never used, and the limit.
        vec![
            (before(20, 0), consent(&["sms", "auto_call"])),
            (before(5, 0), ask("promotion", "auto_call")),
            (before(5, 0), ask("promotion", "phone")),
            (before(5, 0), contact("promotion", "sms", "reached")),
            (before(4, 0), ask("promotion", "sms")),
            (before(4, 1), Step::Withdraw),
            (before(3, 1), ask("promotion", "sms")),
        ],
        vec![
            (before(60, 0), Step::Consent { channels: vec!["sms"], expires: Some(before(10, 0)) }),
            (before(5, 0), ask("promotion", "sms")),
        ],
        // A wrong number.
        vec![
            (
                before(8, 0),
                Step::Unasked { purpose: "checkup_invitation", channel: "phone", outcome: "wrong_number", days_late: 0 },
            ),
            (before(5, 1), ask("appointment_reminder", "phone")),
        ],
        // "Don't call me, I'll call you", and a call back that the patient asked for.
        vec![
            (before(10, 0), Step::DontCall),
            (before(6, 0), ask("checkup_invitation", "phone")),
            (before(4, 0), Step::CallMe),
            (before(4, 1), contact("callback", "phone", "reached")),
        ],
        // Too early, quiet hours, and two at work on one reminder.
        vec![
            (before(20, 0), book("consultation", before(1, 1))),
            (before(6, 0), ask("appointment_reminder", "phone")),
            (before(2, 2), ask("appointment_reminder", "phone")),
            (before(1, 0), ask("appointment_reminder", "phone")),
            (before(1, 0), ask("appointment_reminder", "phone")),
        ],
        // A surgery that nobody announced a call for, and one that was called too late.
        vec![
            (before(12, 0), book("surgery", surgery)),
            (before(6, 1), Step::Complete { number: 0 }),
            (before(4, 0), ask("wellbeing_check", "phone")),
        ],
        vec![
            (before(40, 0), book("surgery", before(30, 0))),
            (before(30, 1), Step::Complete { number: 0 }),
            (before(5, 0), ask("wellbeing_check", "phone")),
        ],
        // A surgery whose call was announced for another hour.
        vec![
            (before(12, 0), book("surgery", surgery)),
            (before(6, 1), Step::Complete { number: 0 }),
            (before(6, 1), Step::Announce { number: 0, from: before(4, 1), until: before(4, 1) + Duration::hours(2) }),
            (before(4, 0), ask("wellbeing_check", "phone")),
            (before(4, 1), contact("wellbeing_check", "phone", "reached")),
        ],
        // Never recommended us; called on a holiday; called twice in a day.
        vec![(before(5, 0), ask("feedback_request", "phone"))],
        vec![
            (before(220, 0), book("checkup", before(200, 0))),
            (before(200, 1), Step::Complete { number: 0 }),
            (before(3, 0), ask("checkup_invitation", "phone")),
        ],
        vec![
            (before(220, 0), book("checkup", before(200, 0))),
            (before(200, 1), Step::Complete { number: 0 }),
            (before(30, 0), consent(&["phone"])),
            (before(4, 0), contact("promotion", "phone", "reached")),
            (before(4, 1), ask("checkup_invitation", "phone")),
        ],
        // Danger to life, whatever the hour.
        vec![(before(2, 2), contact("emergency", "phone", "reached"))],
        // A stranger who needs an X-ray: placed elsewhere, called back once, forgotten in a month.
        vec![
            (before(5, 1), Step::Refer { need: "x_ray", provider: 0 }),
            (before(5, 1), Step::Arrange),
            (before(5, 2), contact("care_referral_callback", "phone", "reached")),
            (before(4, 0), Step::CloseReferral),
        ],
        // A stranger who is still to be called back.
        vec![(before(1, 1), Step::Refer { need: "mri", provider: 1 }), (before(1, 2), Step::Arrange)],
        // Someone who asked to be called back this morning.
        vec![(before(1, 2), Step::CallMe)],
        // A surgery three days ago that nobody announced a call for: it stands on the list, and what is in the way stands beside it.
        vec![(before(9, 0), book("surgery", before(3, 0))), (before(3, 1), Step::Complete { number: 0 })],
        // One person under two numbers.
        vec![(before(7, 1), Step::Absorb { other: first })],
    ];
    let life = |(at, script): (usize, Vec<(Time, Step)>)| {
        let name = format!("Пример {}", at + 1);
        let phone = format!("+7 000 000-00-{:02}", at + 1);
        let came = script.iter().map(|(time, _)| *time).min().unwrap_or_else(morning) - Duration::days(1);
        let register = Timed { at: slot(came, 0, 0), step: Step::Register { recommended_by: None, name, phone } };
        let steps = std::iter::once(register).chain(script.into_iter().map(|(at, step)| Timed { at, step })).collect();
        Life { branch: at % 2, steps }
    };
    scripts.into_iter().enumerate().map(life).collect()
}
