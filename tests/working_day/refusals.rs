//! What is answered to whoever asks at the wrong moment or once more: every reason with its numbers, and the next time at which asking makes
//! sense; and what the quotas, the histories and the figures say of the day.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta};
use serde_json::{Value, json};
use uuid::Uuid;

use super::desk::{Fate, quiet};
use super::truth::{Visit, half_a_year_after, local, utc};
use super::{POLICY, Walk};

/// A patient with one visit in the whole book, as the server knows them.
pub(super) struct One<'t> {
    visit: &'t Visit,
    branch: String,
    patient: Value,
    appointment: Value,
}

impl One<'_> {
    fn ask(&self, purpose: &str, channel: &str) -> Value {
        let mut ask = json!({"purpose": purpose, "channel": channel, "branch": self.branch});
        if purpose == "appointment_reminder" {
            ask["about"] = self.appointment.clone();
        }
        ask
    }

    fn path(&self, what: &str) -> String {
        format!("/v1/patients/{}{what}", self.patient.as_str().unwrap())
    }
}

impl<'t> Walk<'t> {
    /// The first so many patients whose only visit is one of these.
    async fn ones(&self, many: usize, is: impl Fn(&Visit) -> bool) -> Vec<One<'t>> {
        let mut found = Vec::new();
        for visits in self.truth.by_patient().into_values() {
            let &[visit] = &visits[..] else { continue };
            if found.len() == many || visit.booked > self.known || !is(visit) {
                continue;
            }
            let person = self.place.get(&format!("/v1/patients?system=noshow-vitoria&value={}", visit.patient)).await;
            let patient = person["patients"][0]["patient"].clone();
            let theirs = self.place.get(&format!("/v1/patients/{}/appointments", patient.as_str().unwrap())).await;
            assert_eq!(theirs["appointments"].as_array().unwrap().len(), 1, "{theirs}");
            let appointment = theirs["appointments"][0]["appointment"].clone();
            found.push(One { visit, branch: self.branches[&visit.branch].clone(), patient, appointment });
        }
        assert!(found.len() == many, "the book has only {} such patients", found.len());
        found
    }

    async fn refused(&self, one: &One<'_>, purpose: &str, channel: &str, reasons: &[String], next: Option<String>) {
        let minutes = self.place.now().format("%dT%H%M");
        let key = format!("again-{minutes}-{purpose}-{channel}");
        let told = self.desk.refusal(&self.place, &key, &one.patient, one.ask(purpose, channel)).await;
        let what = format!("{purpose} by {channel} at {}: {:?}", self.place.now(), one.visit);
        assert_eq!(told, (reasons.to_vec(), json!(next)), "{}: {what}", self.place.what);
    }

    /// A permit is granted until a moment, and given back.
    async fn granted(&self, one: &One<'_>, purpose: &str, channel: &str, until: NaiveDateTime) {
        let minutes = self.place.now().format("%dT%H%M");
        let key = format!("granted-{minutes}-{}-{purpose}-{channel}", one.visit.patient);
        let permit = self.desk.permit(&self.place, &key, &one.patient, one.ask(purpose, channel)).await;
        assert_eq!(permit["expires_at"], utc(until), "{permit}");
        let outstanding = format!("permit_outstanding next {}", utc(until));
        let mut reasons = vec![outstanding];
        if purpose == "promotion" {
            reasons.insert(0, format!("limit_reached (1 attempt per 30 days): 1/1 next {}", utc(until)));
        }
        // Whoever waits until then may have waited in vain.
        let in_vain = channel == "phone" && quiet(until) || purpose == "appointment_reminder" && one.visit.window().1 <= until;
        self.refused(one, purpose, channel, &reasons, (!in_vain).then(|| utc(until))).await;
        let release = one.path(&format!("/permits/{}/release", permit["permit"].as_str().unwrap()));
        self.place.post(&release, &format!("back-{key}"), json!({})).await;
    }

    pub(super) async fn refusals_before_the_day_begins(&self) {
        let window = |visit: &Visit| format!("from {} until {}", utc(visit.window().0), utc(visit.window().1));
        let nine = |day: &str| utc(local(&format!("{day}T09:00:00")));
        let quiet = format!("quiet_hours next {}", nine("2016-05-30"));
        let day = |day: &'static str| move |visit: &Visit| visit.starts.date() == day.parse().unwrap() && !visit.booked_late();
        for reminded in [false, true] {
            let of_today = self.ones(3, |visit| day("2016-05-30")(visit) && visit.sms.is_some() == reminded).await;
            for one in of_today {
                let late = format!("too_late {}", window(one.visit));
                let done = reminded.then(|| "limit_reached (1 reached per occasion): 1/1".to_owned());
                let by_phone: Vec<String> = [late.clone(), quiet.clone()].into_iter().chain(done.clone()).collect();
                self.refused(&one, "appointment_reminder", "phone", &by_phone, None).await;
                let by_email: Vec<String> = [late].into_iter().chain(done).collect();
                self.refused(&one, "appointment_reminder", "email", &by_email, None).await;
            }
        }
        for one in self.ones(3, day("2016-05-31")).await {
            let early = format!("too_early {} next {}", window(one.visit), utc(one.visit.window().0));
            let reasons = [early.clone(), quiet.clone()];
            self.refused(&one, "appointment_reminder", "phone", &reasons, Some(nine("2016-05-30"))).await;
            let opens = Some(utc(one.visit.window().0));
            self.refused(&one, "appointment_reminder", "email", &[early], opens).await;
        }
        for one in self.ones(3, day("2016-06-01")).await {
            let early = format!("too_early {} next {}", window(one.visit), utc(one.visit.window().0));
            self.refused(&one, "appointment_reminder", "phone", &[early, quiet.clone()], Some(nine("2016-05-31"))).await;
        }
    }

    /// Asks again for what is done, and for what nobody is owed. The patients who were asked about.
    pub(super) async fn refusals_after_the_work(&self) -> Vec<One<'t>> {
        let mut probes = Vec::new();
        for fate in self.fates() {
            for texted in [false, true] {
                let such = |visit: &Visit| self.is_due(visit) && self.desk.fates[&visit.patient] == fate;
                let ones = self.ones(2, |visit| such(visit) && visit.sms.is_some() == texted).await;
                for one in ones {
                    if let Some(reasons) = self.reasons_after_the_work(&one) {
                        self.refused(&one, "appointment_reminder", "phone", &reasons, None).await;
                    }
                    probes.push(one);
                }
            }
        }
        let noon = self.place.now();
        let today = |visit: &Visit| visit.starts.date() == noon.date() && !visit.booked_late();
        let none = || vec!["no_occasion".to_owned()];
        for one in self.ones(2, |visit| today(visit) && !visit.missed && visit.sms.is_none()).await {
            self.refused(&one, "appointment_reminder", "phone", &none(), None).await;
            let (from, until) = (half_a_year_after(one.visit.starts), "2017-05-30T11:00:00Z");
            let early = format!("too_early from {from} until {until} next {from}");
            self.refused(&one, "checkup_invitation", "phone", std::slice::from_ref(&early), Some("2016-11-30T11:00:00Z".into()))
                .await;
            self.refused(&one, "checkup_invitation", "letter", &[early], Some(from)).await;
            for purpose in ["wellbeing_check", "feedback_request", "callback", "care_referral_callback", "cancellation_notice"] {
                self.refused(&one, purpose, "phone", &none(), None).await;
            }
            self.refused(&one, "promotion", "sms", &["consent_missing".into()], None).await;
            let robot = ["channel_not_allowed".into(), "consent_missing".into()];
            self.refused(&one, "promotion", "auto_call", &robot, None).await;
            for purpose in ["visit_survey", "sales_follow_up", "win_back", "how_are_you"] {
                self.refused(&one, purpose, "phone", &["purpose_forbidden".into()], None).await;
            }
            self.refused(&one, "satisfaction", "phone", &["purpose_unknown".into()], None).await;
        }
        for one in self.ones(2, |visit| today(visit) && visit.missed && visit.sms.is_some()).await {
            self.refused(&one, "checkup_invitation", "phone", &none(), None).await;
            let done = ["no_occasion".into(), "limit_reached (1 reached per occasion): 1/1".into()];
            self.refused(&one, "appointment_reminder", "phone", &done, None).await;
        }
        // Called this morning: with consent or without, no other call today.
        let called =
            |visit: &Visit| self.is_due(visit) && self.desk.fates[&visit.patient] == Fate::Reached && visit.sms.is_none();
        let one = self.ones(3, called).await.pop().unwrap();
        let consent = json!({"purpose": "promotion", "channels": ["phone", "sms"], "evidence": {"method": "paper", "document": Uuid::from_u128(1)}});
        self.place.post(&one.path("/consents"), "consent", consent).await;
        let tomorrow = utc(local("2016-05-31T09:05:00"));
        let overall = format!("overall_limit_reached (1 attempt per 24 hours by phone): 1/1 next {tomorrow}");
        self.refused(&one, "promotion", "phone", &[overall], Some(tomorrow)).await;
        self.granted(&one, "promotion", "sms", noon + TimeDelta::minutes(30)).await;
        // Whoever booked this morning was just told, and is on no list; asking is allowed.
        for one in self.ones(2, |visit| self.booked_this_morning(visit)).await {
            self.granted(&one, "appointment_reminder", "phone", noon + TimeDelta::minutes(30)).await;
        }
        probes
    }

    fn fates(&self) -> Vec<Fate> {
        let mut fates: Vec<Fate> = self.desk.fates.values().copied().collect();
        fates.sort_unstable();
        fates.dedup();
        assert_eq!(fates.len(), 10);
        fates
    }

    /// Whether the visit's reminder was on this morning's lists.
    fn is_due(&self, visit: &Visit) -> bool {
        visit.starts == local("2016-05-31T08:00:00") && !visit.booked_late()
    }

    fn booked_this_morning(&self, visit: &Visit) -> bool {
        visit.starts == local("2016-05-31T08:00:00") && visit.booked_late() && visit.booked <= local("2016-05-30T12:01:00")
    }

    /// How many attempts were made to remind of a visit, and how many of them reached the patient: the desk's, and the SMS of noon.
    fn counted(&self, visit: &Visit) -> (u64, u64) {
        let sms = u64::from(visit.sms.is_some());
        let (attempts, reached) = match self.desk.fates[&visit.patient] {
            Fate::SecondTry => (2, 1),
            Fate::TwiceInVain => (2, 0),
            Fate::DoNotCall => (0, 0),
            Fate::Left if sms > 0 => (0, 0),
            _ => (1, 1),
        };
        (attempts + sms, reached + sms)
    }

    fn reasons_after_the_work(&self, one: &One<'_>) -> Option<Vec<String>> {
        let (attempts, reached) = self.counted(one.visit);
        let mut reasons = Vec::new();
        match self.desk.fates[&one.visit.patient] {
            // An SMS that arrives shows that the number is the patient's after all.
            Fate::WrongNumber if one.visit.sms.is_none() => reasons.push("channel_unreachable".to_owned()),
            Fate::DoNotCall => reasons.push("patient_initiated_only".to_owned()),
            _ => {}
        }
        if reached > 0 {
            reasons.push(format!("limit_reached (1 reached per occasion): {reached}/1"));
        }
        if attempts > 1 {
            reasons.push(format!("limit_reached (2 attempts per occasion): {attempts}/2"));
        }
        (!reasons.is_empty()).then_some(reasons)
    }

    pub(super) async fn quotas_and_history(&self, probes: &[One<'t>]) {
        for one in probes {
            let (attempts, reached) = self.counted(one.visit);
            let about = one.appointment.as_str().unwrap();
            let quotas = self.place.get(&one.path(&format!("/quotas?purpose=appointment_reminder&about={about}"))).await;
            let limits = quotas["quotas"][0]["limits"].as_array().unwrap().iter();
            let told: Vec<_> = limits.map(|l| (l["limit"].as_str().unwrap(), l["used"].clone(), l["left"].clone())).collect();
            let line = |limit, max: u64, used: u64| (limit, json!(used), json!(max.saturating_sub(used)));
            let expected = [line("1 reached per occasion", 1, reached), line("2 attempts per occasion", 2, attempts)];
            assert_eq!(told, expected, "{quotas}");

            let history = self.place.get(&one.path("/history")).await;
            let events = history["events"].as_array().unwrap();
            let told: Vec<String> = events.iter().map(in_short).collect();
            let (permitted, made) = ("contact.permitted", "contact.made, a breach: false");
            let then: &[&str] = match self.desk.fates[&one.visit.patient] {
                Fate::Reached | Fate::Declined => &[permitted, made],
                Fate::SecondTry | Fate::TwiceInVain | Fate::WrongNumber | Fate::Failed => &[permitted, made, permitted, made],
                Fate::Held => &[permitted, permitted, made],
                Fate::GivenBack => &[permitted, "contact.permit_released", permitted, made],
                Fate::DoNotCall => &[permitted, "consent.preference_set"],
                Fate::Left => &[],
            };
            let mut expected = vec!["patient.registered", "appointment.booked"];
            // Before the day began some were asked about already; after the work, whoever could be refused.
            let asked = self.desk.in_vain.lock().unwrap().get(one.patient.as_str().unwrap()).copied().unwrap_or_default();
            let asked_after = usize::from(self.reasons_after_the_work(one).is_some());
            expected.extend(std::iter::repeat_n("contact.refused", asked - asked_after));
            expected.extend(then);
            if one.visit.sms.is_some() {
                // Sent by somebody who had not asked, and now there is a policy.
                expected.push("contact.made, a breach: true");
            } else if self.desk.fates[&one.visit.patient] == Fate::Left {
                expected.extend([permitted, made]);
            }
            expected.extend(std::iter::repeat_n("contact.refused", asked_after));
            assert_eq!(told, expected, "{history}");
        }
        for code in self.branches.values().step_by(10) {
            self.place.get(&format!("/v1/quotas?branch={code}&purpose=appointment_reminder&limit=500")).await;
        }
    }

    pub(super) async fn late_bookings_and_the_evening(&self) {
        let [one, other] = &self.ones(4, |visit| self.booked_this_morning(visit)).await[2..] else { unreachable!("four") };
        // A permit lives no longer than what allows it: until the quiet hours, or until the window closes.
        self.at("2016-05-30T19:45:00").await;
        self.granted(one, "appointment_reminder", "phone", local("2016-05-30T20:00:00")).await;
        self.at("2016-05-30T20:00:00").await;
        let (all, callable) = self.look().await;
        assert!(all > 0 && callable == 0);
        let quiet = format!("quiet_hours next {}", utc(local("2016-05-31T09:00:00")));
        self.refused(one, "appointment_reminder", "phone", &[quiet], None).await;
        self.granted(one, "appointment_reminder", "email", local("2016-05-30T20:30:00")).await;
        self.at("2016-05-31T05:45:00").await;
        self.granted(other, "appointment_reminder", "email", local("2016-05-31T06:00:00")).await;
        self.at("2016-05-31T06:00:00").await;
        assert_eq!(self.look().await, (0, 0));
        let late = format!("too_late from {} until {}", utc(one.visit.window().0), utc(one.visit.window().1));
        self.refused(other, "appointment_reminder", "email", &[late], None).await;
    }

    /// The figures of all months, held against the book and the desk's account.
    pub(super) async fn figures(&self) {
        let figures = self.place.get("/v1/figures?from=2016-04&until=2016-06").await;
        let mut contacts: BTreeMap<(String, String), [i64; 3]> = BTreeMap::new();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        for row in figures["contacts"].as_array().unwrap() {
            let sum = contacts.entry((text(row, "channel"), text(row, "outcome"))).or_default();
            for (sum, field) in sum.iter_mut().zip(["made", "breaches", "before_tact"]) {
                *sum += row[field].as_i64().unwrap();
            }
        }
        let mut expected: BTreeMap<(String, String), [i64; 3]> = BTreeMap::new();
        for ((channel, outcome), made) in &*self.desk.made.lock().unwrap() {
            expected.insert(((*channel).to_owned(), (*outcome).to_owned()), [*made, 0, 0]);
        }
        let sms: Vec<NaiveDateTime> = self.truth.visits.iter().filter_map(|visit| visit.sms).collect();
        let count = |many: usize| i64::try_from(many).unwrap();
        let before = sms.iter().filter(|sms| **sms < local(POLICY)).count();
        let row = [count(sms.len()), count(sms.len() - before), count(before)];
        expected.insert(("sms".to_owned(), "reached".to_owned()), row);
        assert_eq!(contacts, expected);

        let mut granted: BTreeMap<String, i64> = BTreeMap::new();
        for row in figures["permits"].as_array().unwrap() {
            *granted.entry(text(row, "purpose")).or_default() += row["granted"].as_i64().unwrap();
        }
        granted.retain(|_, granted| *granted > 0);
        assert_eq!(granted, *self.desk.granted.lock().unwrap());
        let mut refused: BTreeMap<(String, String), i64> = BTreeMap::new();
        for row in figures["refusals"].as_array().unwrap() {
            *refused.entry((text(row, "purpose"), text(row, "code"))).or_default() += row["refused"].as_i64().unwrap();
        }
        assert_eq!(refused, *self.desk.refused.lock().unwrap());
        let patients: i64 = figures["patients"].as_array().unwrap().iter().map(|row| row["patients"].as_i64().unwrap()).sum();
        assert_eq!(patients, 62_299);
    }
}

/// An event of a history: its type, and for contacts whether it was a breach.
fn in_short(event: &Value) -> String {
    let kind = event["type"].as_str().unwrap();
    match event["breach"].as_bool() {
        Some(breach) => format!("{kind}, a breach: {breach}"),
        None => kind.to_owned(),
    }
}
