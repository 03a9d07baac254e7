//! Which figures of feedback may be shown, so that nobody learns what one or two people have said (P5).
//!
//! The views are fixed: the network, a branch, a clinician at a branch; each ever, by year and by month; each of all feedback and of what
//! names a theme as good or as not. What a caller asks for picks among these cells and never makes a new one, so there is one family of shown
//! cells, whoever asks and however often. A cell is shown only if
//!
//! 1. at least [`LEAST`] people speak in it;
//! 2. it is not one or two people short of another shown cell that holds it, by the number of people or by who speaks in the rest;
//! 3. whatever is left of a shown cell without its shown parts (its branches or clinicians, its years or months) is nobody or [`LEAST`]
//!    people, and keeps rule 2 as if it were shown.
//!
//! Holding is looked for in the feedback itself, not in what cells are called: all of a clinician's may be all of a branch's. It must never
//! depend on who asks. What it cannot help: whoever asks before and after one feedback is recorded sees the cells move by it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

#[cfg(test)]
mod tests;

/// The fewest people whose feedback is shown together.
pub(crate) const LEAST: usize = 3;

/// One feedback, as far as it is counted.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Who said it, whatever ids they have had.
    pub(crate) person: Uuid,
    pub(crate) branch: String,
    pub(crate) clinician: Option<Uuid>,
    /// `YYYY-MM`.
    pub(crate) month: String,
    pub(crate) score: i64,
    pub(crate) strengths: Vec<String>,
    pub(crate) weaknesses: Vec<String>,
}

/// Of whom or what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Network,
    Branch(String),
    /// A clinician at a branch.
    Clinician(String, Uuid),
}

/// When.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Period {
    Ever,
    /// `YYYY`.
    Year(String),
    /// `YYYY-MM`.
    Month(String),
}

/// What of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum About {
    All,
    Strength(String),
    Weakness(String),
}

/// Which cell.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) subject: Subject,
    pub(crate) period: Period,
    pub(crate) about: About,
}

/// What a shown cell says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    /// How many times feedback was given.
    pub(crate) given: usize,
    /// The sum of the scores.
    pub(crate) sum: i64,
}

/// Every cell in which anybody has spoken; `None`: withheld.
pub(crate) type Cells = BTreeMap<Key, Option<Figures>>;

/// A set of feedback that is known to whoever reads the cells: one that is shown, or what is left of one without its shown parts.
struct Known {
    /// The feedback by number, ascending.
    said: Vec<u32>,
    people: usize,
    /// The cell to withhold if this must not be known.
    culprit: usize,
}

/// The cells, those withheld that could tell of fewer than [`LEAST`] people.
pub(crate) fn released(said: &[Said]) -> Cells {
    let family = Family::new(said);
    let mut shown: Vec<bool> = family.cells.iter().map(|cell| family.people(cell) >= LEAST).collect();
    // Each round withholds at least one cell, so it ends.
    loop {
        let withheld = family.violations(&shown);
        if withheld.is_empty() {
            break;
        }
        withheld.into_iter().for_each(|cell| shown[cell] = false);
    }
    let figures = |cell: &[u32]| Figures { given: cell.len(), sum: cell.iter().map(|&one| said[one as usize].score).sum() };
    let cells = family.cells.iter().zip(shown).map(|(cell, shown)| shown.then(|| figures(cell)));
    family.keys.into_iter().zip(cells).collect()
}

/// The cells as sets of feedback.
struct Family {
    keys: Vec<Key>,
    cells: Vec<Vec<u32>>,
    /// For each cell, the parts into which it falls: by subject and by period, the coarsest first.
    parts: Vec<[Vec<usize>; 2]>,
    /// The speaker of each feedback, by number.
    person: Vec<u32>,
}

impl Family {
    fn new(said: &[Said]) -> Self {
        let mut people = BTreeMap::new();
        let mut person = Vec::with_capacity(said.len());
        let mut cells: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
        for (number, one) in (0..).zip(said) {
            let next = u32::try_from(people.len()).unwrap_or(u32::MAX);
            person.push(*people.entry(one.person).or_insert(next));
            for key in keys_of(one) {
                cells.entry(key).or_default().push(number);
            }
        }
        let (keys, cells): (Vec<Key>, Vec<Vec<u32>>) = cells.into_iter().unzip();
        let number: BTreeMap<&Key, usize> = keys.iter().zip(0..).collect();
        let mut parts = vec![[Vec::new(), Vec::new()]; keys.len()];
        for (at, key) in keys.iter().enumerate() {
            let by_subject = coarser_subjects(&key.subject).map(|subject| (0, Key { subject, ..key.clone() }));
            let by_period = coarser_periods(&key.period).map(|period| (1, Key { period, ..key.clone() }));
            for (way, whole) in by_subject.chain(by_period) {
                parts[number[&whole]][way].push(at);
            }
        }
        let depth = |key: &Key| (subject_depth(&key.subject), period_depth(&key.period));
        for ways in &mut parts {
            ways.iter_mut().for_each(|way| way.sort_by_key(|at| depth(&keys[*at])));
        }
        Self { keys, cells, parts, person }
    }

    fn people(&self, said: &[u32]) -> usize {
        said.iter().map(|&one| self.person[one as usize]).collect::<BTreeSet<_>>().len()
    }

