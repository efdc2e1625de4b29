//! Text laid out in columns.

/// Rows of cells as lines, each column as wide as its widest cell; headings that begin with `#` are of numbers, which are
/// set to the right. Each line is indented by two spaces.
pub(crate) fn columns(headings: &[&str], rows: &[Vec<String>]) -> String {
    let is_number: Vec<bool> = headings.iter().map(|heading| heading.starts_with('#')).collect();
    let head: Vec<String> = headings.iter().map(|heading| heading.trim_start_matches('#').to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut laid = String::new();
        for ((cell, width), is_number) in line.iter().zip(&widths).zip(&is_number) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let [before, after] = if *is_number { [padding.as_str(), ""] } else { ["", padding.as_str()] };
            laid.extend(["  ", before, cell, after]);
        }
        text.push_str(laid.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "1"], ["long", "1,000"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(columns(&["name", "#rows"], &rows), "  name   rows\n  a         1\n  long  1,000\n");
    }
}
