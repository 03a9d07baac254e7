//! Tells a story step by step and holds what comes of it against what was expected.

use chrono_tz::Tz;
use tact_domain::patient::decide::Reason;
use tact_domain::patient::quota::tightest;
use tact_domain::patient::state::Contact;
use tact_domain::patient::{Ask, Decision, Event};
use tact_domain::policy::{Policy, PurposeRule};
use tact_domain::{Code, Direction, Purpose, Time};
use uuid::Uuid;

use crate::report::{Failure, Line, Report};
use crate::story::{Due, Story, Unfit};
use crate::text::{Expect, Scenario, Step, What};

/// Tells a story under a policy. Returns how it went, and the story as it is at its end.
pub fn play(scenario: &Scenario, policy: Policy) -> (Report, Story) {
    let mut told = Telling { scenario, story: Story::new(policy, scenario.time_zone) };
    scenario.numbers.iter().for_each(|people| told.story.share(people));
    let mut failures = Vec::new();
    for (at, step) in scenario.steps.iter().enumerate() {
        let diff = told.step(step);
        if diff.iter().any(|line| !matches!(line, Line::Same(_))) {
            failures.push(Failure { step: at + 1, line: step.line, what: told.describe(step), diff });
        }
    }
    (Report { name: scenario.name.clone(), steps: scenario.steps.len(), failures }, told.story)
}

struct Telling<'a> {
    scenario: &'a Scenario,
    story: Story,
}

