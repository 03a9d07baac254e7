//! That no two shown cells, and nothing that is left between them, tell of one or two people: every pair, on random feedback.

use super::*;

/// Random numbers that are the same at each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    fn themes(&mut self) -> Vec<String> {
        let count = self.below(3);
        (0..count).map(|_| format!("theme_{}", self.below(3))).collect()
    }
}

/// A network of a size that differs from seed to seed; small ones are where few people speak.
fn feedback(seed: u64) -> Vec<Said> {
    let mut dice = Dice(seed);
    let (people, branches, months) = (3 + dice.below(40), 1 + dice.below(3), 1 + dice.below(15));
    let count = 1 + dice.below(90);
    let one = |_| {
        let branch = dice.below(branches);
        let month = dice.below(months);
        Said {
            person: Uuid::from_u128(u128::from(dice.below(people))),
            branch: format!("branch_{branch}"),
            // Some clinicians work at one branch only, which their figures must not tell apart from its other feedback.
            clinician: (dice.below(3) > 0).then(|| Uuid::from_u128(u128::from(branch * 2 + dice.below(3)))),
            month: format!("{}-{:02}", 2025 + month / 12, month % 12 + 1),
            score: i64::try_from(dice.below(11)).unwrap(),
            strengths: dice.themes(),
            weaknesses: dice.themes(),
        }
    };
    (0..count).map(one).collect()
}

/// The feedback that a cell is made of, found by what the key says and by nothing of the code under test.
fn members(said: &[Said], key: &Key) -> BTreeSet<usize> {
    let fits = |one: &Said| {
        let subject = match &key.subject {
            Subject::Network => true,
            Subject::Branch(branch) => one.branch == *branch,
            Subject::Clinician(branch, clinician) => one.branch == *branch && one.clinician == Some(*clinician),
        };
        let period = match &key.period {
            Period::Ever => true,
            Period::Year(year) => one.month[..4] == **year,
            Period::Month(month) => one.month == *month,
        };
        let about = match &key.about {
            About::All => true,
            About::Strength(theme) => one.strengths.contains(theme),
            About::Weakness(theme) => one.weaknesses.contains(theme),
        };
        subject && period && about
    };
    (0..said.len()).filter(|&at| fits(&said[at])).collect()
}

fn people(said: &[Said], of: &BTreeSet<usize>) -> usize {
    of.iter().map(|&at| said[at].person).collect::<BTreeSet<_>>().len()
}

#[test]
fn no_two_shown_cells_differ_by_one_or_two_people() {
    let (mut shown_cells, mut withheld, mut nested) = (0, 0, 0);
    for seed in 0..200 {
        let said = feedback(seed);
        let cells = released(&said);
        let shown: Vec<(&Key, BTreeSet<usize>)> =
            cells.iter().filter(|(_, figures)| figures.is_some()).map(|(key, _)| (key, members(&said, key))).collect();
        shown_cells += shown.len();
        withheld += cells.len() - shown.len();
        for (key, cell) in &shown {
            assert!(people(&said, cell) >= 3, "seed {seed}: {key:?}");
            let Some(figures) = cells[*key] else { unreachable!() };
            assert_eq!(figures.given, cell.len(), "seed {seed}: {key:?}");
            assert_eq!(figures.sum, cell.iter().map(|&at| said[at].score).sum::<i64>(), "seed {seed}: {key:?}");
            for (other_key, other) in &shown {
                if cell.len() < other.len() && cell.is_subset(other) {
                    nested += 1;
                    let rest: BTreeSet<usize> = other.difference(cell).copied().collect();
                    let in_rest = people(&said, &rest);
                    assert!(in_rest >= 3, "seed {seed}: {in_rest} people tell {other_key:?} from {key:?}");
                    let by_number = people(&said, other) - people(&said, cell);
                    assert!(!(1..=2).contains(&by_number), "seed {seed}: {other_key:?} has {by_number} more than {key:?}");
                }
            }
        }
    }
    // The test has seen all it is about.
    assert!(
        shown_cells > 2_000 && withheld > 2_000 && nested > 5_000,
        "{shown_cells} shown, {withheld} withheld, {nested} nested"
    );
}