    /// Which of the shown cells must not be shown beside the others. None: all of them may.
    fn violations(&self, shown: &[bool]) -> BTreeSet<usize> {
        let all = (0..self.cells.len()).filter(|&cell| shown[cell]);
        let cells =
            all.map(|cell| Known { said: self.cells[cell].clone(), people: self.people(&self.cells[cell]), culprit: cell });
        let mut known: Vec<Known> = cells.collect();
        // What must go beside a larger cell goes first: then it leaves nothing over for which a part of it would have to go.
        let mut withheld = self.too_near(&mut known);
        if !withheld.is_empty() {
            return withheld;
        }
        for whole in (0..self.cells.len()).filter(|&cell| shown[cell]) {
            for way in &self.parts[whole] {
                let Some((left, smallest)) = self.left(whole, way, shown) else { continue };
                let people = self.people(&left);
                if (1..LEAST).contains(&people) {
                    withheld.insert(smallest);
                } else if people > 0 {
                    known.push(Known { said: left, people, culprit: smallest });
                }
            }
        }
        if withheld.is_empty() { self.too_near(&mut known) } else { withheld }
    }

    /// What is left of a cell without its shown parts, and the smallest of those; `None` if none is shown.
    fn left(&self, whole: usize, way: &[usize], shown: &[bool]) -> Option<(Vec<u32>, usize)> {
        let mut taken = BTreeSet::new();
        let mut smallest: Option<usize> = None;
        for &part in way.iter().filter(|&&part| shown[part]) {
            // The coarsest come first: a part of a part takes nothing more.
            if !taken.contains(&self.cells[part][0]) {
                taken.extend(self.cells[part].iter().copied());
                smallest = smallest.filter(|&other| self.cells[other].len() <= self.cells[part].len()).or(Some(part));
            }
        }
        let smallest = smallest?;
        Some((self.cells[whole].iter().copied().filter(|one| !taken.contains(one)).collect(), smallest))
    }

    /// Rule 2: the larger is kept, the smaller withheld.
    fn too_near(&self, known: &mut [Known]) -> BTreeSet<usize> {
        known.sort_by(|a, b| b.said.len().cmp(&a.said.len()).then_with(|| a.culprit.cmp(&b.culprit)));
        let mut withheld = BTreeSet::new();
        let mut holding: Vec<Vec<usize>> = vec![Vec::new(); self.person.len()];
        for (at, one) in known.iter().enumerate() {
            // Whatever holds all of it holds its first, and is not smaller.
            let near = holding[one.said[0] as usize].iter().any(|&other| self.nearly(&known[other], one));
            if near || withheld.contains(&one.culprit) {
                withheld.insert(one.culprit);
                continue;
            }
            one.said.iter().for_each(|&said| holding[said as usize].push(at));
        }
        withheld
    }

    /// Whether the larger holds all of the smaller, and its rest would tell of fewer than [`LEAST`] people.
    fn nearly(&self, larger: &Known, smaller: &Known) -> bool {
        let mut rest = BTreeSet::new();
        let (mut few, mut wanted) = (true, smaller.said.iter().peekable());
        for said in &larger.said {
            if wanted.peek() == Some(&said) {
                wanted.next();
            } else if wanted.peek().is_some_and(|next| *next < said) {
                return false;
            } else if few {
                rest.insert(self.person[*said as usize]);
                few = rest.len() < LEAST;
            }
        }
        let by_number = larger.people - smaller.people.min(larger.people);
        wanted.peek().is_none() && ((few && !rest.is_empty()) || (1..LEAST).contains(&by_number))
    }
}

/// Every cell in which a feedback counts.
fn keys_of(said: &Said) -> Vec<Key> {
    let at = |clinician| Subject::Clinician(said.branch.clone(), clinician);
    let subjects = [Subject::Network, Subject::Branch(said.branch.clone())].into_iter().chain(said.clinician.map(at));
    let year = said.month.chars().take(4).collect();
    let periods = [Period::Ever, Period::Year(year), Period::Month(said.month.clone())];
    // A theme that is named twice is one.
    let strengths: BTreeSet<_> = said.strengths.iter().cloned().map(About::Strength).collect();
    let weaknesses: BTreeSet<_> = said.weaknesses.iter().cloned().map(About::Weakness).collect();
    let about: Vec<About> = [About::All].into_iter().chain(strengths).chain(weaknesses).collect();
    let mut keys = Vec::with_capacity(9 * about.len());
    for subject in subjects {
        for period in &periods {
            let key = |about: &About| Key { subject: subject.clone(), period: period.clone(), about: about.clone() };
            keys.extend(about.iter().map(key));
        }
    }
    keys
}

fn coarser_subjects(subject: &Subject) -> impl Iterator<Item = Subject> {
    let (network, branch) = match subject {
        Subject::Network => (None, None),
        Subject::Branch(_) => (Some(Subject::Network), None),
        Subject::Clinician(branch, _) => (Some(Subject::Network), Some(Subject::Branch(branch.clone()))),
    };
    network.into_iter().chain(branch)
}

fn coarser_periods(period: &Period) -> impl Iterator<Item = Period> {
    let (ever, year) = match period {
        Period::Ever => (None, None),
        Period::Year(_) => (Some(Period::Ever), None),
        Period::Month(month) => (Some(Period::Ever), Some(Period::Year(month.chars().take(4).collect()))),
    };
    ever.into_iter().chain(year)
}

const fn subject_depth(subject: &Subject) -> u8 {
    match subject {
        Subject::Network => 0,
        Subject::Branch(_) => 1,
        Subject::Clinician(..) => 2,
    }
}

const fn period_depth(period: &Period) -> u8 {
    match period {
        Period::Ever => 0,
        Period::Year(_) => 1,
        Period::Month(_) => 2,
    }
}
