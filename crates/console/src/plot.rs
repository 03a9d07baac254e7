//! Plots, drawn on the server: where each bar and word stands. A template makes SVG of it; a table with the same figures stands beside each.
//!
//! Pure. What is withheld is drawn as withheld, never as nothing, and no axis is cut: a bar is as long as what it shows is much.

use std::fmt;

/// The width that everything is drawn to; a page makes it wider or narrower as a whole.
pub(crate) const WIDTH: f64 = 680.0;
/// The height of a trend.
pub(crate) const HEIGHT: f64 = 300.0;
/// Where the axis begins: left of it stand the scale's numbers.
const LEFT: f64 = 56.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = HEIGHT - 40.0;
/// The narrowest bar beside which its value can be read.
const LEGIBLE: f64 = 46.0;
/// The height of a theme's row, its name above its bars.
const ROW: f64 = 62.0;
/// Above the first row: what left and right mean.
const HEAD: f64 = 40.0;
/// The room for a number at the outer end of a bar.
const OUTER: f64 = 60.0;

/// A length or a place in a plot, to a tenth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Px(pub(crate) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() / 10.0;
        if tenths.fract() == 0.0 { write!(f, "{tenths:.0}") } else { write!(f, "{tenths:.1}") }
    }
}

/// What there is of one step of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// Nobody has spoken.
    Nothing,
    /// Somebody has, and it is not shown.
    Withheld,
    /// So much, and how it is written.
    Value(f64, String),
}

/// A rectangle.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    pub(crate) x: Px,
    pub(crate) y: Px,
    pub(crate) width: Px,
    pub(crate) height: Px,
}

/// A word somewhere.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) x: Px,
    pub(crate) y: Px,
    pub(crate) text: String,
}

/// Values over time, the earliest at the left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trend {
    /// The scale: a line, with its number.
    pub(crate) scale: Vec<Mark>,
    pub(crate) bars: Vec<Bar>,
    /// Where something is withheld.
    pub(crate) withheld: Vec<Bar>,
    /// The values, where there is room for them.
    pub(crate) values: Vec<Mark>,
    /// The steps of time, as many as can be read.
    pub(crate) steps: Vec<Mark>,
}

/// Draws values from 0 to `most`, each step of time with its short name.
pub(crate) fn trend(most: f64, steps: &[(String, Shown)]) -> Trend {
    let count = f64::from(u32::try_from(steps.len()).unwrap_or(u32::MAX).max(1));
    let each = (WIDTH - LEFT) / count;
    let thick = (each * 0.7).min(70.0);
    let height = |value: f64| (value / most).clamp(0.0, 1.0) * (BOTTOM - TOP);
    let scale = [0.0, 0.5, 1.0].map(|part| {
        let value = most * part;
        Mark { x: Px(LEFT), y: Px(BOTTOM - height(value)), text: Px(value).to_string() }
    });
    // Of many names every second, third and so on, so that none runs into the next.
    let every = (1_u32..).find(|every| each * f64::from(*every) >= 84.0).unwrap_or(1);
    let mut plot = Trend { scale: scale.into(), bars: vec![], withheld: vec![], values: vec![], steps: vec![] };
    for (at, (name, shown)) in (0_u32..).zip(steps) {
        let middle = LEFT + each * (f64::from(at) + 0.5);
        let bar = |of: f64| Bar { x: Px(middle - thick / 2.0), y: Px(BOTTOM - of), width: Px(thick), height: Px(of) };
        match shown {
            Shown::Nothing => {}
            Shown::Withheld => plot.withheld.push(bar(BOTTOM - TOP)),
            Shown::Value(value, text) => {
                plot.bars.push(bar(height(*value)));
                if each >= LEGIBLE {
                    plot.values.push(Mark { x: Px(middle), y: Px(BOTTOM - height(*value) - 8.0), text: text.clone() });
                }
            }
        }
        if at % every == 0 {
            plot.steps.push(Mark { x: Px(middle), y: Px(BOTTOM + 30.0), text: name.clone() });
        }
    }
    plot
}

/// Two counts over time: one upwards from a line, the other downwards.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Balance {
    /// Where the line stands.
    pub(crate) middle: Px,
    pub(crate) up: Vec<Bar>,
    pub(crate) down: Vec<Bar>,
    /// Where something is withheld.
    pub(crate) withheld: Vec<Bar>,
    pub(crate) values: Vec<Mark>,
    pub(crate) steps: Vec<Mark>,
}