#[test]
fn nothing_left_of_a_shown_cell_without_its_shown_parts_tells_of_one_or_two_people() {
    let mut partly = 0;
    for seed in 1000..1200 {
        let said = feedback(seed);
        let cells = released(&said);
        let shown: Vec<(&Key, BTreeSet<usize>)> =
            cells.iter().filter(|(_, figures)| figures.is_some()).map(|(key, _)| (key, members(&said, key))).collect();
        let mut left = Vec::new();
        for (whole_key, whole) in &shown {
            // By subject in the same period, and by period of the same subject; branches or clinicians, years or months, or both mixed.
            for by_subject in [true, false] {
                let mut rest = whole.clone();
                for (key, cell) in &shown {
                    let same = if by_subject { key.period == whole_key.period } else { key.subject == whole_key.subject };
                    if same && key.about == whole_key.about && key != whole_key && cell.is_subset(whole) {
                        rest.retain(|at| !cell.contains(at));
                    }
                }
                let in_rest = people(&said, &rest);
                assert!(!(1..=2).contains(&in_rest), "seed {seed}: {in_rest} people are left of {whole_key:?}");
                if !rest.is_empty() && rest != *whole {
                    partly += 1;
                    left.push((whole_key, rest));
                }
            }
        }
        // What is left can be reckoned, so it stands beside the shown cells.
        for (whole_key, rest) in &left {
            let shown = shown.iter().map(|(key, cell)| (key, cell));
            for (key, cell) in shown.chain(left.iter().map(|(key, rest)| (*key, rest))) {
                for (larger, smaller) in [(rest, cell), (cell, rest)] {
                    if smaller.len() < larger.len() && smaller.is_subset(larger) {
                        let between = people(&said, &larger.difference(smaller).copied().collect());
                        assert!(between >= 3, "seed {seed}: {between} people between what is left of {whole_key:?} and {key:?}");
                    }
                }
            }
        }
    }
    assert!(partly > 100, "{partly}");
}

fn one(person: u128, branch: &str, clinician: Option<u128>, month: &str) -> Said {
    Said {
        person: Uuid::from_u128(person),
        branch: branch.to_owned(),
        clinician: clinician.map(Uuid::from_u128),
        month: month.to_owned(),
        score: 9,
        strengths: Vec::new(),
        weaknesses: Vec::new(),
    }
}

fn shown(said: &[Said], subject: Subject, period: Period) -> Option<usize> {
    released(said)[&Key { subject, period, about: About::All }].map(|figures| figures.given)
}

#[test]
fn a_small_cell_takes_its_neighbour_with_it() {
    let north = |people: std::ops::Range<u128>, month| people.map(move |p| one(p, "north", None, month));
    let branch = || Subject::Branch("north".to_owned());
    let month = |month: &str| Period::Month(month.to_owned());
    // Two in March beside five in April: April and the year would tell of March.
    let two: Vec<Said> = north(0..2, "2026-03").chain(north(10..15, "2026-04")).collect();
    assert_eq!(shown(&two, branch(), Period::Ever), Some(7));
    assert_eq!(shown(&two, branch(), month("2026-03")), None);
    assert_eq!(shown(&two, branch(), month("2026-04")), None);
    let three: Vec<Said> = north(0..3, "2026-03").chain(north(10..15, "2026-04")).collect();
    assert_eq!(shown(&three, branch(), month("2026-03")), Some(3));
    assert_eq!(shown(&three, branch(), month("2026-04")), Some(5));
    // Three times the same two people are two people.
    let again: Vec<Said> = (0..6).map(|n| one(n % 2, "north", None, "2026-03")).collect();
    assert_eq!(shown(&again, branch(), Period::Ever), None);
}

#[test]
fn a_large_book_is_gone_through_in_bearable_time() {
    // Not a measurement: it would not end within the test's patience if the work grew with the square of the feedback.
    let mut dice = Dice(7);
    let many = |n: u128| Said {
        person: Uuid::from_u128(n / 2),
        branch: format!("branch_{}", dice.below(20)),
        clinician: Some(Uuid::from_u128(u128::from(dice.below(200)))),
        month: format!("{}-{:02}", 2020 + dice.below(6), 1 + dice.below(12)),
        score: 9,
        strengths: dice.themes(),
        weaknesses: dice.themes(),
    };
    let said: Vec<Said> = (0..5_000).map(many).collect();
    let cells = released(&said);
    assert!(cells.values().flatten().count() > 100);
}
