//! Text laid out in columns.

/// Rows of cells as lines, each column as wide as its widest cell. Columns whose name begins with `#` are of numbers:
/// they are set to the right, and the mark is not shown.
pub(super) fn columns(header: &[&str], rows: &[Vec<String>], indent: &str) -> String {
    let numeric: Vec<_> = header.iter().map(|name| name.starts_with('#')).collect();
    let header: Vec<_> = header.iter().map(|name| name.trim_start_matches('#').to_owned()).collect();
    let lines: Vec<_> = std::iter::once(&header).chain(rows).collect();
    let widths: Vec<_> = (0..header.len())
        .map(|column| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut laid = indent.to_owned();
        for ((cell, &width), &numeric) in line.iter().zip(&widths).zip(&numeric) {
            let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
            let [before, after] = if numeric { [padding.as_str(), ""] } else { ["", padding.as_str()] };
            laid.extend([before, cell, after, "  "]);
        }
        text.push_str(laid.trim_end());
        text.push('\n');
    }
    text
}

/// Names and what they stand for, one a line; lines without a value are left out.
pub(super) fn fields(pairs: &[(&str, String)], indent: &str) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{indent}{name:width$}  {value}\n"))
        .collect()
}