/// Draws them, all bars by one measure.
pub(crate) fn balance(steps: &[(String, Shown, Shown)]) -> Balance {
    let value = |shown: &Shown| if let Shown::Value(value, _) = shown { *value } else { 0.0 };
    let most = steps.iter().flat_map(|(_, up, down)| [value(up), value(down)]).fold(1.0, f64::max);
    let half = (BOTTOM - TOP) / 2.0;
    let of = |side: fn(&(String, Shown, Shown)) -> &Shown| -> Vec<(String, Shown)> {
        steps.iter().map(|step| (step.0.clone(), side(step).clone())).collect()
    };
    let (up, down) = (trend(most, &of(|step| &step.1)), trend(most, &of(|step| &step.2)));
    let upper = |bar: &Bar| Bar { y: Px(TOP + half - bar.height.0 / 2.0), height: Px(bar.height.0 / 2.0), ..*bar };
    let lower = |bar: &Bar| Bar { y: Px(TOP + half), height: Px(bar.height.0 / 2.0), ..*bar };
    let above = up.values.iter().map(|mark| Mark { y: Px(TOP + half - (BOTTOM - 8.0 - mark.y.0) / 2.0 - 8.0), ..mark.clone() });
    let below =
        down.values.iter().map(|mark| Mark { y: Px(TOP + half + (BOTTOM - 8.0 - mark.y.0) / 2.0 + 20.0), ..mark.clone() });
    Balance {
        middle: Px(TOP + half),
        up: up.bars.iter().map(upper).collect(),
        down: down.bars.iter().map(lower).collect(),
        withheld: up.withheld.iter().map(upper).chain(down.withheld.iter().map(lower)).collect(),
        values: above.chain(below).collect(),
        steps: up.steps,
    }
}

/// Two counts of each of some things, side by side: to the left and to the right of one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sides {
    pub(crate) height: Px,
    /// Where the line stands.
    pub(crate) middle: Px,
    pub(crate) rows: Vec<Pair>,
}

/// A row of [`Sides`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    pub(crate) name: Mark,
    /// From where to where the line between both sides goes, below the name.
    pub(crate) from: Px,
    pub(crate) until: Px,
    pub(crate) left: Option<(Bar, Mark)>,
    pub(crate) right: Option<(Bar, Mark)>,
}

/// Draws them, all bars by one measure. Where a count is none or withheld, no bar is drawn.
pub(crate) fn sides(rows: &[(String, Option<u64>, Option<u64>)]) -> Sides {
    let most = rows.iter().flat_map(|(_, left, right)| [*left, *right]).flatten().max().unwrap_or(1).max(1);
    let middle = WIDTH / 2.0;
    let length = |count: u64| (middle - OUTER) * share(count, most);
    let pairs = (0_u32..).zip(rows).map(|(at, (name, left, right))| {
        let top = HEAD + ROW * f64::from(at);
        let bar = |x: f64, width: f64| Bar { x: Px(x), y: Px(top + 30.0), width: Px(width), height: Px(22.0) };
        let mark = |x: f64, text: String| Mark { x: Px(x), y: Px(top + 48.0), text };
        Pair {
            name: Mark { x: Px(middle), y: Px(top + 22.0), text: name.clone() },
            from: Px(top + 28.0),
            until: Px(top + 54.0),
            left: left.map(|n| (bar(middle - length(n), length(n)), mark(middle - length(n) - 10.0, n.to_string()))),
            right: right.map(|n| (bar(middle, length(n)), mark(middle + length(n) + 10.0, n.to_string()))),
        }
    });
    let rows: Vec<Pair> = pairs.collect();
    let height = HEAD + ROW * f64::from(u32::try_from(rows.len()).unwrap_or(u32::MAX)) + 8.0;
    Sides { height: Px(height), middle: Px(middle), rows }
}

