//! The cases that ship, for the policy that ships. A test holds the list against the folder.

/// The cases, each with its file's name.
pub const SHIPPED: &[(&str, &str)] = &[
    (
        "24-hours-are-24-hours-when-the-clocks-go-back.toml",
        include_str!("../../../scenarios/24-hours-are-24-hours-when-the-clocks-go-back.toml"),
    ),
    (
        "24-hours-are-24-hours-when-the-clocks-go-forward.toml",
        include_str!("../../../scenarios/24-hours-are-24-hours-when-the-clocks-go-forward.toml"),
    ),
    ("a-call-after-a-withdrawal-counts.toml", include_str!("../../../scenarios/a-call-after-a-withdrawal-counts.toml")),
    (
        "a-call-after-the-withdrawal-is-a-breach.toml",
        include_str!("../../../scenarios/a-call-after-the-withdrawal-is-a-breach.toml"),
    ),
    (
        "a-call-of-the-patient-answers-their-request.toml",
        include_str!("../../../scenarios/a-call-of-the-patient-answers-their-request.toml"),
    ),
    (
        "a-checkup-is-offered-from-6-to-12-months-after-a-visit.toml",
        include_str!("../../../scenarios/a-checkup-is-offered-from-6-to-12-months-after-a-visit.toml"),
    ),
    ("a-clinic-that-cancels-says-so.toml", include_str!("../../../scenarios/a-clinic-that-cancels-says-so.toml")),
    ("a-consent-runs-out-at-its-moment.toml", include_str!("../../../scenarios/a-consent-runs-out-at-its-moment.toml")),
    ("a-consent-without-a-document-is-none.toml", include_str!("../../../scenarios/a-consent-without-a-document-is-none.toml")),
    (
        "a-contact-entered-late-counts-from-its-time.toml",
        include_str!("../../../scenarios/a-contact-entered-late-counts-from-its-time.toml"),
    ),
    (
        "a-contact-that-does-not-match-its-permit-is-a-breach.toml",
        include_str!("../../../scenarios/a-contact-that-does-not-match-its-permit-is-a-breach.toml"),
    ),
    (
        "a-contact-that-has-begun-does-not-expire.toml",
        include_str!("../../../scenarios/a-contact-that-has-begun-does-not-expire.toml"),
    ),
    (
        "a-contact-that-names-nothing-was-about-the-nearest-of-its-day.toml",
        include_str!("../../../scenarios/a-contact-that-names-nothing-was-about-the-nearest-of-its-day.toml"),
    ),
    (
        "a-death-is-recorded-whoever-tells-of-it.toml",
        include_str!("../../../scenarios/a-death-is-recorded-whoever-tells-of-it.toml"),
    ),
    (
        "a-later-contact-shows-that-the-number-is-right.toml",
        include_str!("../../../scenarios/a-later-contact-shows-that-the-number-is-right.toml"),
    ),
    (
        "a-live-permit-counts-towards-the-overall-limits.toml",
        include_str!("../../../scenarios/a-live-permit-counts-towards-the-overall-limits.toml"),
    ),
    (
        "a-merge-may-be-told-in-each-of-its-steps.toml",
        include_str!("../../../scenarios/a-merge-may-be-told-in-each-of-its-steps.toml"),
    ),
    (
        "a-merge-that-is-undone-leaves-counts-and-refusals-with-both.toml",
        include_str!("../../../scenarios/a-merge-that-is-undone-leaves-counts-and-refusals-with-both.toml"),
    ),
    ("a-missed-appointment-is-no-visit.toml", include_str!("../../../scenarios/a-missed-appointment-is-no-visit.toml")),
    (
        "a-month-after-the-31st-is-the-last-day.toml",
        include_str!("../../../scenarios/a-month-after-the-31st-is-the-last-day.toml"),
    ),
    (
        "a-move-that-is-written-down-late-does-not-undo-a-newer-one.toml",
        include_str!("../../../scenarios/a-move-that-is-written-down-late-does-not-undo-a-newer-one.toml"),
    ),
    (
        "a-moved-appointment-earns-a-new-reminder.toml",
        include_str!("../../../scenarios/a-moved-appointment-earns-a-new-reminder.toml"),
    ),
    (
        "a-notice-is-owed-until-the-later-of-both-starts.toml",
        include_str!("../../../scenarios/a-notice-is-owed-until-the-later-of-both-starts.toml"),
    ),
    (
        "a-patient-who-changes-the-appointment-knows.toml",
        include_str!("../../../scenarios/a-patient-who-changes-the-appointment-knows.toml"),
    ),
    (
        "a-permit-dies-when-something-better-comes.toml",
        include_str!("../../../scenarios/a-permit-dies-when-something-better-comes.toml"),
    ),
    (
        "a-permit-dies-when-the-request-is-answered.toml",
        include_str!("../../../scenarios/a-permit-dies-when-the-request-is-answered.toml"),
    ),
    ("a-permit-dies-with-its-appointment.toml", include_str!("../../../scenarios/a-permit-dies-with-its-appointment.toml")),
    (
        "a-permit-given-back-is-free-however-late-it-is-written-down.toml",
        include_str!("../../../scenarios/a-permit-given-back-is-free-however-late-it-is-written-down.toml"),
    ),
    (
        "a-permit-that-was-used-given-back-or-has-expired-is-dead.toml",
        include_str!("../../../scenarios/a-permit-that-was-used-given-back-or-has-expired-is-dead.toml"),
    ),
    ("a-promotion-counts-for-30-days.toml", include_str!("../../../scenarios/a-promotion-counts-for-30-days.toml")),
    (
        "a-reminder-is-allowed-from-24-to-2-hours-before.toml",
        include_str!("../../../scenarios/a-reminder-is-allowed-from-24-to-2-hours-before.toml"),
    ),
    ("a-reminder-is-tried-twice-at-most.toml", include_str!("../../../scenarios/a-reminder-is-tried-twice-at-most.toml")),
    ("a-repeated-local-time-is-the-earlier.toml", include_str!("../../../scenarios/a-repeated-local-time-is-the-earlier.toml")),
    (
        "a-request-is-answered-on-either-side-of-a-merge.toml",
        include_str!("../../../scenarios/a-request-is-answered-on-either-side-of-a-merge.toml"),
    ),
    (
        "a-request-that-is-written-down-late-may-be-answered-already.toml",
        include_str!("../../../scenarios/a-request-that-is-written-down-late-may-be-answered-already.toml"),
    ),
    (
        "a-robot-that-dials-counts-as-a-phone-call.toml",
        include_str!("../../../scenarios/a-robot-that-dials-counts-as-a-phone-call.toml"),
    ),
    (
        "a-shared-number-is-rung-with-respect-for-all.toml",
        include_str!("../../../scenarios/a-shared-number-is-rung-with-respect-for-all.toml"),
    ),
    ("a-skipped-local-time-moves-forward.toml", include_str!("../../../scenarios/a-skipped-local-time-moves-forward.toml")),
    (
        "a-visit-that-was-noted-as-missed-can-be-corrected.toml",
        include_str!("../../../scenarios/a-visit-that-was-noted-as-missed-can-be-corrected.toml"),
    ),
    (
        "a-wish-for-quiet-that-is-written-down-late-holds-for-todays-hours.toml",
        include_str!("../../../scenarios/a-wish-for-quiet-that-is-written-down-late-holds-for-todays-hours.toml"),
    ),
    (
        "a-withdrawal-ends-the-permits-that-rest-on-the-consent.toml",
        include_str!("../../../scenarios/a-withdrawal-ends-the-permits-that-rest-on-the-consent.toml"),
    ),
    (
        "a-wrong-number-is-wrong-for-all-that-share-it.toml",
        include_str!("../../../scenarios/a-wrong-number-is-wrong-for-all-that-share-it.toml"),
    ),
    ("an-announcement-holds-for-its-window.toml", include_str!("../../../scenarios/an-announcement-holds-for-its-window.toml")),
    (
        "an-announcement-is-of-a-purpose-and-an-occasion.toml",
        include_str!("../../../scenarios/an-announcement-is-of-a-purpose-and-an-occasion.toml"),
    ),
    (
        "an-announcement-that-was-over-is-none-of-the-next-surgery.toml",
        include_str!("../../../scenarios/an-announcement-that-was-over-is-none-of-the-next-surgery.toml"),
    ),
    (
        "an-announcement-written-down-after-the-call-does-not-make-it-right.toml",
        include_str!("../../../scenarios/an-announcement-written-down-after-the-call-does-not-make-it-right.toml"),
    ),
    (
        "an-appointment-booked-late-is-not-on-the-worklist.toml",
        include_str!("../../../scenarios/an-appointment-booked-late-is-not-on-the-worklist.toml"),
    ),
    (
        "an-appointment-is-upcoming-until-it-starts.toml",
        include_str!("../../../scenarios/an-appointment-is-upcoming-until-it-starts.toml"),
    ),
    (
        "an-emergency-needs-a-reason-and-little-else.toml",
        include_str!("../../../scenarios/an-emergency-needs-a-reason-and-little-else.toml"),
    ),
    (
        "an-entry-belongs-to-the-branch-of-its-appointment.toml",
        include_str!("../../../scenarios/an-entry-belongs-to-the-branch-of-its-appointment.toml"),
    ),
    ("an-ignored-invitation-means-no.toml", include_str!("../../../scenarios/an-ignored-invitation-means-no.toml")),
    (
        "an-old-wish-that-is-written-down-late-does-not-replace-a-newer-one.toml",
        include_str!("../../../scenarios/an-old-wish-that-is-written-down-late-does-not-replace-a-newer-one.toml"),
    ),
    (
        "an-unknown-time-zone-is-the-home-branchs.toml",
        include_str!("../../../scenarios/an-unknown-time-zone-is-the-home-branchs.toml"),
    ),
    (
        "an-unused-permit-counts-until-it-expires.toml",
        include_str!("../../../scenarios/an-unused-permit-counts-until-it-expires.toml"),
    ),
    ("calls-of-the-patient-never-count.toml", include_str!("../../../scenarios/calls-of-the-patient-never-count.toml")),
    (
        "consent-is-for-a-purpose-and-a-channel.toml",
        include_str!("../../../scenarios/consent-is-for-a-purpose-and-a-channel.toml"),
    ),
    (
        "counts-of-a-merged-patient-are-the-survivors.toml",
        include_str!("../../../scenarios/counts-of-a-merged-patient-are-the-survivors.toml"),
    ),
    ("declined-counts-as-reached.toml", include_str!("../../../scenarios/declined-counts-as-reached.toml")),
    ("dont-call-me-ends-open-permits.toml", include_str!("../../../scenarios/dont-call-me-ends-open-permits.toml")),
    (
        "eight-attempts-on-all-channels-in-30-days.toml",
        include_str!("../../../scenarios/eight-attempts-on-all-channels-in-30-days.toml"),
    ),
    (
        "feedback-and-recommendations-of-both-sides-of-a-merge-count.toml",
        include_str!("../../../scenarios/feedback-and-recommendations-of-both-sides-of-a-merge-count.toml"),
    ),
    (
        "feedback-is-asked-two-weeks-to-six-months-after-the-latest-recommendation.toml",
        include_str!("../../../scenarios/feedback-is-asked-two-weeks-to-six-months-after-the-latest-recommendation.toml"),
    ),
    ("four-phone-attempts-in-30-days.toml", include_str!("../../../scenarios/four-phone-attempts-in-30-days.toml")),
    ("four-tries-are-enough-for-a-notice.toml", include_str!("../../../scenarios/four-tries-are-enough-for-a-notice.toml")),
    (
        "how-a-contact-ended-may-become-known-later.toml",
        include_str!("../../../scenarios/how-a-contact-ended-may-become-known-later.toml"),
    ),
    (
        "inside-the-hours-that-the-patient-named-it-is-not-quiet.toml",
        include_str!("../../../scenarios/inside-the-hours-that-the-patient-named-it-is-not-quiet.toml"),
    ),
    (
        "late-facts-about-a-merged-patient-go-to-the-survivor.toml",
        include_str!("../../../scenarios/late-facts-about-a-merged-patient-go-to-the-survivor.toml"),
    ),
    ("months-end-early-for-limits-too.toml", include_str!("../../../scenarios/months-end-early-for-limits-too.toml")),
    (
        "no-answer-is-an-attempt-but-reached-nobody.toml",
        include_str!("../../../scenarios/no-answer-is-an-attempt-but-reached-nobody.toml"),
    ),
    ("nobody-calls-the-dead.toml", include_str!("../../../scenarios/nobody-calls-the-dead.toml")),
    ("nobody-calls-the-erased.toml", include_str!("../../../scenarios/nobody-calls-the-erased.toml")),
    ("nobody-is-invited-who-has-booked.toml", include_str!("../../../scenarios/nobody-is-invited-who-has-booked.toml")),
    ("nobody-recommends-themselves.toml", include_str!("../../../scenarios/nobody-recommends-themselves.toml")),
    ("one-phone-attempt-in-24-hours.toml", include_str!("../../../scenarios/one-phone-attempt-in-24-hours.toml")),
    ("quiet-hours-are-the-patients-own-time.toml", include_str!("../../../scenarios/quiet-hours-are-the-patients-own-time.toml")),
    (
        "quiet-hours-include-their-start-and-exclude-their-end.toml",
        include_str!("../../../scenarios/quiet-hours-include-their-start-and-exclude-their-end.toml"),
    ),
    (
        "quiet-hours-set-at-night-leave-the-two-hours-of-a-referral.toml",
        include_str!("../../../scenarios/quiet-hours-set-at-night-leave-the-two-hours-of-a-referral.toml"),
    ),
    (
        "quiet-hours-that-come-soon-shorten-a-permit.toml",
        include_str!("../../../scenarios/quiet-hours-that-come-soon-shorten-a-permit.toml"),
    ),
    (
        "quiet-hours-that-now-cover-a-permit-end-it.toml",
        include_str!("../../../scenarios/quiet-hours-that-now-cover-a-permit-end-it.toml"),
    ),
    ("refusals-survive-a-merge.toml", include_str!("../../../scenarios/refusals-survive-a-merge.toml")),
    ("several-reasons-are-all-said.toml", include_str!("../../../scenarios/several-reasons-are-all-said.toml")),
    (
        "somebody-in-pain-is-called-back-at-night.toml",
        include_str!("../../../scenarios/somebody-in-pain-is-called-back-at-night.toml"),
    ),
    ("the-latest-word-by-its-time-decides.toml", include_str!("../../../scenarios/the-latest-word-by-its-time-decides.toml")),
    (
        "the-outcome-of-what-began-uses-its-permit.toml",
        include_str!("../../../scenarios/the-outcome-of-what-began-uses-its-permit.toml"),
    ),
    (
        "the-patients-own-quiet-hours-come-on-top.toml",
        include_str!("../../../scenarios/the-patients-own-quiet-hours-come-on-top.toml"),
    ),
    (
        "three-reasonable-calls-make-one-intrusion.toml",
        include_str!("../../../scenarios/three-reasonable-calls-make-one-intrusion.toml"),
    ),
    ("three-tries-for-a-care-referral.toml", include_str!("../../../scenarios/three-tries-for-a-care-referral.toml")),
    (
        "wellbeing-is-asked-from-one-to-fourteen-days-after-surgery.toml",
        include_str!("../../../scenarios/wellbeing-is-asked-from-one-to-fourteen-days-after-surgery.toml"),
    ),
    (
        "what-began-before-a-merge-counts-until-its-outcome.toml",
        include_str!("../../../scenarios/what-began-before-a-merge-counts-until-its-outcome.toml"),
    ),
    (
        "what-cannot-be-true-is-refused-as-bad-input.toml",
        include_str!("../../../scenarios/what-cannot-be-true-is-refused-as-bad-input.toml"),
    ),
    ("what-is-forbidden-is-not-done.toml", include_str!("../../../scenarios/what-is-forbidden-is-not-done.toml")),
    ("what-is-forbidden-leaves-nothing.toml", include_str!("../../../scenarios/what-is-forbidden-leaves-nothing.toml")),
    (
        "what-never-reached-the-line-is-no-attempt.toml",
        include_str!("../../../scenarios/what-never-reached-the-line-is-no-attempt.toml"),
    ),
    (
        "what-overrides-the-overall-limits-still-counts-towards-them.toml",
        include_str!("../../../scenarios/what-overrides-the-overall-limits-still-counts-towards-them.toml"),
    ),
    (
        "what-the-dead-did-before-may-be-written-down-late.toml",
        include_str!("../../../scenarios/what-the-dead-did-before-may-be-written-down-late.toml"),
    ),
    (
        "what-the-survivor-was-told-and-called-stays-with-both.toml",
        include_str!("../../../scenarios/what-the-survivor-was-told-and-called-stays-with-both.toml"),
    ),
    ("who-asks-in-a-call-is-called-back.toml", include_str!("../../../scenarios/who-asks-in-a-call-is-called-back.toml")),
    ("whoever-asks-for-a-call-gets-it.toml", include_str!("../../../scenarios/whoever-asks-for-a-call-gets-it.toml")),
    (
        "whoever-has-just-told-us-is-not-asked-again.toml",
        include_str!("../../../scenarios/whoever-has-just-told-us-is-not-asked-again.toml"),
    ),
    ("withdrawing-everything-withdraws-all.toml", include_str!("../../../scenarios/withdrawing-everything-withdraws-all.toml")),
    (
        "without-about-the-nearest-occasion-is-meant.toml",
        include_str!("../../../scenarios/without-about-the-nearest-occasion-is-meant.toml"),
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    #[test]
    fn every_case_for_the_default_policy_is_shipped() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let of_default: BTreeSet<String> = files
            .filter(|path| std::fs::read_to_string(path).unwrap_or_default().contains("policy = \"default\""))
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        let shipped: BTreeSet<String> = super::SHIPPED.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(shipped, of_default);
    }
}