impl Telling<'_> {
    fn step(&mut self, step: &Step) -> Vec<Line> {
        let expect = &step.expect;
        match &step.what {
            What::Event(event, recorded_at) => {
                let done = self.story.apply_event(step.patient, (**event).clone(), step.at, *recorded_at);
                let mut diff = self.input(expect, done.as_ref().err());
                if let (Some(expected), Ok(patient)) = (expect.breach, &done) {
                    let got = self.was_breach(*patient, event);
                    compare(&mut diff, Some(format!("breach = {expected}")), got.map(|got| format!("breach = {got}")));
                }
                diff
            }
            What::Ask(ask, with) => self.ask(step, ask, *with),
            What::Quota(purpose, about) => self.quota(step, purpose, *about),
            What::Due(branch) => self.due(step, self.story.due(branch, step.at)),
        }
    }

    /// What was told is taken or refused as input.
    fn input(&self, expect: &Expect, refusal: Option<&Unfit>) -> Vec<Line> {
        let mut diff = Vec::new();
        let got = refusal.map(|refusal| self.with_names(&refusal.to_string()));
        match (&expect.refused_input, got) {
            (None, None) => {}
            (Some(expected), Some(got)) if got.contains(expected.as_str()) => {
                diff.push(Line::Same(format!("refused_input = {got:?}")))
            }
            (expected, got) => {
                diff.extend(expected.as_ref().map(|expected| Line::Expected(format!("refused_input = {expected:?}"))));
                diff.push(Line::Got(got.map_or("taken as it is".to_owned(), |got| format!("refused_input = {got:?}"))));
            }
        }
        diff
    }

    fn was_breach(&self, patient: Uuid, event: &Event) -> Option<bool> {
        let Event::Made(made) = event else { return None };
        self.story.state(patient).contacts.iter().find(|c| c.id == made.contact).map(|c| c.breach)
    }

    fn ask(&mut self, step: &Step, ask: &Ask, with: Option<Uuid>) -> Vec<Line> {
        let expect = &step.expect;
        let answer = self.story.ask(step.patient, ask, with, step.at);
        if let Err(refusal @ Unfit::Field { .. }) = &answer
            && expect.refused_input.is_none()
            && expect.permitted == Some(false)
            && expect.because.is_empty()
        {
            // Refused as bad input is refused as well, where no code is expected.
            return vec![Line::Same(format!("refused_input = {:?}", self.with_names(&refusal.to_string())))];
        }
        let mut diff = self.input(expect, answer.as_ref().err());
        let Ok(decision) = answer else { return diff };
        let word = |yes| format!("decision = {:?}", if yes { "permitted" } else { "refused" });
        let surprised = expect.permitted.is_some_and(|expected| expected != decision.is_permitted());
        compare(&mut diff, expect.permitted.map(word), Some(word(decision.is_permitted())));
        let reasons = decision.reasons();
        let found = |code: Code| reasons.iter().filter(move |r| r.code == code);
        for &code in &expect.because {
            if found(code).next().is_none() {
                diff.push(Line::Expected(format!("because {code}")));
            }
        }
        for reason in reasons {
            let line = format!("because {}", self.reason(reason));
            let unexpected = expect.not_because.contains(&reason.code) || (surprised && !expect.because.contains(&reason.code));
            diff.push(if unexpected { Line::Got(line) } else { Line::Same(line) });
        }
        match &decision {
            Decision::Permitted(permitted) => {
                let told = |time| format!("expires_at = {}", self.time(time));
                compare(&mut diff, expect.expires_at.map(told), Some(told(permitted.expires_at)));
                if let Some(Some(expected)) = expect.next {
                    diff.push(Line::Expected(format!("next = {}", self.time(expected))));
                }
            }
            Decision::Refused(refused) => {
                diff.extend(expect.expires_at.map(|time| Line::Expected(format!("expires_at = {}", self.time(time)))));
                compare(&mut diff, expect.next.map(|next| self.next(next)), Some(self.next(refused.next)));
            }
        }
        diff
    }

    fn quota(&self, step: &Step, purpose: &Purpose, about: Option<Uuid>) -> Vec<Line> {
        let lines = self.story.quota(step.patient, purpose, about, step.at);
        let (limit, used, left, next) = match (tightest(&lines), self.story.policy().purposes.get(purpose)) {
            (Some(line), _) => (line.limit.as_str(), line.used, line.left, line.next),
            (None, Some(PurposeRule::Forbidden(_))) => {
                ("none at all, it is forbidden", self.attempts(step.patient, purpose), 0, None)
            }
            (None, _) => return vec![Line::Got(format!("the policy does not know `{purpose}`, so there is nothing to count"))],
        };
        let expect = &step.expect;
        let mut diff = vec![Line::Same(format!("limit: {limit}"))];
        compare(&mut diff, expect.used.map(|n| format!("used = {n}")), Some(format!("used = {used}")));
        compare(&mut diff, expect.left.map(|n| format!("left = {n}")), Some(format!("left = {left}")));
        // While some are left, the next is allowed at once.
        let next = if left > 0 { Some(step.at) } else { next };
        compare(&mut diff, expect.next.map(|next| self.next(next)), Some(self.next(next)));
        diff
    }

    /// How often somebody was contacted for a purpose at any time.
    fn attempts(&self, patient: Uuid, purpose: &Purpose) -> u32 {
        let state = self.story.state(patient);
        let made = |c: &&Contact| c.direction == Direction::Outbound && c.outcome.is_attempt() && c.purpose == *purpose;
        u32::try_from(state.contacts.iter().filter(made).count()).unwrap_or(u32::MAX)
    }

    fn due(&self, step: &Step, due: Vec<Due>) -> Vec<Line> {
        let mut diff = Vec::new();
        let named = |due: &Due| format!("{}:{}", due.entry.purpose, self.scenario.names.name(due.entry.about));
        let mut got: Vec<(String, &Due)> = due.iter().map(|due| (named(due), due)).collect();
        got.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(expected) = &step.expect.due {
            let mut missing = expected.clone();
            for (entry, due) in &got {
                let line = format!("due {entry}{}", self.obstacles(due));
                match missing.iter().position(|expected| expected == entry) {
                    Some(at) => {
                        missing.remove(at);
                        diff.push(Line::Same(line));
                    }
                    None => diff.push(Line::Got(line)),
                }
            }
            diff.extend(missing.into_iter().map(|entry| Line::Expected(format!("due {entry}"))));
        }
        for (entry, codes) in &step.expect.blocked {
            let found = got.iter().find(|(name, _)| name == entry).map(|(_, due)| due.decision.reasons());
            if let Some(reasons) = found.filter(|_| codes.is_empty()) {
                // Nothing is expected to stand in the way.
                diff.extend(reasons.iter().map(|reason| Line::Got(format!("{entry} blocked because {}", self.reason(reason)))));
            }
            for code in codes {
                if !found.unwrap_or_default().iter().any(|reason| reason.code == *code) {
                    diff.push(Line::Expected(format!("{entry} blocked because {code}")));
                }
            }
            if found.is_none() {
                diff.push(Line::Got(format!("{entry} is not due")));
            }
        }
        diff
    }

    fn obstacles(&self, due: &Due) -> String {
        let reasons: Vec<String> = due.decision.reasons().iter().map(|reason| self.reason(reason)).collect();
        if reasons.is_empty() {
            format!(" by {}", due.channel)
        } else {
            format!(" by {}, blocked because {}", due.channel, reasons.join(", and "))
        }
    }

    /// A reason with its numbers.
    fn reason(&self, reason: &Reason) -> String {
        let mut details = Vec::new();
        if let Some(limit) = &reason.limit {
            details.push(format!("limit: {limit}"));
        }
        if let Some(count) = reason.count {
            details.push(format!("counted: {count}"));
        }
        if let Some(window) = reason.window {
            details.push(format!("window: {} to {}", self.time(window.from), self.time(window.until)));
        }
        if let Some(since) = reason.since {
            details.push(format!("since: {}", self.time(since)));
        }
        if let Some(next) = reason.next {
            details.push(format!("next: {}", self.time(next)));
        }
        if let Some(text) = &reason.text {
            details.push(text.clone());
        }
        if details.is_empty() { reason.code.to_string() } else { format!("{} ({})", reason.code, details.join("; ")) }
    }

    fn next(&self, next: Option<Time>) -> String {
        format!("next = {}", next.map_or("never".to_owned(), |next| self.time(next)))
    }

    fn time(&self, time: Time) -> String {
        local(time, self.scenario.time_zone)
    }

    /// A message with the story's names in place of ids.
    fn with_names(&self, message: &str) -> String {
        let words = message.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let named = words.map(|word| {
            let id = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            match id.parse::<Uuid>() {
                Ok(known) => format!("{}{}", self.scenario.names.name(known), &word[id.len()..]),
                Err(_) => word.to_owned(),
            }
        });
        named.collect()
    }

    fn describe(&self, step: &Step) -> String {
        let whom = match self.scenario.names.name(step.patient).as_str() {
            "p" => String::new(),
            name => format!(" of {name}"),
        };
        let what = match &step.what {
            What::Event(event, _) => format!("{}{whom}", event.kind()),
            What::Ask(ask, _) => format!("ask for {} by {}{whom}", ask.purpose, ask.channel),
            What::Quota(purpose, _) => format!("quota of {purpose}{whom}"),
            What::Due(branch) => format!("due at {branch}"),
        };
        format!("{what} at {}", self.time(step.at))
    }
}

fn local(time: Time, zone: Tz) -> String {
    time.with_timezone(&zone).format("%Y-%m-%dT%H:%M:%S%.f").to_string()
}

/// Holds one line against another; what nobody expected is only shown.
fn compare(diff: &mut Vec<Line>, expected: Option<String>, got: Option<String>) {
    match (expected, got) {
        (Some(expected), Some(got)) if expected == got => diff.push(Line::Same(got)),
        (None, got) => diff.extend(got.map(Line::Same)),
        (Some(expected), got) => {
            diff.push(Line::Expected(expected));
            diff.extend(got.map(Line::Got));
        }
    }
}