fn share(count: u64, most: u64) -> f64 {
    let number = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    (number(count) / number(most)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(shown: Shown) -> (String, Shown) {
        ("03.26".to_owned(), shown)
    }

    #[test]
    fn a_bar_is_as_long_as_its_value_is_much_and_nothing_runs_over_the_edge() {
        let value = |value: f64| named(Shown::Value(value, value.to_string()));
        let plot =
            trend(10.0, &[value(10.0), value(5.0), named(Shown::Withheld), named(Shown::Nothing), value(0.0), value(12.0)]);
        let heights: Vec<f64> = plot.bars.iter().map(|bar| bar.height.0).collect();
        assert_eq!(heights, [226.0, 113.0, 0.0, 226.0], "half the score is half the bar, and none is higher than the scale");
        assert_eq!(plot.withheld.len(), 1, "what is withheld is to be seen");
        for bar in plot.bars.iter().chain(&plot.withheld) {
            assert!(
                bar.x.0 >= LEFT && bar.x.0 + bar.width.0 <= WIDTH && bar.y.0 >= TOP && bar.y.0 + bar.height.0 <= BOTTOM,
                "{bar:?}"
            );
        }
        assert_eq!(plot.scale.iter().map(|mark| mark.text.as_str()).collect::<Vec<_>>(), ["0", "5", "10"]);
        assert_eq!(plot.values.len(), 4);
    }

    #[test]
    fn names_of_many_steps_do_not_run_into_each_other() {
        for count in [1, 2, 7, 12, 24, 60, 200] {
            let plot = trend(10.0, &vec![named(Shown::Nothing); count]);
            assert!(!plot.steps.is_empty());
            let gaps = plot.steps.windows(2).map(|two| two[1].x.0 - two[0].x.0);
            assert!(gaps.into_iter().all(|gap| gap >= 80.0), "{count} steps");
        }
        let many = vec![named(Shown::Value(9.0, "9".to_owned())); 24];
        assert!(trend(10.0, &many).values.is_empty(), "there is no room for them; the table has them");
        assert_eq!(trend(10.0, &[]).bars, []);
    }

    #[test]
    fn upwards_and_downwards_are_drawn_by_one_measure_too() {
        let value = |n: u32| Shown::Value(f64::from(n), n.to_string());
        let step = |up, down| ("03.26".to_owned(), up, down);
        let plot = balance(&[step(value(8), value(4)), step(Shown::Nothing, Shown::Withheld), step(value(2), Shown::Nothing)]);
        assert_eq!(plot.up.iter().map(|bar| bar.height.0).collect::<Vec<_>>(), [113.0, 28.25]);
        assert_eq!(plot.down.iter().map(|bar| bar.height.0).collect::<Vec<_>>(), [56.5]);
        assert!(plot.up.iter().all(|bar| bar.y.0 + bar.height.0 == plot.middle.0), "from the line upwards");
        assert!(plot.down.iter().chain(&plot.withheld).all(|bar| bar.y == plot.middle), "from the line downwards");
        assert_eq!(plot.values.iter().map(|mark| mark.text.as_str()).collect::<Vec<_>>(), ["8", "2", "4"]);
        assert_eq!((plot.values[0].y.0, plot.values[2].y.0), (TOP - 8.0, plot.middle.0 + 56.5 + 20.0));
    }

    #[test]
    fn strengths_and_weaknesses_are_drawn_by_one_measure() {
        let row = |left, right| ("Waiting".to_owned(), left, right);
        let plot = sides(&[row(Some(10), Some(5)), row(None, Some(1)), row(Some(0), None)]);
        let (left, right) = (plot.rows[0].left.as_ref().unwrap(), plot.rows[0].right.as_ref().unwrap());
        assert_eq!((left.0.x.0, left.0.width.0), (60.0, 280.0));
        assert_eq!((right.0.x.0, right.0.width.0), (340.0, 140.0), "the same measure on both sides");
        assert_eq!((plot.rows[1].left.as_ref(), plot.rows[2].right.as_ref()), (None, None));
        assert!(left.1.x.0 > 40.0, "there is room for the number");
        assert_eq!(plot.height.to_string(), "234");
        assert_eq!(sides(&[]).rows, []);
    }

    #[test]
    fn lengths_are_written_shortly() {
        for (px, text) in [(1.0, "1"), (1.25, "1.3"), (0.04, "0"), (33.333, "33.3"), (-2.5, "-2.5")] {
            assert_eq!(Px(px).to_string(), text);
        }
    }
}
