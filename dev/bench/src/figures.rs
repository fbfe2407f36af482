// SPDX-License-Identifier: MIT OR Apache-2.0
//! Medians, and how figures are written.

/// The middle one; of none, nothing.
pub(crate) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// The figure below which this part (in thousandths) of ascending ones lies.
pub(crate) fn quantile(ascending: &[u64], thousandths: usize) -> Option<u64> {
    let last = ascending.len().checked_sub(1)?;
    ascending.get(last * thousandths / 1_000).copied()
}

/// With commas between thousands and no fraction: `12,345`.
pub(crate) fn whole(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One figure as a part of another: `0.12`.
pub(crate) fn ratio(one: Option<f64>, other: Option<f64>) -> String {
    match (one, other) {
        (Some(one), Some(other)) if other > 0.0 => format!("{:.2}", one / other),
        _ => MISSING.to_owned(),
    }
}

/// A figure, or a dash where there is none.
pub(crate) fn maybe(figure: Option<f64>, write: impl Fn(f64) -> String) -> String {
    figure.map_or_else(|| MISSING.to_owned(), write)
}

const MISSING: &str = "–";

/// A table in Markdown.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Self {
        let head = head.iter().map(|&cell| cell.to_owned()).collect();
        Self { rows: vec![head] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn print(&self) {
        for (number, row) in self.rows.iter().enumerate() {
            println!("| {} |", row.join(" | "));
            if number == 0 {
                println!("|---{}", "|---:".repeat(row.len() - 1) + "|");
            }
        }
        println!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (figure, text) in [
            (0.4, "0"),
            (999.0, "999"),
            (1_000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(whole(figure), text);
        }
    }

    #[test]
    fn the_median_is_not_moved_by_what_is_far_away() {
        assert_eq!(median(vec![1e9, 2.0, 1.0]), Some(2.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn quantiles_lie_within() {
        let ascending: Vec<u64> = (0..=1_000).collect();
        assert_eq!(quantile(&ascending, 500), Some(500));
        assert_eq!(quantile(&ascending, 990), Some(990));
        assert_eq!(quantile(&ascending, 1_000), Some(1_000));
        assert_eq!(quantile(&[], 500), None);
    }
}
