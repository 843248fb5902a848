//! Tables on stdout: columns without lines between them, as wide as their widest cell.

use anyhow::Result;
use comfy_table::presets::NOTHING;

use crate::print;

/// A table that is printed when all its rows are there.
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// Without rows yet.
    pub(crate) fn new(header: &[&str]) -> Table {
        let mut table = comfy_table::Table::new();
        table.load_style(NOTHING).set_header(header);
        Table(table)
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.0.add_row(cells);
    }

    /// Prints it.
    pub(crate) fn print(self) -> Result<()> {
        self.lines().try_for_each(print::line)
    }

    fn lines(mut self) -> impl Iterator<Item = String> {
        for column in self.0.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let lines: Vec<String> = self.0.lines().collect();
        lines.into_iter().map(|line| line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_on_a_terminal() {
        let mut table = Table::new(&["NAME", "OWNER"]);
        for name in ["ci", "キー", "Zürich 👩\u{200d}💻"] {
            table.row(vec![name.to_owned(), "ann".to_owned()]);
        }
        let lines =
            ["NAME       OWNER", "ci         ann", "キー       ann", "Zürich 👩\u{200d}💻  ann"];
        assert_eq!(table.lines().collect::<Vec<_>>(), lines);
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        assert_eq!(Table::new(&["ID", "STATUS"]).lines().collect::<Vec<_>>(), ["ID  STATUS"]);
    }
}
